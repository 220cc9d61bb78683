import { DAYS, HOURS_PATTERN, type CalendarLeaf, type Day } from '../gateway/model/rule.ts'

/**
 * Days and hours in China, which has been eight hours ahead of UTC without summer time since 1991: arithmetic on
 * event time, and no date library on the hot path.
 */
const OFFSET_MS = 8 * 3_600_000
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** The epoch was a Thursday. */
const EPOCH_DAY = DAYS.indexOf('thu')

/** A stretch of each day, ms from midnight; it ends on the next day when `end` is not after `start`. */
export interface Hours {
  readonly start: number
  readonly end: number
}

export const WHOLE_DAY: Hours = { start: 0, end: DAY_MS }

const written = new RegExp(HOURS_PATTERN)

/** `10:30-22:00`; null for what is none, and for hours that begin when they end. */
export function hoursOf(text: unknown): Hours | null {
  if (typeof text !== 'string' || text.startsWith('$') || !written.test(text)) return null
  const [start, end] = text.split('-').map((time) => {
    const [hour, minute] = time.split(':').map(Number)
    return (hour! * 60 + minute!) * MINUTE_MS
  })
  return start === end ? null : { start: start!, end: end! }
}

/** By number of the day, Monday first. */
export function daysOf(days: CalendarLeaf['days']): readonly boolean[] {
  return DAYS.map((day: Day) => days === undefined || days.includes(day))
}

/** Whether it is one of the hours of one of the days. Hours over midnight belong to the day that they begin on. */
export function isOpen(now: number, start: number, end: number, days: readonly boolean[]): boolean {
  const local = now + OFFSET_MS
  const day = Math.floor(local / DAY_MS)
  const time = local - day * DAY_MS
  if (start < end) return time >= start && time < end && isAmong(days, day)
  return (time >= start && isAmong(days, day)) || (time < end && isAmong(days, day - 1))
}

/** The next time after `now` at which the hours of some day begin or end, epoch milliseconds. */
export function nextBoundary(now: number, start: number, end: number): number {
  const midnight = Math.floor((now + OFFSET_MS) / DAY_MS) * DAY_MS - OFFSET_MS
  return Math.min(nextAt(now, midnight + start), nextAt(now, midnight + end))
}

function nextAt(now: number, today: number): number {
  return today > now ? today : today + DAY_MS
}

function isAmong(days: readonly boolean[], day: number): boolean {
  return days[(((day + EPOCH_DAY) % 7) + 7) % 7]!
}
