import { digitsEnd } from './scalar.ts'

/** A unit of time stamps: how a written one becomes epoch milliseconds. */
export type Precision = 'ns' | 'us' | 'ms' | 's' | 'm' | 'h'

/** Names of precisions in both write APIs. */
const PRECISIONS: ReadonlyMap<string, Precision> = new Map([
  ['', 'ns'],
  ['n', 'ns'],
  ['ns', 'ns'],
  ['u', 'us'],
  ['us', 'us'],
  ['µ', 'us'],
  ['ms', 'ms'],
  ['s', 's'],
  ['m', 'm'],
  ['h', 'h'],
])

export function precisionOf(name: string): Precision | undefined {
  return PRECISIONS.get(name)
}

export const TIME = /^-?\d{1,19}$/

/** Digits of a time that are below a millisecond: cut, since a reading is of the millisecond that it fell into. */
export const CUT = { ns: 6, us: 3, ms: 0, s: NaN, m: NaN, h: NaN } as const

/** How many digits there are when there is nothing else; else NaN. */
export function wholeDigits(input: Buffer, start: number, end: number): number {
  return digitsEnd(input, start) === end && end - start < 20 ? end - start : NaN
}

const MILLISECONDS = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** Of a time that is not near ours, or not finer than a second. */
export function milliseconds(text: string, precision: Precision): number {
  return Math.floor(Number(text) * MILLISECONDS[precision])
}
