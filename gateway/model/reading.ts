/**
 * Glossary
 *   reading   what a device measured at one instant: a set of metrics with one device time
 *   message   what a source hands over at once: one reading or an array of them, as JSON
 *   origin    the tags that a reading is stored under, as they were when it was accepted
 *   delivery  an accepted message as the journal's consumers see it: decoded, numbered, in order
 *   refusal   a reading (or a whole message) that went to the quarantine, with code and reason
 */

export type MetricValue = number | boolean

/**
 * HJ 212-2017 §6.6.4 data marks: N normal, F stopped, M maintenance, S set by hand, D fault, C calibration,
 * T over range, B link fault. Only N takes part in thresholds.
 */
export type Flag = 'N' | 'F' | 'M' | 'S' | 'D' | 'C' | 'T' | 'B'
export const FLAGS: readonly Flag[] = ['N', 'F', 'M', 'S', 'D', 'C', 'T', 'B']

/** WGS-84 `[longitude °, latitude °, altitude m?]`. */
export type Position = readonly [number, number] | readonly [number, number, number]

export interface Reading {
  /** The device's own time, epoch milliseconds; the receive time when `clock` says so. */
  readonly ts: number
  readonly metrics: Readonly<Record<string, MetricValue>>
  readonly flags?: Readonly<Record<string, Flag>>
  readonly position?: Position
  /** Present when the device sent no time and the gateway's receive time stands in for it. */
  readonly clock?: 'gateway'
  /**
   * For how long its values stand from `ts` on, ms: those of a mean, which nobody can send before its period is over.
   */
  readonly span?: number
}

/**
 * A reading that was under way for no longer than this, ms, came at once, and so did one whose clock is ahead
 * by no more: neither rules nor the historian know of a smaller delay, so that a back-test sees what was seen
 * live.
 */
export const AT_ONCE_MS = 10_000

/**
 * How long a reading had been under way when it came in, ms, a mean since the end of its period; below 0 when the
 * device's clock is ahead.
 */
export function delayOf({ ts, span = 0 }: Reading, receivedAt: number): number {
  const delay = receivedAt - ts - span
  return Math.abs(delay) > AT_ONCE_MS ? delay : 0
}

/** When a stored reading came in, gateway's clock, epoch milliseconds, to within {@link AT_ONCE_MS}. */
export function arrivalOf({ ts, span = 0, delay = 0 }: StoredReading): number {
  return ts + span + delay
}

/** A reading as the historian keeps it: with what a back-test needs to know of how it came. */
export interface StoredReading extends Reading {
  /** {@link delayOf} it, where that is not 0. */
  readonly delay?: number
  /** How far it was behind the newest reading of its device when it came, ms, where it was. */
  readonly behind?: number
}

/** Immutable: a change of a device's kind or place makes a new one, so old readings keep their tags. */
export interface Origin {
  readonly device: string
  readonly kind: string
  readonly site: string
  readonly street: string
  readonly grid: string
}

export interface Delivery {
  /** Number of the first reading; the others follow it without a gap. The journal counts from 0. */
  readonly seq: number
  readonly origin: Origin
  /** When the gateway took the message in, epoch milliseconds. */
  readonly receivedAt: number
  readonly readings: readonly Reading[]
}

export const REFUSAL_CODES = [
  'bad_json',
  'bad_line',
  'bad_node',
  'bad_reading',
  'unknown_device',
  'wrong_kind',
  'forbidden',
  'unknown_topic',
  'unknown_metric',
  'bad_type',
  'out_of_range',
  'clock_ahead',
  'too_large',
  'historian_rejected',
] as const
export type RefusalCode = (typeof REFUSAL_CODES)[number]

export interface Refusal {
  readonly device: string | null
  readonly code: RefusalCode
  /** What was wrong, where, and what was expected; shown to the device and to people. */
  readonly message: string
  /** The first {@link RAW_LIMIT} bytes of what was refused. */
  readonly raw: Uint8Array
  /** Size of what was refused before it was cut to {@link RAW_LIMIT}. */
  readonly rawSize: number
  readonly receivedAt: number
}

/** Bytes of a refused payload that the quarantine keeps (contract §2). */
export const RAW_LIMIT = 4096
/** Readings in one message at most (contract §2). */
export const MESSAGE_LIMIT = 1000
/** A device's clock may be this far ahead before its reading is refused, ms (contract §2, `clock_ahead`). */
export const CLOCK_AHEAD_LIMIT = 5 * 60_000
