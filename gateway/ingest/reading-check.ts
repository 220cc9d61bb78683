import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { Kind, Kinds, Metric } from '../model/kind.ts'
import { CLOCK_AHEAD_LIMIT, FLAGS, type Flag, type MetricValue, type RefusalCode } from '../model/reading.ts'
import { LATEST, LONGEST_SPAN_MS, wireSchema } from './wire-schema.ts'

/** Why a reading is refused: a code for programs and a line that says where, what and what was expected. */
export interface Fault {
  readonly code: RefusalCode
  readonly message: string
}

/** A reading as it came, found to be of its kind. */
export interface WireReading {
  ts?: number
  metrics: Record<string, MetricValue>
  flags?: Record<string, Flag>
  position?: [number, number] | [number, number, number]
  /** ms. */
  span?: number
}

interface Bounds {
  readonly minimum: number
  readonly maximum: number
}

/** One for each kind; its validator is compiled once. A valid reading never pays for explaining a bad one. */
export class ReadingCheck {
  readonly #kind: Kind
  readonly #fits: ValidateFunction<WireReading>
  readonly #bounds: ReadonlyMap<string, Bounds>

  constructor(kind: Kind, ajv: Ajv) {
    this.#kind = kind
    this.#fits = ajv.compile<WireReading>(wireSchema(kind))
    this.#bounds = new Map(
      Object.entries(kind.metrics).map(([name, { minimum = -Infinity, maximum = Infinity }]) => [
        name,
        { minimum, maximum },
      ]),
    )
  }

  /** Null when the reading may be accepted at `now`; it is then a {@link WireReading}. */
  fault(reading: unknown, now: number): Fault | null {
    if (!this.#fits(reading)) return explain(this.#fits.errors![0]!, this.#kind)
    const { ts, metrics, flags } = reading
    let isEmpty = true
    for (const name in metrics) {
      isEmpty = false
      const value = metrics[name]!
      if (typeof value === 'boolean') continue
      const bounds = this.#bounds.get(name)!
      if (value >= bounds.minimum && value <= bounds.maximum) continue
      if ((flags?.[name] ?? 'N') === 'N') return outOfRange(name, value, this.#kind.metrics[name]!)
    }
    if (isEmpty) return { code: 'bad_reading', message: 'metrics: empty; expected at least one metric' }
    if (ts !== undefined && ts > now + CLOCK_AHEAD_LIMIT) return clockAhead(ts, now)
    return null
  }
}

export function readingChecks(kinds: Kinds): ReadonlyMap<string, ReadingCheck> {
  // strictTuples off: a position's third number may be missing.
  const ajv = new Ajv({ verbose: true, strictTuples: false })
  return new Map([...kinds].map(([id, kind]) => [id, new ReadingCheck(kind, ajv)]))
}

function outOfRange(name: string, value: number, { minimum, maximum, unit }: Metric): Fault {
  const range =
    maximum === undefined
      ? `${minimum} or more`
      : minimum === undefined
        ? `${maximum} or less`
        : `${minimum} to ${maximum}`
  return {
    code: 'out_of_range',
    message: `metrics.${name}: ${value} cannot be true; expected ${`${range} ${unit}`.trim()}`,
  }
}

function clockAhead(ts: number, now: number): Fault {
  const ahead = Math.round((ts - now) / 1000)
  return {
    code: 'clock_ahead',
    message: `ts: ${ts} is ${ahead} s ahead of the gateway's clock; expected at most ${CLOCK_AHEAD_LIMIT / 1000} s`,
  }
}

/** What ajv found, as a code and a line. The value is the sender's: shown cut and quoted. */
function explain(error: ErrorObject, kind: Kind): Fault {
  const path = error.instancePath.split('/').slice(1)
  const where = path.length === 0 ? 'reading' : path.join('.')
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(path, quote(String(error.params['additionalProperty'])), kind)
    case 'required':
      return { code: 'bad_reading', message: 'metrics: missing; expected at least one metric' }
    case 'minItems':
    case 'maxItems':
    case 'additionalItems':
      return { code: 'bad_reading', message: `position: expected [longitude, latitude, altitude?]` }
    case 'enum':
      return {
        code: 'bad_reading',
        message: `${where}: ${describe(error.data)}; expected one of ${FLAGS.join(' ')}`,
      }
    case 'minimum':
    case 'maximum':
      return {
        code: 'out_of_range',
        message: `${where}: ${describe(error.data)}; expected ${expected(path, kind)}`,
      }
    default: {
      const infinite = typeof error.data === 'number' && !Number.isFinite(error.data)
      const code = path.length === 0 ? 'bad_reading' : infinite ? 'out_of_range' : 'bad_type'
      return { code, message: `${where}: ${describe(error.data)}; expected ${expected(path, kind)}` }
    }
  }
}

function unknownKey(path: readonly string[], key: string, kind: Kind): Fault {
  if (path.length === 0) {
    return {
      code: 'bad_reading',
      message: `${key}: unknown key; expected ts, metrics, flags, position and span only`,
    }
  }
  const known = Object.keys(kind.metrics).join(', ')
  return {
    code: 'unknown_metric',
    message: `${path.join('.')}.${key}: ${kind.id} has no such metric; expected ${known}`,
  }
}

function expected(path: readonly string[], kind: Kind): string {
  const [top, name] = path
  switch (top) {
    case undefined:
      return 'an object such as {"ts":…,"metrics":{…}}'
    case 'ts':
      return `whole milliseconds since 1970 up to ${LATEST}`
    case 'span':
      return `whole milliseconds, up to ${LONGEST_SPAN_MS}`
    case 'position':
      return name === undefined
        ? '[longitude, latitude, altitude?]'
        : ['a longitude from -180 to 180', 'a latitude from -90 to 90', 'metres from -12000 to 100000'][
            Number(name)
          ]!
    case 'metrics': {
      if (name === undefined) return 'an object of metrics'
      const { type, unit } = kind.metrics[name]!
      if (type === 'boolean') return 'true or false'
      return unit === '' ? 'a number' : `a number in ${unit}`
    }
    default:
      return 'an object of marks'
  }
}

const SHOWN = 40

function quote(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'string') return `${quote(value)} is a string`
  if (typeof value === 'boolean') return `${value} is a boolean`
  if (typeof value === 'number')
    return Number.isFinite(value) ? `${value}` : `${value} is not a finite number`
  return `a value of type ${typeof value}`
}
