/** HJ 212 writes times without a zone; all of them are Beijing time, which has had no summer time since 1991. */
const BEIJING_MS = 8 * 3_600_000

/**
 * Epoch milliseconds of `YYYYMMDDhhmmss`, or of the seventeen digits that QN has and some senders use throughout; null
 * when it is no time.
 */
export function timeOf(text: string): number | null {
  const bytes = Buffer.from(text)
  return timeIn(bytes, 0, bytes.length)
}

/** The same of what stands in the bytes. */
export function timeIn(bytes: Uint8Array, from: number, to: number): number | null {
  if (to - from !== 14 && to - from !== 17) return null
  const date = digits(bytes, from, from + 8)
  const hour = digits(bytes, from + 8, from + 10)
  const minute = digits(bytes, from + 10, from + 12)
  const second = digits(bytes, from + 12, from + 14)
  const ms = to - from === 17 ? digits(bytes, from + 14, to) : 0
  // NaN fails every comparison.
  if (!(date >= 1970_01_01 && hour < 24 && minute < 60 && second < 60 && ms < 1000)) return null
  const at = midnightOf(date) + ((hour * 60 + minute) * 60 + second) * 1000 + ms
  return Number.isNaN(at) ? null : at
}

let knownDate = 0
let knownMidnight = NaN

/** Of a date written as a number, YYYYMMDD; NaN when there is none. Nearly all that are asked for are the same. */
function midnightOf(date: number): number {
  if (date === knownDate) return knownMidnight
  const day = date % 100
  const month = Math.floor(date / 100) % 100
  const at = new Date(Date.UTC(Math.floor(date / 10_000), month - 1, day))
  knownDate = date
  // Date.UTC takes the 32nd of a month for the 1st of the next one.
  const isDate = at.getUTCDate() === day && at.getUTCMonth() === month - 1
  knownMidnight = isDate ? at.getTime() - BEIJING_MS : NaN
  return knownMidnight
}

/** The number that the characters are; NaN when one of them is no digit. */
function digits(bytes: Uint8Array, from: number, to: number): number {
  let number = 0
  for (let i = from; i < to; i++) {
    const digit = bytes[i]! - 0x30
    if (!(digit >= 0 && digit <= 9)) return NaN
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
