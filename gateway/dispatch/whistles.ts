import { categoryOf, teamOf, type Route } from '../district/routing.ts'
import type { CaseState, TimelineEntry } from '../model/case.ts'
import type { Clock } from '../model/clock.ts'
import type { District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import type { Position } from '../model/reading.ts'
import type { User } from '../model/user.ts'
import type { WhistleAction } from '../model/whistle.ts'
import type { Database } from '../registry/database.ts'
import type { ActionOutcome } from './actions.ts'
import type { CaseKeeper } from './case-keeper.ts'
import type { CaseRecord } from './case-record.ts'
import type { Cases } from './cases.ts'
import { resumed, suspended } from './clocks.ts'
import type { Due } from './deadline-watch.ts'
import { isOnEarth, noted, offSiteMetres } from './life.ts'
import { actionsOf, isInScope, mayWhistle } from './rights.ts'
import { isOpen, nextWhistleState } from './transitions.ts'
import {
  calledBy,
  isOpenWhistle,
  nextWhistleColour,
  whistleClock,
  type WhistleRecord,
} from './whistle-record.ts'
import type { BlowRequest, WhistleRequest } from './whistle-request.ts'

/** Where neither the whistle nor the category says otherwise, ms. */
export interface WhistleTimes {
  readonly reportInMs: number
  readonly resolveMs: number
}
export const WHISTLE_TIMES: WhistleTimes = { reportInMs: 30 * 60_000, resolveMs: 4 * 3_600_000 }

/** Longer than this, ms, is a typing error. */
const LONGEST = 366 * 86_400_000
const DUE_AT_ONCE = 20
/** States in which there is something to call for. */
const UNSOLVED: readonly CaseState[] = ['queued', 'dispatched', 'accepted', 'on_site', 'suspended']
const ENTRY: Readonly<Record<WhistleAction, string>> = {
  report_in: 'whistle_reported_in',
  done: 'whistle_done',
  withdraw: 'whistle_withdrawn',
}

export interface WhistleParts {
  readonly database: Database
  readonly cases: Cases
  readonly keeper: CaseKeeper
  readonly district: District
  readonly clock: Clock
  readonly routeAt: (now: number) => Route
  readonly times: WhistleTimes
  /** Whether the file is evidence of the case. */
  readonly isOfCase: (caseId: string, file: string) => boolean
}

/**
 * Whistles (吹哨): a street calls departments to a case, they report in (报到) and say when they are done, by clocks
 * of their own. A department that is late goes up at once: the district's team is told and holds the order too; at
 * red the case comes under supervision. While a whistle is open the case cannot be verified.
 */
export class Whistles implements Due {
  readonly #parts: WhistleParts

  constructor(parts: WhistleParts) {
    this.#parts = parts
    // A case that is void, or ended otherwise, calls nobody any more.
    parts.keeper.onChange(({ before, after }) => {
      if (before === null || before.state === after.state) return
      if (isOpen(before.state) && !isOpen(after.state)) this.#end(after.id)
      else if (after.suspendedAt !== null && before.suspendedAt === null)
        this.#change(after.id, (whistle) => suspended(whistle, after.suspendedAt!))
      else if (after.suspendedAt === null && before.suspendedAt !== null) {
        const resumedAt = before.suspendedAt + after.suspendedMs - before.suspendedMs
        this.#change(after.id, (whistle) => resumed(whistle, resumedAt))
      }
    })
  }

  /** All departments or none. */
  blow(caseId: string, user: User, request: BlowRequest): ActionOutcome {
    const { database, cases, clock, times, district } = this.#parts
    return database.transaction(() => {
      const found = this.#begin(caseId, user, 'whistle', request.actionId)
      if ('type' in found) return found
      const { record } = found
      if (!mayWhistle(user)) return { type: 'forbidden', message: `the role ${user.role} may not whistle` }
      if (!UNSOLVED.includes(record.state))
        return conflict(record, user, `nobody is called to a case that is ${record.state}`)
      const standard = categoryOf(district, record.category)?.whistle
      const reportMs = spanOf(request.reportIn ?? standard?.reportIn, times.reportInMs)
      const resolveMs = spanOf(request.resolve ?? standard?.resolve, times.resolveMs)
      if (reportMs < 1 || reportMs > LONGEST) return invalid('reportIn', 'must be within a year')
      if (resolveMs < reportMs || resolveMs > LONGEST)
        return invalid('resolve', 'must not end before they report in, and within a year')
      const known = cases.whistles.of(caseId).filter(isOpenWhistle)
      for (const department of request.departments) {
        const fault = this.#faultOf(department, record)
        if (fault !== null) return invalid('departments', `${department} ${fault}`)
        const open = known.find((whistle) => whistle.department === department)
        if (open !== undefined)
          return {
            ...conflict(record, user, `${department} is called already`),
            doer: { by: open.by, at: open.at, team: department },
          }
      }
      const now = clock.now()
      for (const department of request.departments) {
        cases.whistles.insert({
          caseId,
          department,
          state: 'blown',
          by: user.name,
          at: now,
          note: request.note,
          reportMs,
          resolveMs,
          deadlineColour: 'none',
          reportedAt: null,
          position: null,
          endedAt: null,
          overseer: null,
          suspendedAt: record.suspendedAt === null ? null : now,
          suspendedMs: 0,
        })
      }
      const entries = request.departments.map((department) =>
        noted(now, 'whistle', {
          actor: user.name,
          note: request.note,
          department,
          until: now + reportMs,
        }),
      )
      return this.#saved(record, entries, user, 'whistle', request.actionId)
    })
  }

  /** What a department does with its whistle, or a supervisor when it is no longer needed. */
  act(
    caseId: string,
    department: string,
    action: WhistleAction,
    user: User,
    request: WhistleRequest,
  ): ActionOutcome {
    const { database, cases, clock, isOfCase } = this.#parts
    return database.transaction(() => {
      const found = this.#begin(caseId, user, `${action} ${department}`, request.actionId)
      if ('type' in found) return found
      const { record } = found
      const whistle = cases.whistles.of(caseId).findLast((one) => one.department === department)
      if (whistle === undefined) return { type: 'not_found' }
      const isOwn = action === 'withdraw' ? mayWhistle(user) : reportsFor(user, department)
      if (!isOwn) return { type: 'forbidden', message: `you may not ${action} for ${department}` }
      const state = nextWhistleState(whistle.state, action)
      if (state === undefined)
        return conflict(record, user, `cannot ${action}: the whistle for ${department} is ${whistle.state}`)
      const position = (request.position as Position | undefined) ?? null
      if (position === null && action === 'report_in') return invalid('position', 'is required to report in')
      if (position !== null && !isOnEarth(position))
        return invalid('position', 'must be [longitude, latitude, altitude?] in degrees, WGS-84')
      if (request.note === undefined && action !== 'report_in')
        return invalid('note', action === 'done' ? 'must say what was done' : 'must say why')
      const stranger = request.files?.find((file) => !isOfCase(caseId, file))
      if (stranger !== undefined)
        return invalid('files', `${stranger} is no evidence of this case; upload it first`)
      const now = clock.now()
      // The next clock has colours of its own.
      cases.whistles.save({
        ...whistle,
        state,
        ...(action === 'report_in'
          ? { reportedAt: now, position, deadlineColour: 'none', overseer: null }
          : { endedAt: now }),
      })
      const away = offSiteMetres(position, record.position)
      const entry = noted(now, ENTRY[action], {
        actor: user.name,
        note: request.note ?? null,
        position,
        files: request.files ?? [],
        department,
        ...(away === null ? {} : { offSite: away }),
      })
      return this.#saved(record, [entry], user, `${action} ${department}`, request.actionId)
    })
  }

  nextDue(): number | null {
    return this.#parts.cases.whistles.nextDue()
  }

  seeTo(now: number): void {
    const { database, cases, keeper, routeAt } = this.#parts
    database.transaction(() => {
      for (const due of cases.whistles.due(now, DUE_AT_ONCE)) {
        const record = cases.record(due.caseId)!
        const entries: TimelineEntry[] = []
        let whistle: WhistleRecord = due
        let next = nextWhistleColour(whistle)
        while (next !== null && next.at <= now) {
          const { colour } = next
          const clock = whistleClock(whistle)!
          const isLate = colour !== 'blue'
          const overseer = isLate ? routeAt(now)(record, 'district').id : whistle.overseer
          const moved = overseer === whistle.overseer ? {} : { team: overseer! }
          whistle = { ...whistle, deadlineColour: colour, overseer }
          entries.push(noted(now, `whistle_${colour}`, { clock, department: due.department, ...moved }))
          next = nextWhistleColour(whistle)
        }
        cases.whistles.save(whistle)
        const supervises = whistle.deadlineColour === 'red' && !record.supervised
        if (supervises) entries.push(noted(now, 'supervise'))
        const called = calledBy(cases.whistles.of(due.caseId))
        keeper.save(record, { ...record, called, supervised: record.supervised || supervises }, entries)
      }
    })
  }

  /** The case, or why not; an action that was counted before has its answer already. */
  #begin(
    caseId: string,
    user: User,
    action: string,
    actionId: string | undefined,
  ): ActionOutcome | { readonly record: CaseRecord } {
    const { cases } = this.#parts
    const record = cases.record(caseId)
    if (record === undefined) return { type: 'not_found' }
    const counted = actionId === undefined ? undefined : cases.actionOf(caseId, user.name, actionId)
    if (counted === action) return { type: 'ok', case: cases.get(caseId)! }
    if (counted !== undefined) return invalid('actionId', `was used before, to ${counted}`)
    return isInScope(user, record) ? { record } : { type: 'not_found' }
  }

  #saved(
    record: CaseRecord,
    entries: readonly TimelineEntry[],
    user: User,
    action: string,
    actionId: string | undefined,
  ): ActionOutcome {
    const { cases, keeper } = this.#parts
    keeper.save(record, { ...record, called: calledBy(cases.whistles.of(record.id)) }, entries)
    if (actionId !== undefined) cases.countAction(record.id, user.name, actionId, action)
    return { type: 'ok', case: cases.get(record.id)! }
  }

  #faultOf(id: string, record: CaseRecord): string | null {
    const { district } = this.#parts
    const team = teamOf(district, id)
    if (team === undefined) return 'is no team of the district'
    if (team.level !== 'department' && team.level !== 'district')
      return 'is neither a department nor a team of the district'
    if (id === record.team || id === record.crew) return 'has the case already'
    const called = categoryOf(district, record.category)?.departments
    if (team.level === 'department' && called !== undefined && !called.includes(id))
      return `is not called for ${record.category}; expected one of ${called.join(', ')}`
    return team.streets?.includes(record.street) === false ? `does not serve ${record.street}` : null
  }

  /** Joins the change that ends the case; the timeline has its reason there. */
  #end(caseId: string): void {
    const endedAt = this.#parts.clock.now()
    this.#change(caseId, (whistle) => ({ ...whistle, state: 'withdrawn', endedAt }))
  }

  /** Every open whistle of the case. */
  #change(caseId: string, to: (whistle: WhistleRecord) => WhistleRecord): void {
    const { whistles } = this.#parts.cases
    for (const whistle of whistles.of(caseId)) if (isOpenWhistle(whistle)) whistles.save(to(whistle))
  }
}

/** A department speaks for itself; who answers for the district may write down what it has heard by telephone. */
function reportsFor(user: User, department: string): boolean {
  if (user.role === 'team') return user.team === department
  return user.role === 'admin' || user.role === 'district'
}

function spanOf(text: string | undefined, standard: number): number {
  return text === undefined ? standard : durationMs(text)
}

function conflict(record: CaseRecord, user: User, message: string): ActionOutcome & { type: 'conflict' } {
  const { state, version } = record
  return { type: 'conflict', message, state, version, allowed: actionsOf(user, record) }
}

function invalid(field: string, message: string): ActionOutcome {
  return { type: 'invalid', field, message }
}
