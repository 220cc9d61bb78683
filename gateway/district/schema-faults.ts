import type { ErrorObject } from 'ajv'
import { DURATION_PATTERN } from '../model/duration.ts'
import { IDENTIFIER_PATTERN } from '../model/identifier.ts'
import { DATE_PATTERN, SHIFT_HOURS_PATTERN } from '../model/roster.ts'
import { LINE_PATTERN } from '../model/rule.ts'
import { listed, type Finding } from './finding.ts'

/** A file of the wrong kind altogether makes an error at every turn: these many tell enough. */
const MOST = 200

const PATTERNS: Readonly<Record<string, readonly [what: string, expected: string]>> = {
  [DURATION_PATTERN]: ['is not a duration', 'one such as 90s, 10m, 4h or 7d'],
  [IDENTIFIER_PATTERN]: [
    'is not a name',
    'up to 64 letters, digits and _ . - that begin with a letter or digit',
  ],
  [LINE_PATTERN]: ['is not one line of text', 'one without line breaks and control characters'],
  [DATE_PATTERN]: ['is not a date', 'one such as 2026-10-01'],
  [SHIFT_HOURS_PATTERN]: ['are no hours', 'some such as 08:00-20:00, 20:00-08:00 or 00:00-24:00'],
}

const SHAPES: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a text',
  array: 'a list',
  object: 'a mapping',
  boolean: 'true or false',
}

/** What the schema found, one finding for each place. */
export function schemaFindings(errors: readonly ErrorObject[]): readonly Finding[] {
  const found = new Map<string, Finding>()
  for (const error of errors) {
    const finding = findingOf(error)
    if (!found.has(finding.path)) found.set(finding.path, finding)
    if (found.size === MOST) break
  }
  return [...found.values()]
}

function findingOf(error: ErrorObject): Finding {
  const geometry = /^\/(.*?)geometry(\/|$)/.exec(error.instancePath)
  if (geometry !== null)
    return at(
      `${geometry[1]}geometry`,
      'is no area',
      'a GeoJSON Polygon or MultiPolygon with closed rings of [longitude, latitude]',
    )
  const path = error.instancePath.slice(1)
  const key = (name: unknown) => (path === '' ? String(name) : `${path}/${String(name)}`)
  const value = shown(error.data)
  switch (error.keyword) {
    case 'additionalProperties': {
      const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
      const expected = known.length === 0 ? 'another name' : `one of ${listed(known)}`
      return at(key(error.params['additionalProperty']), 'is an unknown key', expected)
    }
    case 'required':
      return at(key(error.params['missingProperty']), 'is missing', 'it to be there')
    case 'enum':
      return at(path, `${value} is not valid`, `one of ${listed(error.schema as readonly string[])}`)
    case 'pattern': {
      const [what, expected] = PATTERNS[String(error.schema)] ?? [
        'is not valid',
        `what matches ${String(error.schema)}`,
      ]
      return at(path, `${value} ${what}`, expected)
    }
    case 'type': {
      // A number where a duration or a date is expected is a text that lacks its unit.
      const pattern = PATTERNS[String(error.parentSchema?.['pattern'])]
      if (pattern !== undefined) return at(path, `${value} ${pattern[0]}`, pattern[1])
      return at(path, `${value} is not valid`, SHAPES[String(error.schema)] ?? String(error.schema))
    }
    case 'uniqueItems':
      return at(path, 'names something twice', 'each once')
    case 'minItems':
    case 'minLength':
      return at(path, 'is too short', `at least ${String(error.schema)}`)
    default:
      return at(
        path,
        `${value} is not valid`,
        (error.message ?? 'something else').replace(/^must /, 'it to '),
      )
  }
}

function at(path: string, what: string, expected: string): Finding {
  return { severity: 'error', path: path.replaceAll('/', '.'), what, expected }
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'the list' : 'the mapping'
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80)
}
