/** HJ 212 writes times without a zone; all of them are Beijing time, which has had no summer time since 1991. */
const BEIJING_MS = 8 * 3_600_000

const written = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})?$/

/** Epoch milliseconds of `YYYYMMDDhhmmss`, or of the seventeen digits that QN has and some senders use throughout; null when it is no time. */
export function timeOf(text: string): number | null {
  const match = written.exec(text)
  if (match === null) return null
  const [year, month, day, hour, minute, second, ms] = match.slice(1).map((part) => Number(part ?? 0))
  const at = Date.UTC(year!, month! - 1, day, hour, minute, second, ms)
  // Date.UTC takes the 32nd of a month for the 1st of the next one.
  return writtenTime(at - BEIJING_MS, 17) === text.padEnd(17, '0') ? at - BEIJING_MS : null
}

/** `YYYYMMDDhhmmss`, with milliseconds where seventeen digits are wanted. */
export function writtenTime(at: number, digits: 14 | 17 = 14): string {
  return new Date(at + BEIJING_MS)
    .toISOString()
    .replaceAll(/[-:.TZ]/g, '')
    .slice(0, digits)
}
