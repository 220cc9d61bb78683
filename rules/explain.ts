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
} from '../gateway/model/rule.ts'

/** Where a mistake is, and what was expected. */
export interface Found {
  /** `severity.red.above`; empty when the mistake is the whole rule's. */
  readonly path: string
  readonly message: string
}

/** ajv reports the branch that failed and each `if` around it: the innermost says it, once per place. */
export function explain(errors: readonly ErrorObject[]): Found[] {
  const found = new Map<string, Found>()
  for (const error of errors) {
    // `required` of a single comparison, and the branches around the one that failed, only repeat it.
    if (error.keyword === 'if' || error.schemaPath.includes('/oneOf/')) continue
    const one = area(error) ?? explained(error)
    if (!found.has(one.path)) found.set(one.path, one)
  }
  return [...found.values()]
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
      return { path: at(error.params['additionalProperty']), message: unknownKey(error) }
    case 'required':
      return { path: at(error.params['missingProperty']), message: 'is missing' }
    default:
      return { path, message: expectation(error) }
  }
}

function unknownKey(error: ErrorObject): string {
  const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
  const isThreshold = known.includes('above')
  const expected = isThreshold ? new Set([...CONDITION_KEYS, ...known]) : known
  return `unknown key; expected one of ${listed(expected)}`
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
      const expected = EXPECTED[pattern ?? '']
      return expected === undefined ? `${value} is not valid; ${error.message}` : `${value} ${expected}`
    }
    case 'pattern':
      return `${value} ${EXPECTED[String(error.schema)] ?? `is not a name; expected letters, digits and ${String(error.schema)}`}`
    case 'uniqueItems':
      return 'names one of them twice'
    case 'minItems':
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
