/** Digits that a double holds exactly, all of them together; and the powers of ten that it does. */
const EXACT_DIGITS = 15
export const POWERS = Float64Array.from({ length: EXACT_DIGITS + 1 }, (_, exponent) => 10 ** exponent)
/** Digits that a small integer holds: adding them up is quicker. */
export const SMALL_DIGITS = 9

/** Characters that a number takes at most which {@link decimal} reads. */
export const DECIMAL_LENGTH = EXACT_DIGITS + 2

const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30

/**
 * The decimal number that stands in the bytes, when it is one of few digits, as nearly all are; NaN when it is
 * something else, that has to be looked at more closely. Digits as a whole number, divided by a power of ten: both are
 * exact, so the quotient is the double that is nearest, as it has to be.
 */
export function decimal(input: Uint8Array, start: number, end: number): number {
  const isNegative = input[start] === MINUS
  const first = isNegative ? start + 1 : start
  if (end - first > EXACT_DIGITS + 1) return NaN
  let point = -1
  let small = 0
  let at = first
  for (const limit = Math.min(end, first + SMALL_DIGITS); at < limit; at++) {
    const digit = input[at]! - ZERO
    if (digit >= 0 && digit <= 9) small = small * 10 + digit
    else if (digit === POINT - ZERO && point < 0) point = at
    else return NaN
  }
  let digits = small
  for (; at < end; at++) {
    const digit = input[at]! - ZERO
    if (digit >= 0 && digit <= 9) digits = digits * 10 + digit
    else if (digit === POINT - ZERO && point < 0) point = at
    else return NaN
  }
  const count = point < 0 ? end - first : end - first - 1
  if (count <= 0 || count > EXACT_DIGITS) return NaN
  const value = point < 0 ? digits : digits / POWERS[end - point - 1]!
  return isNegative ? -value : value
}
