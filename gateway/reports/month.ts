import { DateTime } from 'luxon'

/** Months of reports are those of China, which has kept UTC+8 without summer time since 1992. */
const ZONE = 'Asia/Shanghai'

/** `2026-10`; this century, so that every day of it has 24 hours. */
export const MONTH_PATTERN = '^20\\d\\d-(0[1-9]|1[0-2])$'

export const HOUR = 3_600_000
export const DAY = 24 * HOUR

export interface Month {
  readonly name: string
  /** Epoch milliseconds, `from` included, `to` not. */
  readonly from: number
  readonly to: number
}

/** The month that `2026-10` names: text that fits {@link MONTH_PATTERN}. */
export function monthNamed(name: string): Month {
  const from = DateTime.fromFormat(name, 'yyyy-MM', { zone: ZONE })
  return { name, from: from.toMillis(), to: from.plus({ months: 1 }).toMillis() }
}

/** The month of China that the instant lies in. */
export function monthOf(at: number): Month {
  return monthNamed(DateTime.fromMillis(at, { zone: ZONE }).toFormat('yyyy-MM'))
}
