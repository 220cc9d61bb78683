import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv, type ErrorObject } from 'ajv'
import { parse } from 'yaml'
import { durationMs } from './duration.ts'
import { KindSchema, type Kind, type Kinds, type Metric } from './kind.ts'

/** One line: which file, which key, what was found and what was expected. */
export class KindError extends Error {
  override readonly name = 'KindError'
}

const builtIn = fileURLToPath(new URL('./kinds', import.meta.url))

/**
 * Columns that every measurement has beside its metrics (contract §6), and `constructor`, which every
 * object seems to have: no metric may bear such a name.
 */
const taken = new Set('time device site street grid lon lat alt span delay behind constructor'.split(' '))

/** The alarms' own measurement (contract §6). */
const takenKinds = new Set(['alarm'])

const validate = new Ajv({ verbose: true }).compile<Kind>(KindSchema)

/** Reads every `*.yaml` of the folder; throws {@link KindError} at the first thing that is wrong. */
export function loadKinds(dir: string = builtIn): Kinds {
  const kinds = new Map<string, Kind>()
  for (const name of listYaml(dir)) {
    const kind = readKind(join(dir, name))
    if (name !== `${kind.id}.yaml`) {
      throw new KindError(`${join(dir, name)}: id: "${kind.id}" does not match; expected the file's own name`)
    }
    kinds.set(kind.id, kind)
  }
  if (kinds.size === 0) throw new KindError(`${dir}: holds no kind; expected at least one *.yaml`)
  return kinds
}

function listYaml(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.endsWith('.yaml'))
      .sort()
  } catch (error) {
    throw new KindError(`${dir}: cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

function readKind(file: string): Kind {
  let parsed: unknown
  try {
    parsed = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new KindError(`${file}: ${(error as Error).message.split('\n')[0]}`, { cause: error })
  }
  if (!validate(parsed)) throw new KindError(`${file}: ${explain(validate.errors![0]!)}`)
  const problem = contradiction(parsed)
  if (problem !== null) throw new KindError(`${file}: ${problem}`)
  return parsed
}

function explain(error: ErrorObject): string {
  const path = error.instancePath.split('/').slice(1)
  if (error.keyword === 'additionalProperties') {
    const key = [...path, String(error.params['additionalProperty'])].join('.')
    const expected =
      path.join('.') === 'metrics'
        ? 'expected a lower-case name such as fan_current'
        : `expected one of ${Object.keys((error.parentSchema as { properties: object }).properties).join(', ')}`
    return `${key}: unknown key; ${expected}`
  }
  if (error.keyword === 'required') {
    return `${[...path, String(error.params['missingProperty'])].join('.')}: missing`
  }
  const expected = path.at(-1) === 'type' ? 'expected number or boolean' : error.message
  return `${path.join('.') || 'file'}: ${JSON.stringify(error.data)} is not valid; ${expected}`
}

/** What a schema cannot say. */
function contradiction(kind: Kind): string | null {
  if (takenKinds.has(kind.id)) return `id: "${kind.id}" is taken; expected another name`
  for (const [name, metric] of Object.entries(kind.metrics)) {
    if (taken.has(name) || name.endsWith('_flag')) {
      return `metrics.${name}: the name is taken by the historian's layout; expected another one`
    }
    const { minimum = -Infinity, maximum = Infinity } = metric
    if (minimum > maximum) return `metrics.${name}: minimum ${minimum} is above maximum ${maximum}`
    if (metric.type === 'boolean' && (metric.minimum ?? metric.maximum ?? metric.decimals) !== undefined) {
      return `metrics.${name}: a boolean has no minimum, maximum or decimals`
    }
    const doubt = implausible(metric)
    if (doubt !== null) return `metrics.${name}.plausible: ${doubt}`
  }
  return null
}

function implausible({ type, plausible }: Metric): string | null {
  if (plausible === undefined) return null
  if (type === 'boolean') return 'true and false are both plausible'
  const { minimum = -Infinity, maximum = Infinity, step, per } = plausible
  if (minimum > maximum) return `minimum ${minimum} is above maximum ${maximum}`
  if (per !== undefined && step === undefined) return '"per" needs a "step"'
  if (per !== undefined && durationMs(per) === 0) return '"per" is no time at all'
  return null
}
