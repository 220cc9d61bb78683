import { DateTime, FixedOffsetZone } from 'luxon'
import type { District, Team } from '../model/district.ts'
import type { DutyCalendar, DutyDay, Member, Roster, Shift } from '../model/roster.ts'
import { DAYS } from '../model/rule.ts'

/** Asia/Shanghai, which has kept no summer time since 1991. */
const CHINA = FixedOffsetZone.instance(8 * 60)
const DAY_MINUTES = 1440

/** A minute of a day in China. */
export interface LocalMinute {
  /** `2026-10-01`. */
  readonly date: string
  /** From midnight, 0 to 1439. */
  readonly minute: number
}

export function localMinute(now: number): LocalMinute {
  const local = DateTime.fromMillis(now, { zone: CHINA })
  return { date: local.toISODate()!, minute: local.hour * 60 + local.minute }
}

/** `days` later; the date must be one. */
export function dateAfter(date: string, days: number): string {
  // Every case that is routed asks: a date by itself has no zone, and needs none of luxon's tables.
  return new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10)
}

/**
 * Who of a roster is on duty at a minute, in the roster's order. A shift over midnight belongs to the day that it
 * begins on, with that day's calendar and exceptions; only who is away is asked of each day by itself.
 */
export function onDuty(
  roster: Roster,
  calendar: DutyCalendar,
  { date, minute }: LocalMinute,
): readonly Member[] {
  const before = dateAfter(date, -1)
  const ids = new Set(
    [
      ...shiftsOn(roster, calendar, date).filter((shift) => covers(shift, minute)),
      ...shiftsOn(roster, calendar, before).filter((shift) => covers(shift, minute + DAY_MINUTES)),
    ].flatMap(({ members }) => members),
  )
  for (const { away = [] } of exceptionsOn(roster, date)) for (const id of away) ids.delete(id)
  return roster.members.filter(({ id }) => ids.has(id))
}

/** How many of a team are on duty; without a roster it counts as one who always is. */
export function dutyStrength({ roster }: Team, { calendar = {} }: District, at: LocalMinute): number {
  return roster === undefined ? 1 : onDuty(roster, calendar, at).length
}

/** `08:00-20:00` in minutes from midnight; `end` beyond 1440 for hours over midnight. */
export function shiftMinutes({ hours }: Pick<Shift, 'hours'>): {
  readonly start: number
  readonly end: number
} {
  const [start, end] = hours.split('-').map((time) => {
    const [hour, minute] = time.split(':').map(Number)
    return hour! * 60 + minute!
  }) as [number, number]
  return { start, end: end > start ? end : end + DAY_MINUTES }
}

function covers(shift: Shift, minute: number): boolean {
  const { start, end } = shiftMinutes(shift)
  return minute >= start && minute < end
}

function shiftsOn(roster: Roster, calendar: DutyCalendar, date: string): readonly Shift[] {
  const shifts = exceptionsOn(roster, date).findLast(({ shifts }) => shifts !== undefined)?.shifts
  return (shifts ?? roster.shifts).filter(({ days }) => days === undefined || isOneOf(days, calendar, date))
}

function exceptionsOn({ exceptions = [] }: Roster, date: string) {
  return exceptions.filter(({ from, to = from }) => from <= date && date <= to)
}

function isOneOf(days: readonly DutyDay[], calendar: DutyCalendar, date: string): boolean {
  const weekday = DAYS[DateTime.fromISO(date, { zone: CHINA }).weekday - 1]!
  return days.includes(weekday) || days.includes(isWorkday(calendar, date, weekday) ? 'workday' : 'holiday')
}

function isWorkday({ holidays = [], workdays = [] }: DutyCalendar, date: string, weekday: string): boolean {
  if (workdays.includes(date)) return true
  if (weekday === 'sat' || weekday === 'sun') return false
  return !holidays.some(({ from, to = from }) => from <= date && date <= to)
}
