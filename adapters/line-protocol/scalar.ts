import { EXPONENT, MINUS, NINE, POINT, ZERO } from './characters.ts'
import { LineFault } from './line-fault.ts'

/** No digit can be matched in two ways: else digits by the megabyte would be tried in all of them. */
const FLOAT = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/
const INTEGER = /^-?\d{1,20}[iu]$/
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['t', 'T', 'true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['f', 'F', 'false', 'False', 'FALSE'].map((word) => [word, false] as const),
])

/** Digits that a double holds exactly, all of them together; and the powers of ten that it does. */
const EXACT_DIGITS = 15
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, exponent) => 10 ** exponent)

/**
 * A number as RFC 8259 §6 writes it, without an exponent; NaN when it is not one, or has so many digits that reading it
 * is for `JSON.parse`. Digits as a whole number, divided by a power of ten: both are exact, so the quotient is the
 * double that is nearest, as it has to be.
 */
export function plainNumber(input: Buffer, start: number, end: number): number {
  let at = start
  const isNegative = input[at] === MINUS
  if (isNegative) at++
  const first = at
  let digits = 0
  let point = -1
  for (; at < end; at++) {
    const byte = input[at]!
    if (byte >= ZERO && byte <= NINE) digits = digits * 10 + (byte - ZERO)
    else if (byte === POINT && point < 0) point = at
    else return NaN
  }
  const whole = (point < 0 ? end : point) - first
  const fraction = point < 0 ? 0 : end - point - 1
  if (whole === 0 || (point >= 0 && fraction === 0)) return NaN
  if ((whole > 1 && input[first] === ZERO) || whole + fraction > EXACT_DIGITS) return NaN
  const value = digits / POWERS[fraction]!
  return isNegative ? -value : value
}

/** RFC 8259 §6; what is not can still be a number of line protocol. */
export function isJsonNumber(input: Buffer, start: number, end: number): boolean {
  let at = input[start] === MINUS ? start + 1 : start
  const first = at
  at = digitsEnd(input, at)
  if (at === first || (input[first] === ZERO && at > first + 1)) return false
  if (input[at] === POINT) {
    const fraction = at + 1
    at = digitsEnd(input, fraction)
    if (at === fraction) return false
  }
  if ((input[at]! | 0x20) === EXPONENT) return false
  return at === end
}

export function isWord(input: Buffer, start: number, end: number, word: Buffer): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) if (input[start + i] !== word[i]) return false
  return true
}

export function digitsEnd(input: Buffer, start: number): number {
  let at = start
  while (input[at]! >= ZERO && input[at]! <= NINE) at++
  return at
}

export function scalarJson(text: string): string {
  const boolean = BOOLEANS.get(text)
  if (boolean !== undefined) return String(boolean)
  if (FLOAT.test(text)) {
    const number = Number(text)
    if (Number.isFinite(number)) return String(number)
    throw new LineFault('a number that is too large')
  }
  if (INTEGER.test(text)) return String(Number(text.slice(0, -1)))
  throw new LineFault(text === '' ? 'missing field value' : 'neither a number, a boolean nor a string')
}
