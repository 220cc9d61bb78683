import type { Flag, MetricValue } from '../../gateway/model/reading.ts'

/**
 * Samples of OPC UA variables to the readings of one device (contract §2); pure but for the last good values that
 * it keeps.
 *
 * Values with one source time stamp are one reading. Its quality says what becomes of a value [OPC 10000-4 §7.38.1,
 * bits 31 and 30]: Good is taken; Uncertain is taken with a mark, which keeps it out of thresholds; Bad is not
 * taken, and the metric's last good value stands in for it with a mark, as HJ 212 stations do it.
 */

/** A value as a server gives it, reduced to what is needed here. */
export interface Sample {
  readonly metric: string
  /** Anything but a finite number or a boolean counts as Bad. */
  readonly value: unknown
  /** StatusCode, 32 bits. */
  readonly status: number
  /** Epoch milliseconds; the source's own, else the server's, else null. */
  readonly ts: number | null
  /** EURange of the variable, when it has one [OPC 10000-8 §5.3.2.2]. */
  readonly range?: { readonly low: number; readonly high: number }
}

export interface MarkedReading {
  readonly ts?: number
  readonly metrics: Readonly<Record<string, MetricValue>>
  readonly flags?: Readonly<Record<string, Flag>>
}

/** Marks of single codes [OPC 10000-6 Annex A]; the lower 16 bits say nothing of them. */
const MARKS: ReadonlyMap<number, Flag> = new Map<number, Flag>([
  // Bad: nothing came through.
  [0x8005, 'B'], // BadCommunicationError
  [0x800a, 'B'], // BadTimeout
  [0x800c, 'B'], // BadShutdown
  [0x800d, 'B'], // BadServerNotConnected
  [0x800e, 'B'], // BadServerHalted
  [0x8031, 'B'], // BadNoCommunication
  [0x8032, 'B'], // BadWaitingForInitialData
  [0x808a, 'B'], // BadNotConnected
  [0x80ae, 'B'], // BadConnectionClosed
  [0x808d, 'F'], // BadOutOfService
  // Uncertain
  [0x408f, 'B'], // UncertainNoCommunicationLastUsableValue
  [0x4090, 'B'], // UncertainLastUsableValue
  [0x4091, 'S'], // UncertainSubstituteValue
  [0x4092, 'S'], // UncertainInitialValue
  [0x4094, 'T'], // UncertainEngineeringUnitsExceeded
  [0x4209, 'S'], // UncertainSimulatedValue
  [0x420a, 'C'], // UncertainSensorCalibration
  // Good, but written by a person.
  [0x0096, 'S'], // GoodLocalOverride
])

const isBad = (status: number) => status >>> 31 === 1
const isGood = (status: number) => status >>> 30 === 0

/** What the quality says of the value: N when nothing. Codes that are not named are a fault of the instrument. */
export function markOf(status: number): Flag {
  return MARKS.get(status >>> 16) ?? (isGood(status) ? 'N' : 'D')
}

/** Of one device. */
export class Samples {
  readonly #last = new Map<string, MetricValue>()

  /** Readings in time order, those without a time last. Metrics that never had a good value are left out. */
  readings(samples: readonly Sample[]): MarkedReading[] {
    const byTime = new Map<number | null, Map<string, { value: MetricValue; mark: Flag }>>()
    for (const sample of samples) {
      const taken = this.#take(sample)
      if (taken === null) continue
      let reading = byTime.get(sample.ts)
      if (reading === undefined) byTime.set(sample.ts, (reading = new Map()))
      reading.set(sample.metric, taken)
    }
    return [...byTime]
      .sort(([a], [b]) => (a ?? Infinity) - (b ?? Infinity))
      .map(([ts, values]) => readingOf(ts, values))
  }

  /** The last good values with the mark of a broken link: when they were last true, a gap began. */
  gap(ts: number): MarkedReading | null {
    if (this.#last.size === 0) return null
    return readingOf(ts, new Map([...this.#last].map(([metric, value]) => [metric, { value, mark: 'B' }])))
  }

  #take({ metric, value, status, range }: Sample): { value: MetricValue; mark: Flag } | null {
    const isValue = typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
    if (isBad(status) || !isValue) {
      const last = this.#last.get(metric)
      return last === undefined ? null : { value: last, mark: isBad(status) ? markOf(status) : 'D' }
    }
    const mark = markOf(status)
    if (mark !== 'N') return { value, mark }
    if (range !== undefined && typeof value === 'number' && (value < range.low || value > range.high))
      return { value, mark: 'T' }
    this.#last.set(metric, value)
    return { value, mark }
  }
}

function readingOf(
  ts: number | null,
  values: ReadonlyMap<string, { readonly value: MetricValue; readonly mark: Flag }>,
): MarkedReading {
  const entries = [...values]
  const marked = entries.filter(([, { mark }]) => mark !== 'N')
  return {
    ...(ts !== null && { ts }),
    metrics: Object.fromEntries(entries.map(([metric, { value }]) => [metric, value])),
    ...(marked.length > 0 && {
      flags: Object.fromEntries(marked.map(([metric, { mark }]) => [metric, mark])),
    }),
  }
}
