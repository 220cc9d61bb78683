import { DateTime } from 'luxon'

/** Regulations come into force at midnight in China. */
const ZONE = 'Asia/Shanghai'

/** Epoch milliseconds of `2001-01-01` (midnight, Asia/Shanghai) or of an ISO 8601 time; NaN when it is neither. */
export function instantOf(text: string): number {
  return DateTime.fromISO(text, { zone: ZONE }).toMillis()
}
