import type { Severity } from '../model/alarm.ts'
import type { District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import type { ClockName } from '../model/case.ts'
import { deadlines, shareGone } from '../dispatch/clocks.ts'
import { caseId, caseTitle, familyOf, rank, type Dispatch } from '../dispatch/opening.ts'
import { startLevel, teamFor } from '../district/routing.ts'
import { Schedule } from '../judge/schedule.ts'
import type { LoggedAlarm } from './alarm-log.ts'

/** How work is done in a back-test. */
export interface Manning {
  /** Crews of each team. */
  readonly crews: number
  /** From taking a case to being on site, and from there until it is handled, ms. */
  readonly travelMs: number
  readonly handleMs: number
}

/** Where nobody says otherwise. No source: a crew of the street is near, and most of its work is a talk. */
export const MANNING: Manning = { crews: 1, travelMs: 10 * 60_000, handleMs: 30 * 60_000 }

/** A case that the alarms would have opened. Times are epoch milliseconds. */
export interface ForeseenCase {
  readonly id: string
  readonly family: string
  readonly category: string
  readonly title: string
  readonly site: string
  readonly street: string
  readonly grid: string
  readonly severity: Severity
  readonly team: string
  readonly alarms: readonly string[]
  readonly queuedAt: number
  readonly respondBy: number
  readonly arriveBy: number
  readonly resolveBy: number
  /** Its rule lets a loudspeaker speak before a crew is called. */
  readonly speaks?: true
  /** When it would have ended while the loudspeaker spoke: no crew would have been called. */
  readonly endedAt?: number
  /** When a crew would have been free for it, on site, and done; null where none would have been called. */
  readonly respondedAt: number | null
  readonly arrivedAt: number | null
  readonly handledAt: number | null
  /** Deadlines that would have passed before. */
  readonly missed: readonly ClockName[]
}

/**
 * What the queue and the crews would have done with the alarms: one open case per rule family and site, sent
 * to the team that the district names for that moment, by its rosters and by what each team has to do, and taken by
 * its next free crew, the worst and then the oldest first.
 *
 * Is: an estimate of load. Is not: a forecast. Every crew takes the same time for everything; a team's
 * crews work day and night, whoever its roster names, and is closed with its case at once; the first team keeps its case (live, a case that waits goes up a
 * level); cases that were open before the stretch, and people's own reports, are not counted; simulated devices
 * count like any other; wherever a rule lets a loudspeaker speak first, one is there and does.
 */
export function foresee(
  alarms: readonly LoggedAlarm[],
  district: District,
  manning: Manning,
): readonly ForeseenCase[] {
  return new Shift(district, manning).run(alarms)
}

type Open<T> = { -readonly [K in keyof T]: T[K] }
type OpenCase = Open<Omit<ForeseenCase, 'alarms' | 'missed' | Work>> & {
  readonly alarms: string[]
  respondedAt: number
  arrivedAt: number
  handledAt: number
}
type Work = 'respondedAt' | 'arrivedAt' | 'handledAt'

/** What comes about by itself: a crew is done, an alarm ends while the loudspeaker speaks, its wait is over. */
type Turn =
  | { readonly type: 'done'; readonly record: OpenCase }
  | { readonly type: 'ended'; readonly record: OpenCase; readonly logged: LoggedAlarm }
  | { readonly type: 'waited'; readonly record: OpenCase }

class Shift {
  readonly #district: District
  readonly #manning: Manning
  readonly #cases: OpenCase[] = []
  /** One open case per family and site. */
  readonly #open = new Map<string, OpenCase>()
  /** Alarms that fire of cases that wait for their loudspeaker. */
  readonly #spokenTo = new Map<OpenCase, LoggedAlarm[]>()
  readonly #teams = new Map<string, Team>()
  readonly #turns = new Schedule<Turn>()

  constructor(district: District, manning: Manning) {
    this.#district = district
    this.#manning = manning
  }

  run(alarms: readonly LoggedAlarm[]): readonly ForeseenCase[] {
    const calls = alarms
      .filter((logged): logged is LoggedAlarm & { calledAt: number } => logged.calledAt !== null)
      .sort((a, b) => a.calledAt - b.calledAt || (a.alarm.id < b.alarm.id ? -1 : 1))
    for (const call of calls) {
      this.#workUntil(call.calledAt)
      this.#call(call)
    }
    this.#workUntil(Infinity)
    return this.#cases.map(foreseen)
  }

  #call(logged: LoggedAlarm & { calledAt: number }): void {
    const { alarm, rule, calledAt } = logged
    const family = familyOf(rule)
    const key = keyOf(family, alarm.site)
    const open = this.#open.get(key)
    if (open !== undefined) {
      open.alarms.push(alarm.id)
      const isWorse = rank(alarm.severity) > rank(open.severity)
      if (isWorse) open.severity = alarm.severity
      // The loudspeaker was asked to deal with less.
      const waits = this.#spokenTo.has(open)
      if (waits && (isWorse || rule.dispatch!.speak === undefined)) this.#crew(open, calledAt)
      else if (waits) this.#speak(open, logged)
      else if (isWorse) this.#teams.get(open.team)!.raise(open)
      return
    }
    const dispatch = rule.dispatch!
    const place = { category: dispatch.category, street: alarm.street, grid: alarm.grid }
    const start = startLevel(this.#district, dispatch.category)
    const load = (id: string): number => this.#teams.get(id)?.open ?? 0
    const team = teamFor(this.#district, place, start, calledAt, load).id
    const record: OpenCase = {
      id: caseId(family, alarm.startedAt, alarm.id),
      family,
      category: dispatch.category,
      title: caseTitle(rule, alarm.site),
      site: alarm.site,
      street: alarm.street,
      grid: alarm.grid,
      severity: alarm.severity,
      team,
      alarms: [alarm.id],
      queuedAt: calledAt,
      ...deadlines({ ...NEW_CASE, ...clocksOf(dispatch), queuedAt: calledAt }),
      respondedAt: Infinity,
      arrivedAt: Infinity,
      handledAt: Infinity,
    }
    this.#cases.push(record)
    this.#open.set(key, record)
    this.#teamOf(team).open++
    if (dispatch.speak === undefined) {
      this.#crew(record, calledAt)
      return
    }
    record.speaks = true
    this.#spokenTo.set(record, [])
    this.#speak(record, logged)
    this.#turns.add(calledAt + durationMs(dispatch.speak.wait), { type: 'waited', record })
  }

  #speak(record: OpenCase, logged: LoggedAlarm & { calledAt: number }): void {
    this.#spokenTo.get(record)!.push(logged)
    const { clearedAt } = logged.alarm
    if (clearedAt === null) return
    this.#turns.add(Math.max(clearedAt, logged.calledAt), { type: 'ended', record, logged })
  }

  /** A crew is called. */
  #crew(record: OpenCase, now: number): void {
    this.#spokenTo.delete(record)
    this.#teamOf(record.team).waits(record)
    this.#send(record.team, now)
  }

  #ended({ record, logged }: Turn & { type: 'ended' }, now: number): void {
    const firing = this.#spokenTo.get(record)?.filter((one) => one !== logged)
    if (firing === undefined) return
    if (firing.length > 0) {
      this.#spokenTo.set(record, firing)
      return
    }
    this.#spokenTo.delete(record)
    record.endedAt = now
    this.#open.delete(keyOf(record.family, record.site))
    this.#teamOf(record.team).open--
  }

  /** Whose alarms are all about to clear, and do in time, needs no crew (as live: no later than its blue). */
  #waited(record: OpenCase, now: number): void {
    const firing = this.#spokenTo.get(record)
    if (firing === undefined) return
    const latest = shareGone(record.queuedAt, record.respondBy - record.queuedAt, 'blue')
    const isEnding = ({ alarm, rule }: LoggedAlarm) =>
      alarm.clearedAt !== null &&
      alarm.clearedAt < latest &&
      alarm.clearedAt - durationMs(rule.clear?.for ?? '0s') <= now
    if (!firing.every(isEnding)) this.#crew(record, now)
  }

  /** Crews that are done by then take on what waits. */
  #workUntil(now: number): void {
    for (let turn = this.#turns.take(now); turn !== undefined; turn = this.#turns.take(now)) {
      const { what, time } = turn
      if (what.type === 'ended') this.#ended(what, time)
      else if (what.type === 'waited') this.#waited(what.record, time)
      else this.#done(what.record, time)
    }
  }

  #done({ family, site, team }: OpenCase, now: number): void {
    this.#open.delete(keyOf(family, site))
    this.#teamOf(team).free++
    this.#teamOf(team).open--
    this.#send(team, now)
  }

  #send(id: string, now: number): void {
    const team = this.#teamOf(id)
    const next = team.free > 0 ? team.next() : undefined
    if (next === undefined) return
    team.free--
    next.respondedAt = now
    next.arrivedAt = now + this.#manning.travelMs
    next.handledAt = next.arrivedAt + this.#manning.handleMs
    this.#turns.add(next.handledAt, { type: 'done', record: next })
  }

  #teamOf(id: string): Team {
    let team = this.#teams.get(id)
    if (team === undefined) {
      team = new Team(this.#manning.crews)
      this.#teams.set(id, team)
    }
    return team
  }
}

/** A team's free crews and the cases that wait for one. */
class Team {
  free: number
  /** Cases that wait for it or are worked on. */
  open = 0
  /** By severity, each from the oldest on; a case that got worse stands in two of them. */
  readonly #waiting: OpenCase[][] = [[], [], [], []]

  constructor(crews: number) {
    this.free = crews
  }

  waits(record: OpenCase): void {
    this.#waiting[rank(record.severity)]!.push(record)
  }

  /** It got worse: while it waits, it does so among its like. */
  raise(record: OpenCase): void {
    if (record.respondedAt === Infinity) this.waits(record)
  }

  next(): OpenCase | undefined {
    for (const queue of this.#waiting.toReversed()) {
      for (let first = queue.shift(); first !== undefined; first = queue.shift()) {
        if (first.respondedAt === Infinity) return first
      }
    }
    return undefined
  }
}

const NEW_CASE = {
  state: 'dispatched',
  suspendedAt: null,
  suspendedMs: 0,
  respondedAt: null,
  arrivedAt: null,
} as const

function clocksOf({ respond, arrive, resolve }: Dispatch) {
  return { respondMs: durationMs(respond), arriveMs: durationMs(arrive), resolveMs: durationMs(resolve) }
}

function foreseen({ respondedAt, arrivedAt, handledAt, ...record }: OpenCase): ForeseenCase {
  const work = { respondedAt, arrivedAt, handledAt }
  const isWorked = record.endedAt === undefined
  return {
    ...record,
    ...(isWorked ? work : { respondedAt: null, arrivedAt: null, handledAt: null }),
    missed: isWorked ? missedOf({ ...record, ...work }) : [],
  }
}

function missedOf(record: Pick<OpenCase, 'respondBy' | 'arriveBy' | 'resolveBy' | Work>): ClockName[] {
  const missed: ClockName[] = []
  if (record.respondedAt > record.respondBy) missed.push('respond')
  if (record.arrivedAt > record.arriveBy) missed.push('arrive')
  if (record.handledAt > record.resolveBy) missed.push('resolve')
  return missed
}

function keyOf(family: string, site: string): string {
  return JSON.stringify([family, site])
}
