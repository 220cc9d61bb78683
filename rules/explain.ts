import type { ErrorObject } from 'ajv'
import { SEVERITIES } from '../gateway/model/alarm.ts'
import { DURATION_PATTERN } from '../gateway/model/duration.ts'
import { IDENTIFIER_PATTERN } from '../gateway/model/identifier.ts'
import {
  ATTRIBUTE_PATTERN,
  COMPARISONS,
  CONDITION_KEYS,
  HOURS_PATTERN,
  LIMIT_PATTERN,
  LINE_PATTERN,
  OVER_WINDOW,
} from '../gateway/model/rule.ts'
import { nearest } from './nearest.ts'

/** Where a mistake is, and what was expected. */
export interface Found {
  /** `severity.red.above`; empty when the mistake is the whole rule's. */
  readonly path: string
  readonly message: string
}

/** ajv reports the branch that failed and each `if` around it: the innermost says it, once per place. */
export function explain(errors: readonly ErrorObject[]): Found[] {
  const found = new Map<string, Found>()
  const misspelt = unknownKeys(errors)
  for (const error of errors) {
    if (follows(error, misspelt)) continue
    // `required` of a single comparison, and the branches around the one that failed, only repeat it.
    if (error.keyword === 'if' || error.schemaPath.includes('/oneOf/')) continue
    const one = area(error) ?? explained(error)
    if (!found.has(one.path)) found.set(one.path, one)
  }
  return [...found.values()]
}

/** Of each mapping, the known keys that were probably meant by unknown ones; null where no key is near. */
function unknownKeys(errors: readonly ErrorObject[]): ReadonlyMap<string, ReadonlySet<string | null>> {
  const found = new Map<string, Set<string | null>>()
  for (const error of errors) {
    if (error.keyword !== 'additionalProperties') continue
    const meant = found.get(error.instancePath) ?? new Set()
    found.set(error.instancePath, meant.add(nearest(unknownKey(error), keysAt(error))))
  }
  return found
}

/** Whether the mistake only follows from a key that is misspelt: what was meant by it is missing, of course. */
function follows(error: ErrorObject, misspelt: ReturnType<typeof unknownKeys>): boolean {
  const meant = misspelt.get(error.instancePath)
  if (meant === undefined) return false
  if (error.keyword === 'oneOf') return true
  if (error.keyword !== 'required') return false
  // `absnet: 15m` is no threshold without its metric, and who knows what `silence: 15m` is.
  const isOtherLeaf = meant.has(null) || CONDITION_KEYS.some((key) => key !== 'metric' && meant.has(key))
  return meant.has(String(error.params['missingProperty'])) || (isThreshold(error) && isOtherLeaf)
}

/** Of a geometry only its name is told: the innermost number that is wrong says little. */
function area({ instancePath }: ErrorObject): Found | null {
  const name = /(?:^|\/)areas\/([^/]+)/.exec(instancePath)?.[1]
  if (name === undefined) return null
  return { path: `areas.${name}`, message: 'is no GeoJSON Polygon or MultiPolygon with closed rings' }
}

function explained(error: ErrorObject): Found {
  const path = error.instancePath.slice(1).replaceAll('/', '.')
  const at = (key: unknown): string => (path === '' ? String(key) : `${path}.${String(key)}`)
  switch (error.keyword) {
    case 'additionalProperties':
      return { path: at(unknownKey(error)), message: ofUnknownKey(error) }
    case 'required':
      return { path: at(error.params['missingProperty']), message: 'is missing' }
    default:
      return { path, message: expectation(error) }
  }
}

function unknownKey(error: ErrorObject): string {
  return String(error.params['additionalProperty'])
}

function isThreshold({ parentSchema }: ErrorObject): boolean {
  return Object.hasOwn((parentSchema?.['properties'] as object | undefined) ?? {}, 'above')
}

/** Keys that a mapping may have; of a condition that may be none yet, those that say what it is too. */
function keysAt(error: ErrorObject): ReadonlySet<string> {
  const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
  return new Set(isThreshold(error) ? [...known, ...CONDITION_KEYS] : known)
}

function ofUnknownKey(error: ErrorObject): string {
  const meant = nearest(unknownKey(error), keysAt(error))
  if (meant !== null) return `unknown key; did you mean ${meant}?`
  if (!isThreshold(error)) return `unknown key; expected one of ${listed(keysAt(error))}`
  if (!Object.hasOwn(error.data as object, 'metric'))
    return `unknown key; expected one of ${listed(CONDITION_KEYS)}`
  return `unknown key; beside metric expected one of ${listed(COMPARISONS)}, and perhaps of and one of ${listed(OVER_WINDOW)}`
}

const EXPECTED: Readonly<Record<string, string>> = {
  [DURATION_PATTERN]: 'is not a duration; expected one such as 90s, 10m, 4h or 7d',
  [LIMIT_PATTERN]:
    'is no threshold; expected a number, a number with its unit such as 2.0 mg/m³, or an attribute such as $fume_limit',
  [HOURS_PATTERN]: 'are no hours; expected such as 10:30-22:00, or an attribute such as $business_hours',
  [LINE_PATTERN]: 'is not one line of text; expected one without line breaks and control characters',
  [ATTRIBUTE_PATTERN]: 'is no attribute; expected one such as $fume_limit',
  [IDENTIFIER_PATTERN]:
    'is not a name; expected up to 64 letters, digits and _ . - that begin with a letter or digit',
}

/** What is expected of a list, by its key. */
const LISTS: Readonly<Record<string, string>> = {
  all: 'expected a list of conditions, such as [{ metric: fume, above: 2 }, { metric: fan, is: true }]',
  any: 'expected a list of conditions, such as [{ metric: fume, above: 2 }, { metric: fan, is: true }]',
  flag: 'expected a list of marks, such as [F, D]',
  days: 'expected a list of days, such as [mon, tue]',
  inside: 'expected a list of the two ends, such as [6, 9]',
  outside: 'expected a list of the two ends, such as [6, 9]',
}

const TYPES: Readonly<Record<string, string>> = {
  array: 'expected a list',
  boolean: 'expected true or false',
  integer: 'expected a whole number',
  number: 'expected a number',
  string: 'expected text',
}

/** What should have been there instead of a value of another type. */
function ofType({ parentSchema, params, instancePath }: ErrorObject): string {
  const type = String(params['type'])
  const list = LISTS[keyAt(instancePath)]
  if (type === 'array' && list !== undefined) return list
  if (type !== 'object') return TYPES[type] ?? `expected ${type}`
  // Of all mappings only a condition has branches and is one whichever is taken.
  if (parentSchema?.['if'] !== undefined) return 'expected one condition, such as { metric: fume, above: 2 }'
  const keys = Object.keys((parentSchema?.['properties'] as object | undefined) ?? {})
  return keys.length === 0 ? 'expected a mapping' : `expected a mapping with such keys as ${listed(keys)}`
}

/** The last name on the way to a value. */
function keyAt(instancePath: string): string {
  return instancePath.slice(instancePath.lastIndexOf('/') + 1)
}

/** YAML 1.2 knows no other truth than these two words. */
const SWITCHED = /^(yes|no|on|off|true|false|y|n)$/i

function ofThreshold({ data, instancePath }: ErrorObject): string {
  if (keyAt(instancePath) !== 'is') return EXPECTED[LIMIT_PATTERN]!
  if (typeof data === 'string' && SWITCHED.test(data))
    return 'is text to YAML; expected true or false, without quotes'
  return EXPECTED[LIMIT_PATTERN]!.replace('expected', 'expected true or false,')
}

function expectation(error: ErrorObject): string {
  const value = JSON.stringify(error.data).slice(0, 80)
  switch (error.keyword) {
    case 'oneOf':
      return `expected exactly one of ${listed(COMPARISONS)}`
    case 'enum':
      return `${value} is not valid; expected one of ${listed(error.schema as readonly string[])}`
    case 'anyOf': {
      const options = (error.schema as { const?: unknown; type?: unknown }[]).map((o) => o.const ?? o.type)
      return `${value} is not valid; expected one of ${options.join(', ')}`
    }
    case 'type': {
      const pattern = error.parentSchema?.['pattern'] as string | undefined
      if (pattern === LIMIT_PATTERN) return `${value} ${ofThreshold(error)}`
      return `${value} ${EXPECTED[pattern ?? ''] ?? `is not valid; ${ofType(error)}`}`
    }
    case 'pattern':
      if (error.schema === LIMIT_PATTERN) return `${value} ${ofThreshold(error)}`
      return `${value} ${EXPECTED[String(error.schema)] ?? `is not a name; expected letters, digits and ${String(error.schema)}`}`
    case 'uniqueItems':
      return 'names one of them twice'
    case 'minItems':
    case 'maxItems':
      if (error.parentSchema?.['minItems'] === error.parentSchema?.['maxItems'])
        return `${value} is not valid; ${LISTS[keyAt(error.instancePath)] ?? `expected ${String(error.schema)} of them`}`
      return error.keyword === 'minItems'
        ? 'is empty; expected at least one'
        : `has too many; expected ${String(error.schema)} at most`
    case 'minLength':
      return 'is empty; expected at least one'
    case 'minProperties':
      return `expected at least one of ${listed(SEVERITIES)}`
    default:
      return `${value} is not valid; ${error.message ?? 'expected something else'}`
  }
}

export function listed(names: Iterable<string>): string {
  return [...names].join(', ')
}
