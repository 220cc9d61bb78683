import { DateTime } from 'luxon'
import type { District } from '../model/district.ts'
import type { Roster, Shift } from '../model/roster.ts'
import type { Findings } from './finding.ts'
import { isPhone } from './phone.ts'

/** Rosters and the calendar that they go by: dates that are dates, members that are members, phones that can be called. */
export function checkRosters({ calendar = {}, teams }: District, found: Findings): void {
  for (const [index, span] of (calendar.holidays ?? []).entries()) {
    checkSpan(`calendar.holidays.${index}`, span, found)
  }
  for (const [index, date] of (calendar.workdays ?? []).entries()) {
    checkDate(`calendar.workdays.${index}`, date, found)
  }
  for (const [index, { roster }] of teams.entries()) {
    if (roster !== undefined) checkRoster(`teams.${index}.roster`, roster, found)
  }
}

function checkRoster(path: string, roster: Roster, found: Findings): void {
  const ids = new Set<string>()
  for (const [index, { id, phone }] of roster.members.entries()) {
    if (ids.has(id)) found.error(`${path}.members.${index}.id`, `"${id}" is there twice`, 'each once')
    ids.add(id)
    if (!isPhone(phone))
      found.error(
        `${path}.members.${index}.phone`,
        `"${phone}" is no phone`,
        'one such as 13800000000 or 0513-80000000',
      )
  }
  for (const [index, shift] of roster.shifts.entries())
    checkShift(`${path}.shifts.${index}`, shift, ids, found)
  for (const [index, exception] of (roster.exceptions ?? []).entries()) {
    const at = `${path}.exceptions.${index}`
    checkSpan(at, exception, found)
    for (const [number, shift] of (exception.shifts ?? []).entries())
      checkShift(`${at}.shifts.${number}`, shift, ids, found)
    checkMembers(`${at}.away`, exception.away ?? [], ids, found)
  }
}

function checkShift(
  path: string,
  { hours, members }: Shift,
  ids: ReadonlySet<string>,
  found: Findings,
): void {
  const [start, end] = hours.split('-')
  if (start === end) found.error(`${path}.hours`, `"${hours}" end when they begin`, '00:00-24:00 for all day')
  checkMembers(`${path}.members`, members, ids, found)
}

function checkMembers(
  path: string,
  members: readonly string[],
  ids: ReadonlySet<string>,
  found: Findings,
): void {
  for (const [index, id] of members.entries()) {
    if (!ids.has(id)) found.error(`${path}.${index}`, `"${id}" is no member of the roster`, 'the id of one')
  }
}

function checkSpan(path: string, { from, to = from }: { from: string; to?: string }, found: Findings): void {
  checkDate(`${path}.from`, from, found)
  checkDate(`${path}.to`, to, found)
  if (to < from) found.error(`${path}.to`, `${to} is before ${from}`, 'that day or a later one')
}

function checkDate(path: string, date: string, found: Findings): void {
  if (!DateTime.fromISO(date).isValid) found.error(path, `${date} is no day of the calendar`, 'one that is')
}
