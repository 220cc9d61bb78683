/** Digits that a double holds exactly, all of them together; and the powers of ten that it does. */
const EXACT_DIGITS = 15
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, exponent) => 10 ** exponent)

const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39

/**
 * The decimal number that stands in the bytes, when it is one of few digits, as nearly all are; NaN when it is
 * something else, that has to be looked at more closely. Digits as a whole number, divided by a power of ten: both are
 * exact, so the quotient is the double that is nearest, as it has to be.
 */
export function decimal(input: Uint8Array, start: number, end: number): number {
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
  if (count <= 0 || count > EXACT_DIGITS) return NaN
  const value = point < 0 ? digits : digits / POWERS[end - point - 1]!
  return isNegative ? -value : value
}
