import { MINUS, NINE, POINT, ZERO } from './characters.ts'
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
 * A decimal number of few digits, as nearly all are; NaN when it is something else, for {@link scalar} to read. Digits
 * as a whole number, divided by a power of ten: both are exact, so the quotient is the double that is nearest, as it
 * has to be.
 */
export function decimal(input: Buffer, start: number, end: number): number {
  let at = start
  const isNegative = input[at] === MINUS
  if (isNegative) at++
  const length = end - at
  if (length > EXACT_DIGITS + 1) return NaN
  let digits = 0
  let point = -1
  for (; at < end; at++) {
    const byte = input[at]!
    if (byte >= ZERO && byte <= NINE) digits = digits * 10 + (byte - ZERO)
    else if (byte === POINT && point < 0) point = at
    else return NaN
  }
  const count = point < 0 ? length : length - 1
  if (count === 0 || count > EXACT_DIGITS) return NaN
  const value = point < 0 ? digits : digits / POWERS[end - point - 1]!
  return isNegative ? -value : value
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

export function scalar(text: string): number | boolean {
  const boolean = BOOLEANS.get(text)
  if (boolean !== undefined) return boolean
  if (FLOAT.test(text)) {
    const number = Number(text)
    if (Number.isFinite(number)) return number
    throw new LineFault('a number that is too large')
  }
  if (INTEGER.test(text)) return Number(text.slice(0, -1))
  throw new LineFault(text === '' ? 'missing field value' : 'neither a number, a boolean nor a string')
}
