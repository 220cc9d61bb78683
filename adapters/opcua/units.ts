import type { Metric } from '../../gateway/model/kind.ts'

/** What a variable says of itself [OPC 10000-8 §5.6.3]; absent where the server has no such property. */
export interface Engineering {
  readonly unit?: { readonly namespace: string; readonly id: number; readonly text: string }
  readonly range?: { readonly low: number; readonly high: number }
}

const UNECE = 'http://www.opcfoundation.org/UA/units/un/cefact'

/** Common codes of UNECE Recommendation 20 by the units of our kinds. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  // One, and what has a name but no dimension: pH.
  '': ['C62', 'Q30'],
  '%': ['P1'],
  '°': ['DD'],
  '°C': ['CEL'],
  A: ['AMP'],
  m: ['MTR'],
  'm/s': ['MTS'],
  'm³/s': ['MQS'],
  'km/h': ['KMH'],
  'mm/h': ['H67'],
  'mg/L': ['M1'],
  'mg/m³': ['GP'],
  'µg/m³': ['GQ'],
  'µS/cm': ['G42'],
  ppm: ['59'],
  MPa: ['MPA'],
}
const UNIT_OF: ReadonlyMap<number, string> = new Map(
  Object.entries(CODES).flatMap(([unit, codes]) => codes.map((code) => [unitId(code), unit] as const)),
)

/** A common code as the number that OPC UA makes of it: its characters as bytes [OPC 10000-8 §5.6.3.2]. */
export function unitId(code: string): number {
  return Buffer.from(code).reduce((number, byte) => number * 256 + byte, 0)
}

/** Why values of the variable cannot be those of the metric; null when nothing speaks against it. */
export function mismatch(metric: Metric, { unit, range }: Engineering): string | null {
  const expected = metric.unit === '' ? 'no unit' : metric.unit
  if (unit !== undefined && !isUnit(metric.unit, unit)) {
    const name = unit.namespace === UNECE ? `${unit.text} (UNECE ${codeOf(unit.id)})` : unit.text
    return `its unit is ${JSON.stringify(name.slice(0, 64))}; expected ${expected}`
  }
  const { minimum = -Infinity, maximum = Infinity } = metric
  if (range !== undefined && (range.low > maximum || range.high < minimum))
    return `its range is ${range.low} to ${range.high}; expected within ${minimum} to ${maximum} ${metric.unit}`.trim()
  return null
}

function isUnit(expected: string, { namespace, id, text }: NonNullable<Engineering['unit']>): boolean {
  const known = namespace === UNECE ? UNIT_OF.get(id) : undefined
  if (known !== undefined) return known === expected
  // A unit of the vendor's own, or one that we do not know by number: as it is shown to people.
  const shown = plain(text)
  return shown === plain(expected) || (expected === '' && (shown === 'ph' || shown === '1'))
}

/** Spellings of one unit: `m3/s`, `m^3/s` and `m³/s`, `us/cm` and `µS/cm`, `mg/l` and `mg/L`. */
function plain(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll('μ', 'u')
    .replaceAll('µ', 'u')
    .replaceAll(/[\s^*]/g, '')
}

function codeOf(id: number): string {
  let code = ''
  for (let rest = id; rest > 0; rest = Math.floor(rest / 256)) code = String.fromCharCode(rest % 256) + code
  return /^[\w]{1,4}$/.test(code) ? code : String(id)
}
