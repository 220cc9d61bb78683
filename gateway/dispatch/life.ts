import { DEADLINE_COLOURS, type Action, type CaseState, type TimelineEntry } from '../model/case.ts'
import type { District } from '../model/district.ts'
import type { Position } from '../model/reading.ts'
import type { User } from '../model/user.ts'
import { plainText } from '../people/plain-text.ts'
import { PUBLIC_NOTE_LIMIT, type ActionRequest } from './actions.ts'
import { BY_GATEWAY } from './transitions.ts'
import type { CaseRecord } from './case-record.ts'
import {
  clockOf,
  deadlineColour,
  deadlines,
  extended,
  nextColour,
  resumed,
  runningClock,
  suspended,
} from './clocks.ts'
import { distanceMetres } from './distance.ts'
import { levelAbove, servesStreet, teamOf, type Route } from '../district/routing.ts'

/** A position further from the site than this, in metres, is kept and flagged (contract §4). */
const ON_SITE_LIMIT = 300
/** An extension beyond this from now, in milliseconds, is a typing error. */
const EXTENSION_LIMIT = 366 * 86_400_000

/** The case after a step of its life, and what the timeline says of it. */
export interface Step {
  readonly record: CaseRecord
  readonly entry: TimelineEntry
}

export type Invalid = { readonly type: 'invalid'; readonly field: string; readonly message: string }

/** What somebody wants done to a case, and what it takes to do it. */
interface Wish {
  readonly record: CaseRecord
  readonly request: ActionRequest
  readonly user: User
  readonly district: District
  /** Who is sent at a level, as things are now. */
  readonly route: Route
  readonly now: number
}

/** What an action does to a case whose state allows it; `next` is the state that it leads to. Pure. */
export function takeStep(wish: Wish, next: CaseState): Step | Invalid {
  const { position, action } = wish.request
  if (position !== undefined && !isOnEarth(position)) {
    return invalid('position', 'must be [longitude, latitude, altitude?] in degrees, WGS-84')
  }
  const missing = NEEDS[action]?.(wish) ?? null
  if (missing !== null) return missing
  const record = withFreshColour(wish, { ...EFFECTS[action](wish), state: next })
  return { record, entry: entryFor(wish, record) }
}

/** What an action must bring along; checked before it does anything. */
const NEEDS: Readonly<Partial<Record<Action, (wish: Wish) => Invalid | null>>> = {
  arrive: ({ request }) =>
    request.position === undefined ? invalid('position', 'is required to arrive') : null,
  close: ({ request }) => (request.code === undefined ? invalid('code', 'is required to close') : null),
  return: ({ request }) =>
    (request.note ?? '').trim() === '' ? invalid('note', 'must give the reason to return') : null,
  extend: ({ record, request: { until }, now }) => {
    const by = deadlines(record)[`${runningClock(record)!}By`]
    if (until === undefined) return invalid('until', 'is required to extend')
    if (until <= by || until <= now) return invalid('until', 'must be later than the deadline and than now')
    return until > now + EXTENSION_LIMIT ? invalid('until', 'must be within a year') : null
  },
  assign: ({ record, request, district }) => {
    if (request.team === undefined) return null
    const team = teamOf(district, request.team)
    if (team === undefined) return invalid('team', 'is not a team of the district')
    if (team.level === 'department')
      return invalid('team', 'is a department, which is called by a whistle and assigned nothing')
    return servesStreet(team, record.street) ? null : invalid('team', `does not serve ${record.street}`)
  },
}

/** All that an action changes of a case but its state. */
const EFFECTS: Readonly<Record<Action, (wish: Wish) => CaseRecord>> = {
  assign: ({ record, request, district }) => sentTo(record, request.team ?? record.team, district),
  accept: ({ record, user, now }) => ({
    ...record,
    crew: user.role === 'team' ? user.team : record.team,
    respondedAt: record.respondedAt ?? now,
  }),
  arrive: ({ record, now }) => ({ ...record, arrivedAt: record.arrivedAt ?? now }),
  handle: ({ record }) => record,
  verify: ({ record }) => record,
  close: ({ record, request, now }) => ({ ...record, closeCode: request.code!, closedAt: now }),
  // Who cannot do it hands it up: it waits there to be assigned, so it never lies with nobody.
  return: ({ record, route }) => ({ ...oneLevelUp(record, route), crew: null, standby: [] }),
  // Back to those who did it, wherever it has gone since.
  rework: ({ record, district }) => backToCrew(record, district),
  void: ({ record }) => record,
  suspend: ({ record, now }) => suspended({ ...record, suspendedFrom: record.state }, now),
  resume: ({ record, now }) => resumed({ ...record, suspendedFrom: null }, now),
  extend: ({ record, request }) => extended(record, request.until!),
  supervise: ({ record }) => ({ ...record, supervised: true }),
}

function sentTo(record: CaseRecord, team: string, district: District): CaseRecord {
  const level = teamOf(district, team)?.level ?? record.level
  return {
    ...record,
    team,
    crew: null,
    standby: [],
    pendingUntil: null,
    level: level === 'department' ? record.level : level,
  }
}

function backToCrew(record: CaseRecord, district: District): CaseRecord {
  return sentTo(record, record.crew ?? record.team, district)
}

/** What the gateway does with a case that was handled, and whose matter has come up again. */
export function reopened(record: CaseRecord, district: District): CaseRecord {
  return { ...backToCrew(record, district), state: 'dispatched' }
}

/** The crew of a case that waited for a loudspeaker is called: whoever is on duty by now. */
export function called(record: CaseRecord, route: Route): CaseRecord {
  const { id: team, level } = route(record, record.level)
  return { ...record, team, level, state: 'dispatched', pendingUntil: null }
}

/** It ended while the loudspeaker's effect was waited for: no crew was needed. */
export function endedBySpeaking(record: CaseRecord, wasReal: boolean, now: number): CaseRecord {
  const state = BY_GATEWAY.queued!.close!
  return {
    ...record,
    state,
    closeCode: wasReal ? 'confirmed' : 'false_alarm',
    closedAt: now,
  }
}

/**
 * A colour belongs to a clock: with the next clock it begins anew, and an extension gives the running one more
 * time. Nothing else takes a colour back, whatever the wall clock says. It never rises here: that is for
 * {@link raised}, which sends the case up with it.
 */
function withFreshColour({ record: before, request, now }: Wish, after: CaseRecord): CaseRecord {
  if (clockOf(after) !== clockOf(before)) return { ...after, deadlineColour: 'none' }
  if (request.action !== 'extend') return after
  const colour = deadlineColour(after, now) ?? after.deadlineColour
  const falls = DEADLINE_COLOURS.indexOf(colour) < DEADLINE_COLOURS.indexOf(after.deadlineColour)
  return falls ? { ...after, deadlineColour: colour } : after
}

/**
 * The case with every colour that is due by now, one level up for each (contract §4), and what the timeline says of
 * it; several at once after a long pause. At red it comes under supervision. The same record when nothing is due.
 */
export function raised(
  record: CaseRecord,
  now: number,
  route: Route,
): { readonly record: CaseRecord; readonly entries: readonly TimelineEntry[] } {
  const entries: TimelineEntry[] = []
  let current = record
  // Its crew is not called yet: nobody is late.
  if (record.pendingUntil !== null) return { record, entries }
  let next = nextColour(current, current.deadlineColour)
  while (next !== null && next.at <= now) {
    const { colour } = next
    const before = current
    current = { ...escalate(before, route), deadlineColour: colour }
    const moved = current.team === before.team ? {} : { team: current.team }
    entries.push(noted(now, `deadline_${colour}`, { clock: clockOf(before), ...moved }))
    if (colour === 'red' && !current.supervised) {
      current = { ...current, supervised: true }
      entries.push(noted(now, 'supervise'))
    }
    next = nextColour(current, colour)
  }
  return { record: current, entries }
}

/** The team of the next level answers for it from now on; at the top, the district's goes on. */
function oneLevelUp(record: CaseRecord, route: Route): CaseRecord {
  const team = route(record, levelAbove(record.level))
  return { ...record, team: team.id, level: team.level }
}

/**
 * A deadline colour has come up: the case goes one level up (contract §4). Who accepted it stays on it as
 * `crew`; while nobody has, those that it went up from stand by; one that waits to be assigned is assigned by this.
 */
function escalate(record: CaseRecord, route: Route): CaseRecord {
  if (record.level === 'district')
    return record.state === 'queued' ? { ...record, state: 'dispatched' } : record
  const up = oneLevelUp(record, route)
  if (record.state === 'queued') return { ...up, state: 'dispatched' }
  if (record.crew !== null || up.team === record.team) return up
  return { ...up, standby: [...record.standby.filter((team) => team !== up.team), record.team] }
}

function entryFor({ record: before, request, user, now }: Wish, after: CaseRecord): TimelineEntry {
  const position = (request.position as Position | undefined) ?? null
  const publicNote = plainText(request.publicNote ?? '', PUBLIC_NOTE_LIMIT)
  const away = offSiteMetres(position, before.position)
  return {
    at: now,
    actor: user.name,
    action: request.action,
    note: request.note ?? null,
    position,
    files: request.files ?? [],
    ...(request.action === 'assign' || after.team !== before.team ? { team: after.team } : {}),
    ...(request.action === 'accept' && after.crew !== null ? { crew: after.crew } : {}),
    ...(away === null ? {} : { offSite: away }),
    ...(request.action === 'extend' ? { until: request.until! } : {}),
    ...(request.action === 'close' ? { code: request.code! } : {}),
    ...(publicNote === '' ? {} : { publicNote }),
  }
}

/** What the gateway itself writes into a timeline. */
export function noted(at: number, action: string, more: Partial<TimelineEntry> = {}): TimelineEntry {
  return { at, actor: 'gateway', action, note: null, position: null, files: [], ...more }
}

/** Metres between where somebody is and the site, when that is too far to be believed; else null. */
export function offSiteMetres(position: Position | null, site: Position | null): number | null {
  const away = position === null || site === null ? 0 : distanceMetres(position, site)
  return away > ON_SITE_LIMIT ? Math.round(away) : null
}

export function isOnEarth(position: readonly number[]): boolean {
  return Math.abs(position[0]!) <= 180 && Math.abs(position[1]!) <= 90
}

function invalid(field: string, message: string): Invalid {
  return { type: 'invalid', field, message }
}
