import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { isNode, LineCounter, parseDocument, type Document } from 'yaml'
import { ConfigError } from '../config.ts'
import type { AreaGeometry } from '../model/area.ts'
import { DistrictSchema, type District } from '../model/district.ts'
import { checkDistrict, surveyDistrict } from './check.ts'
import { findingLine, type Finding } from './finding.ts'
import { schemaFindings } from './schema-faults.ts'

export const BUILT_IN = fileURLToPath(new URL('districts/chongchuan.yaml', import.meta.url))
/** A roster's shifts may be written once and named again; a few aliases of aliases would be gigabytes. */
const MOST_ALIASES = 10_000

const validate = new Ajv({
  strict: false,
  strictNumbers: true,
  verbose: true,
  allErrors: true,
}).compile<District>(DistrictSchema)

/** A finding with the line of the file that it is about, from 1. */
export interface Located extends Finding {
  readonly line?: number
}

/** What a district file says; no district when the file has errors. */
export interface ReadDistrict {
  readonly district: District | null
  readonly findings: readonly Located[]
}

/** Many parts read it, and nobody changes it. */
let builtIn: District | undefined

/**
 * Reads a district file, the built-in Chongchuan when none is given. Warnings do not keep it from being used; of
 * errors the first is told with a {@link ConfigError}, all of them by `gridwhistle district check`.
 */
export function loadDistrict(file?: string): District {
  if (file === undefined && builtIn !== undefined) return builtIn
  const name = file ?? 'chongchuan.yaml'
  const { district, findings } = parseDistrict(readText(file ?? BUILT_IN, name))
  if (district === null) {
    const errors = findings.filter(({ severity }) => severity === 'error')
    const rest =
      errors.length > 1 ? ` (and ${errors.length - 1} more: gridwhistle district check ${name})` : ''
    throw new ConfigError(findingLine(name, errors[0]!, errors[0]!.line) + rest)
  }
  if (file === undefined) builtIn = district
  return district
}

/** Reads a file and finds every mistake in it; throws {@link ConfigError} when it cannot be read. */
export function readDistrict(file: string): ReadDistrict {
  return parseDistrict(readText(file, file), true)
}

/** `survey`: also looks where things lie and who is on duty, which takes as long as everything else. */
export function parseDistrict(text: string, survey = false): ReadDistrict {
  const lines = new LineCounter()
  const document = parseDocument(text, { uniqueKeys: true, lineCounter: lines })
  const [mistake] = document.errors
  if (mistake !== undefined) return notYaml(mistake.message, lines.linePos(mistake.pos[0]).line)
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: MOST_ALIASES })
  } catch (error) {
    return notYaml((error as Error).message)
  }
  const found = validate(content) ? checkDistrict(content) : schemaFindings(validate.errors!)
  const district = found.every(({ severity }) => severity === 'warning') ? (content as District) : null
  const all = district !== null && survey ? [...found, ...surveyDistrict(district)] : found
  return { district, findings: all.map((finding) => located(finding, document, lines)) }
}

/** Areas that rules may name. */
export function areasOf({ areas = [] }: District): ReadonlyMap<string, AreaGeometry> {
  return new Map(areas.map(({ id, geometry }) => [id, geometry]))
}

function readText(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`${name}: cannot be read: ${(error as Error).message}`)
  }
}

function notYaml(message: string, line?: number): ReadDistrict {
  const what = `is not YAML: ${message.split(/:?\n/)[0]!}`
  const finding: Located = { severity: 'error', path: '', what, expected: 'a YAML file' }
  return { district: null, findings: [line === undefined ? finding : { ...finding, line }] }
}

/** The line of what is there, or of the innermost thing around it that is. */
function located(finding: Finding, document: Document, lines: LineCounter): Located {
  const keys = finding.path.split('.').map((key) => (/^\d+$/.test(key) ? Number(key) : key))
  for (let length = keys.length; length > 0; length--) {
    const node = document.getIn(keys.slice(0, length), true)
    if (isNode(node) && node.range) return { ...finding, line: lines.linePos(node.range[0]).line }
  }
  return finding
}
