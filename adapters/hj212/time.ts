/** HJ 212 writes times without a zone; all of them are Beijing time, which has had no summer time since 1991. */
const BEIJING_MS = 8 * 3_600_000

/**
 * Epoch milliseconds of `YYYYMMDDhhmmss`, or of the seventeen digits that QN has and some senders use throughout; null
 * when it is no time.
 */
export function timeOf(text: string): number | null {
  if (text.length !== 14 && text.length !== 17) return null
  const year = digits(text, 0, 4)
  const month = digits(text, 4, 6)
  const day = digits(text, 6, 8)
  const hour = digits(text, 8, 10)
  const minute = digits(text, 10, 12)
  const second = digits(text, 12, 14)
  const ms = text.length === 17 ? digits(text, 14, 17) : 0
  // NaN fails every comparison.
  if (!(year >= 1970 && hour < 24 && minute < 60 && second < 60 && ms < 1000)) return null
  const at = Date.UTC(year, month - 1, day, hour, minute, second, ms)
  // Date.UTC takes the 32nd of a month for the 1st of the next one.
  const date = new Date(at)
  return date.getUTCDate() === day && date.getUTCMonth() === month - 1 ? at - BEIJING_MS : null
}

/** The number that the characters are; NaN when one of them is no digit. */
function digits(text: string, from: number, to: number): number {
  let number = 0
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return NaN
    number = number * 10 + digit
  }
  return number
}

/** `YYYYMMDDhhmmss`, with milliseconds where seventeen digits are wanted. */
export function writtenTime(at: number, digits: 14 | 17 = 14): string {
  return new Date(at + BEIJING_MS)
    .toISOString()
    .replaceAll(/[-:.TZ]/g, '')
    .slice(0, digits)
}
