import type { Alarm } from '../model/alarm.ts'
import type { TimelineEntry } from '../model/case.ts'
import type { DeviceDirectory } from '../model/device.ts'
import type { District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import type { Position } from '../model/reading.ts'
import type { Rule } from '../model/rule.ts'
import type { Alarms } from './alarms.ts'
import type { Occasion } from './case-change.ts'
import type { CaseKeeper } from './case-keeper.ts'
import type { CaseRecord } from './case-record.ts'
import type { Cases } from './cases.ts'
import { noted, reopened } from './life.ts'
import { caseId, caseTitle, familyOf, isForDispatch, rank, type Dispatch, type Finding } from './opening.ts'
import { startLevel, type Route } from '../district/routing.ts'
import type { Plan, SecondLook } from './second-look.ts'
import { isOpen } from './transitions.ts'

/**
 * A device that flickers all day has one open case, which goes to crews and consoles as a whole at each change. Beyond
 * so many timeline entries further alarms still name the case, but are no longer written into it.
 */
const TIMELINE_ROOM = 500

export interface DeskParts {
  readonly alarms: Alarms
  readonly cases: Cases
  readonly keeper: CaseKeeper
  readonly secondLook: SecondLook
  readonly district: District
  readonly devices: DeviceDirectory
  /** By who is on duty then and what they have to do. */
  readonly routeAt: (now: number) => Route
  /** What happens again so soon after its case was closed is called a recurrence of it, ms. */
  readonly reopenWithinMs: number
}

/**
 * Brings alarms to their cases: opens, joins, reopens or annotates one, as the change of the alarm demands. Always
 * inside a transaction of the caller's.
 */
export class CaseDesk {
  readonly #parts: DeskParts

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  /** The case that the alarm belongs to from now on. `before` is the alarm as it was; it is not stored anew yet. */
  caseFor(alarm: Finding, before: Alarm | undefined, rule: Rule, now: number): string | null {
    const own = before?.case == null ? undefined : this.#parts.cases.record(before.case)
    const begins = before?.state !== 'firing'
    if (alarm.state === 'firing' && isForDispatch(alarm, rule)) {
      const speaks = rule.dispatch.speak !== undefined
      if (own !== undefined && isOpen(own.state)) return this.#join(own, alarm, begins, speaks, now)
      // A closed case is not opened again: what fires again or gets worse after it is a new matter.
      if (own === undefined || begins || rank(alarm.severity) > rank(before.severity)) {
        const family = familyOf(rule)
        const open = this.#parts.cases.openFor(family, alarm.site)
        if (open !== undefined) return this.#join(open, alarm, true, speaks, now)
        return this.#open(alarm, rule, rule.dispatch, family, now)
      }
    }
    if (own !== undefined && alarm.state !== 'firing' && alarm.state !== before?.state) {
      this.#end(own, alarm, now)
    }
    return own?.id ?? null
  }

  #open(alarm: Finding, rule: Rule, dispatch: Dispatch, family: string, now: number): string {
    const position = (this.#parts.devices.get(alarm.device)?.position as Position | undefined) ?? null
    const plan = this.#parts.secondLook.plan(alarm, dispatch, position, now)
    const id = this.open(
      {
        family,
        site: alarm.site,
        street: alarm.street,
        grid: alarm.grid,
        category: dispatch.category,
        title: caseTitle(rule, alarm.site),
        position,
        severity: alarm.severity,
        simulated: alarm.simulated === true,
        respondMs: durationMs(dispatch.respond),
        arriveMs: durationMs(dispatch.arrive),
        resolveMs: durationMs(dispatch.resolve),
        happenedAt: alarm.startedAt,
        seed: alarm.id,
        entry: noted(now, 'opened', { note: alarm.id }),
      },
      now,
      plan,
    )
    this.#parts.cases.link(id, alarm)
    this.#parts.secondLook.order(id, plan)
    return id
  }

  open(occasion: Occasion, now: number, plan?: Plan): string {
    const { cases, district, keeper, routeAt, reopenWithinMs } = this.#parts
    const { happenedAt, seed, entry, ...known } = occasion
    const team = routeAt(now)(known, startLevel(district, known.category))
    const previous = cases.closedSince(known.family, known.site, now - reopenWithinMs)
    const pendingUntil = plan?.pendingUntil ?? null
    const record: CaseRecord = {
      ...known,
      id: this.#newId(caseId(known.family, happenedAt, seed)),
      state: pendingUntil === null ? 'dispatched' : 'queued',
      pendingUntil,
      suspendedFrom: null,
      level: team.level,
      team: team.id,
      crew: null,
      teams: [],
      standby: [],
      called: [],
      queuedAt: now,
      suspendedAt: null,
      suspendedMs: 0,
      respondedAt: null,
      arrivedAt: null,
      deadlineColour: 'none',
      supervised: false,
      closeCode: null,
      closedAt: null,
      backToNormal: false,
      previous,
      version: 1,
    }
    const again = previous === null ? [] : [noted(now, 'recurrence', { note: previous })]
    const assigned = pendingUntil === null ? [noted(now, 'assign', { team: team.id })] : []
    keeper.insert(record, [entry, ...again, ...(plan?.entries ?? []), ...assigned])
    return record.id
  }

  /** Numbered when what opens it had a case before. */
  #newId(id: string): string {
    for (let number = 1; ; number++) {
      const candidate = number === 1 ? id : `${id}-${number}`
      if (this.#parts.cases.record(candidate) === undefined) return candidate
    }
  }

  /** What fires again after the crew was done goes back to the crew. */
  #join(record: CaseRecord, alarm: Finding, begins: boolean, speaks: boolean, now: number): string {
    const { cases, keeper, district } = this.#parts
    const worse = rank(alarm.severity) > rank(record.severity)
    const joins = begins && this.#hasRoom(record)
    const fails = begins && (record.state === 'handled' || record.state === 'verified')
    // What was only simulated has happened now: the crew gets its order with this change.
    const becomesReal = record.simulated && alarm.simulated !== true
    const after: CaseRecord = {
      ...(fails ? reopened(record, district) : record),
      severity: worse ? alarm.severity : record.severity,
      simulated: record.simulated && !becomesReal,
      backToNormal: record.backToNormal && !begins,
    }
    if (joins) cases.link(record.id, alarm)
    if (joins || worse || becomesReal || fails) {
      const note = aboutAlarm(now, joins || !worse ? 'alarm_joined' : 'severity_raised', alarm)
      const again = record.backToNormal && begins ? [noted(now, 'proposal_withdrawn')] : []
      const back = fails ? [noted(now, 'rework', { note: alarm.id, team: after.team })] : []
      keeper.save(record, after, [...this.#bounded(record, [note, ...again]), ...back])
    } else if (after.backToNormal !== record.backToNormal) cases.save(after, [])
    const { secondLook } = this.#parts
    // The loudspeaker was asked to deal with less.
    if (worse) secondLook.callAtOnce(record.id, 'it got worse', now)
    else if (begins && !speaks) secondLook.callAtOnce(record.id, 'another alarm needs a crew at once', now)
    return record.id
  }

  /** The alarm is over. */
  #end(record: CaseRecord, alarm: Finding, now: number): void {
    const { cases, alarms, keeper, secondLook } = this.#parts
    if (record.pendingUntil !== null && record.state === 'queued' && alarm.reason === undefined) {
      const entry = aboutAlarm(now, `alarm_${alarm.state}`, alarm)
      if (alarm.state === 'cleared' && !alarms.firesElse(record.id, alarm.id))
        secondLook.closeWithoutCrew(record, true, [entry], now)
      // One whose start a late reading moves is withdrawn and fires anew: that is seen at the end of the wait.
      else keeper.save(record, record, [entry])
      return
    }
    const isLast = isOpen(record.state) && !alarms.firesElse(record.id, alarm.id)
    // Where the rule or the device is gone nobody knows what is normal.
    const isOver = isLast && !record.backToNormal && alarm.reason === undefined
    const after = isOver ? { ...record, backToNormal: true } : record
    // Where nothing more is told of alarms the list is still right.
    if (!this.#hasRoom(record)) {
      if (isOver) cases.save(after, [])
      return
    }
    const proposed = isOver ? [noted(now, 'verify_proposed')] : []
    keeper.save(
      record,
      after,
      this.#bounded(record, [aboutAlarm(now, `alarm_${alarm.state}`, alarm), ...proposed]),
    )
    if (isLast) secondLook.callAtOnce(record.id, 'nobody knows whether it has ended', now)
  }

  /** For alarms; what people do is always written down. */
  #hasRoom({ id }: CaseRecord): boolean {
    return this.#parts.cases.entries(id) < TIMELINE_ROOM
  }

  /** Says so when it is the last of alarms that the timeline holds. */
  #bounded({ id }: CaseRecord, entries: readonly TimelineEntry[]): readonly TimelineEntry[] {
    const count = this.#parts.cases.entries(id)
    const isLast = count < TIMELINE_ROOM && count + entries.length >= TIMELINE_ROOM
    return isLast ? [...entries, noted(entries[0]!.at, 'alarms_left_out')] : entries
  }
}

function aboutAlarm(now: number, action: string, { id, reason }: Finding): TimelineEntry {
  return noted(now, action, { note: id, ...(reason && { reason }) })
}
