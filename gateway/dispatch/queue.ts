import type { Log } from '../log.ts'
import type { Alarm, AlarmBook } from '../model/alarm.ts'
import { DEADLINE_COLOURS, type Case, type TimelineEntry } from '../model/case.ts'
import type { Clock } from '../model/clock.ts'
import { isSimulated, type DeviceDirectory } from '../model/device.ts'
import type { District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import type { Health, Part, Retainer } from '../model/pipeline.ts'
import type { Position } from '../model/reading.ts'
import type { Rule } from '../model/rule.ts'
import type { User } from '../model/user.ts'
import type { Database } from '../registry/database.ts'
import type { ActionOutcome, ActionRequest } from './actions.ts'
import type { Alarms } from './alarms.ts'
import type { CaseChange, Occasion } from './case-change.ts'
import type { CaseRecord } from './case-record.ts'
import type { Cases } from './cases.ts'
import { deadlineColour, nextColour } from './clocks.ts'
import { escalate, noted, takeStep } from './life.ts'
import { caseId, caseTitle, familyOf, isForDispatch, rank, type Dispatch, type Finding } from './opening.ts'
import { Orders } from './orders.ts'
import { isInScope, mayDo } from './rights.ts'
import { startLevel, teamFor, type Route } from '../district/routing.ts'
import { allowedIn, isOpen, nextState } from './transitions.ts'

/** However far the next deadline is, look again after this, ms: the wall clock may have jumped. */
const LOOK_AGAIN_MS = 10_000
/**
 * A device that flickers all day has one open case, which goes to crews and consoles as a whole at each change. Beyond
 * so many timeline entries further alarms still name the case, but are no longer written into it.
 */
const TIMELINE_ROOM = 500
/** Cases in one go when many are due, so that the intake is never kept waiting. */
const DUE_AT_ONCE = 100

export interface QueueParts {
  readonly database: Database
  readonly alarms: Alarms
  readonly cases: Cases
  readonly district: District
  readonly devices: DeviceDirectory
  readonly clock: Clock
  readonly log: Log
  /** Whether a case of nothing but simulated alarms calls a crew: a demo, a rehearsal, a load. */
  readonly callsForSimulated?: boolean
}

/**
 * The dispatch queue: alarms go in, cases come out, people act on them, deadlines push them up. Everything
 * that changes a case happens here, in one transaction with its timeline and with the note of who must be
 * told; telling follows the commit.
 */
export class Queue implements AlarmBook, Part {
  readonly #parts: QueueParts
  readonly #orders: Orders
  readonly #changeListeners: ((change: CaseChange) => void)[] = []
  readonly #caseListeners: ((found: Case) => void)[] = []
  readonly #alarmListeners: ((alarm: Alarm) => void)[] = []
  /** Version of each case that the last commit is to tell. */
  readonly #untold = new Map<string, number>()
  #isOfCase: (caseId: string, file: string) => boolean = () => true
  #timer: NodeJS.Timeout | undefined
  #running = false
  /** Why deadlines cannot be watched; null when they are. */
  #trouble: string | null = null

  constructor(parts: QueueParts) {
    this.#parts = parts
    const { database, alarms, cases, log, callsForSimulated = false } = parts
    this.#orders = new Orders(database, alarms, cases, log, callsForSimulated)
  }

  /** Where announcements go. Before `start()`; without it they wait. */
  publishThrough(publisher: Retainer): void {
    this.#orders.publishThrough(publisher)
  }

  /** Announces what teams must know, see {@link Orders.start}, and sets the clock for the next deadline. */
  async start(): Promise<void> {
    this.#running = true
    this.#orders.start()
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#running = false
    clearTimeout(this.#timer)
    this.#orders.stop()
  }

  health(): Health {
    if (this.#trouble !== null) return { ready: false, detail: this.#trouble }
    return { ready: this.#running, detail: this.#running ? 'watching deadlines' : 'stopped' }
  }

  /**
   * Called inside the transaction of each change, for what must be on disk together with it; what it throws takes
   * the change back. Telling others is for after the commit ({@link Database.afterCommit}).
   */
  onChange(listener: (change: CaseChange) => void): void {
    this.#changeListeners.push(listener)
  }

  /** Actions may name evidence files; without this any name passes. Before `start()`. */
  checkFiles(isOfCase: (caseId: string, file: string) => boolean): void {
    this.#isOfCase = isOfCase
  }

  /** Called after each commit with the case as it now is. */
  onCase(listener: (found: Case) => void): void {
    this.#caseListeners.push(listener)
  }

  /** Called after each commit with every change of an alarm but that of its values. */
  onAlarm(listener: (alarm: Alarm) => void): void {
    this.#alarmListeners.push(listener)
  }

  firing(): Iterable<Alarm> {
    return this.#parts.alarms.firing()
  }

  record(judged: Omit<Finding, 'simulated'>, rule: Rule, now: number): void {
    const { database, alarms, devices } = this.#parts
    database.transaction(() => {
      const before = alarms.get(judged.id)
      const simulated =
        before === undefined ? isSimulated(devices.get(judged.device)) : before.simulated === true
      const alarm: Finding = simulated ? { ...judged, simulated } : judged
      const caseId = this.#caseFor(alarm, before, rule, now)
      const after: Alarm = { ...alarm, case: caseId }
      if (alarms.upsert(after, now)) database.afterCommit(() => this.#tellAlarm(after))
    })
  }

  /** The alarm's case: opened, joined or annotated as the change of the alarm demands. */
  #caseFor(alarm: Finding, before: Alarm | undefined, rule: Rule, now: number): string | null {
    const own = before?.case == null ? undefined : this.#parts.cases.record(before.case)
    const begins = before?.state !== 'firing'
    if (alarm.state === 'firing' && isForDispatch(alarm, rule)) {
      if (own !== undefined && isOpen(own.state)) return this.#join(own, alarm, begins, now)
      // A closed case is not opened again: what fires again or gets worse after it is a new matter.
      if (own === undefined || begins || rank(alarm.severity) > rank(before.severity)) {
        const family = familyOf(rule)
        const open = this.#parts.cases.openFor(family, alarm.site)
        if (open !== undefined) return this.#join(open, alarm, true, now)
        return this.#open(alarm, rule, rule.dispatch, family, now)
      }
    }
    if (own !== undefined && alarm.state !== 'firing' && alarm.state !== before?.state) {
      if (this.#hasRoom(own)) this.#save(own, own, this.#notes(own, `alarm_${alarm.state}`, alarm, now))
    }
    return own?.id ?? null
  }

  #open(alarm: Finding, rule: Rule, dispatch: Dispatch, family: string, now: number): string {
    const position = this.#parts.devices.get(alarm.device)?.position as Position | undefined
    const id = this.#openFor(
      {
        family,
        site: alarm.site,
        street: alarm.street,
        grid: alarm.grid,
        category: dispatch.category,
        title: caseTitle(rule, alarm.site),
        position: position ?? null,
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
    )
    this.#parts.cases.link(id, alarm.id)
    return id
  }

  /**
   * Opens a case for what no rule has seen (a person's report, a register), or writes it into the open case of
   * the same family and site; joins the caller's transaction, if there is one.
   */
  open(occasion: Occasion): { readonly id: string; readonly joined: boolean } {
    const { database, cases, clock } = this.#parts
    return database.transaction(() => {
      const now = clock.now()
      const open = cases.openFor(occasion.family, occasion.site)
      if (open === undefined) return { id: this.#openFor(occasion, now), joined: false }
      const severity = rank(occasion.severity) > rank(open.severity) ? occasion.severity : open.severity
      this.#save(open, { ...open, severity, simulated: open.simulated && occasion.simulated }, [
        occasion.entry,
      ])
      return { id: open.id, joined: true }
    })
  }

  /** Writes what the gateway found into a case's timeline; joins the caller's transaction. False when there is no such case. */
  annotate(caseId: string, entry: TimelineEntry): boolean {
    const { database, cases } = this.#parts
    return database.transaction(() => {
      const record = cases.record(caseId)
      if (record === undefined) return false
      this.#save(record, record, [entry])
      return true
    })
  }

  #openFor(occasion: Occasion, now: number): string {
    const { cases, district } = this.#parts
    const { happenedAt, seed, entry, ...known } = occasion
    const team = this.#routeAt(now)(known, startLevel(district, known.category))
    const record: CaseRecord = {
      ...known,
      id: this.#newId(caseId(known.family, happenedAt, seed)),
      state: 'dispatched',
      suspendedFrom: null,
      level: team.level,
      team: team.id,
      crew: null,
      queuedAt: now,
      suspendedAt: null,
      suspendedMs: 0,
      respondedAt: null,
      arrivedAt: null,
      deadlineColour: 'none',
      supervised: false,
      closeCode: null,
      version: 1,
    }
    const entries = [entry, noted(now, 'assign', { team: team.id })]
    cases.insert(record, entries)
    this.#afterSave({ before: null, after: record, entries })
    return record.id
  }

  /** By who is on duty then and what they have to do. */
  #routeAt(now: number): Route {
    const { cases, district } = this.#parts
    return (place, from) => teamFor(district, place, from, now, (team) => cases.workOf(team))
  }

  /** Numbered when what opens it had a case before. */
  #newId(id: string): string {
    for (let number = 1; ; number++) {
      const candidate = number === 1 ? id : `${id}-${number}`
      if (this.#parts.cases.record(candidate) === undefined) return candidate
    }
  }

  #join(record: CaseRecord, alarm: Finding, begins: boolean, now: number): string {
    const worse = rank(alarm.severity) > rank(record.severity)
    const joins = begins && this.#hasRoom(record)
    // What was only simulated has happened now: the crew gets its order with this change.
    const becomesReal = record.simulated && alarm.simulated !== true
    if (joins) this.#parts.cases.link(record.id, alarm.id)
    if (joins || worse || becomesReal) {
      const action = joins || !worse ? 'alarm_joined' : 'severity_raised'
      const entries = this.#notes(record, action, alarm, now)
      const severity = worse ? alarm.severity : record.severity
      this.#save(record, { ...record, severity, simulated: record.simulated && !becomesReal }, entries)
    }
    return record.id
  }

  /** For alarms; what people do is always written down. */
  #hasRoom({ id }: CaseRecord): boolean {
    return this.#parts.cases.entries(id) < TIMELINE_ROOM
  }

  #notes({ id }: CaseRecord, action: string, alarm: Finding, now: number): TimelineEntry[] {
    const entry = noted(now, action, { note: alarm.id, ...(alarm.reason && { reason: alarm.reason }) })
    const isLast = this.#parts.cases.entries(id) === TIMELINE_ROOM - 1
    return isLast ? [entry, noted(now, 'alarms_left_out')] : [entry]
  }

  /** An action of a person, over whatever wire it came. The request has the shape of its schema. */
  act(caseId: string, user: User, request: ActionRequest): ActionOutcome {
    const { database, cases, district, clock } = this.#parts
    return database.transaction(() => {
      const record = cases.record(caseId)
      if (record === undefined) return { type: 'not_found' }
      const { action, actionId, expectedVersion } = request
      // Before the rights: an action may have taken the case out of the sender's hands, and is sent again.
      const counted = actionId === undefined ? undefined : cases.actionOf(caseId, user.name, actionId)
      if (counted === action) return { type: 'ok', case: cases.get(caseId)! }
      if (counted !== undefined) return invalid('actionId', `was used before, to ${counted}`)
      if (!isInScope(user, record)) return { type: 'not_found' }
      if (!mayDo(user, action))
        return { type: 'forbidden', message: `the role ${user.role} may not ${action}` }
      const next = nextState(record.state, action, record.suspendedFrom)
      if (next === undefined) return conflict(record, user, `cannot ${action} a case that is ${record.state}`)
      if (expectedVersion !== undefined && expectedVersion !== record.version)
        return conflict(record, user, `the case is at version ${record.version} by now`)
      const stranger = request.files?.find((file) => !this.#isOfCase(caseId, file))
      if (stranger !== undefined)
        return invalid('files', `${stranger} is no evidence of this case; upload it first`)
      const now = clock.now()
      const step = takeStep({ record, request, user, district, route: this.#routeAt(now), now }, next)
      if ('type' in step) return step
      this.#save(record, withFreshColour(step.record, now), [step.entry])
      if (actionId !== undefined) cases.countAction(caseId, user.name, actionId, action)
      return { type: 'ok', case: cases.get(caseId)! }
    })
  }

  /**
   * Gives every case whose next deadline colour is due that colour and sends it one level up; several colours
   * at once after a long pause. Called by the timer, and harmless at any other time.
   */
  checkDeadlines(): void {
    const { database, cases, clock } = this.#parts
    const now = clock.now()
    const route = this.#routeAt(now)
    database.transaction(() => {
      for (const record of cases.due(now, DUE_AT_ONCE)) {
        let current = record
        const entries: TimelineEntry[] = []
        let next = nextColour(current, current.deadlineColour)
        while (next !== null && next.at <= now) {
          const before = current
          current = { ...escalate(current, route), deadlineColour: next.colour }
          const moved = current.team === before.team ? {} : { team: current.team }
          entries.push(noted(now, `deadline_${next.colour}`, moved))
          next = nextColour(current, next.colour)
        }
        this.#save(record, current, entries)
      }
    })
  }

  /** Sees to every deadline that is due by now: for a clock that is moved by hand. */
  settle(): void {
    const { cases, clock } = this.#parts
    for (let due = cases.nextDue(); due !== null && due <= clock.now(); due = cases.nextDue()) {
      this.checkDeadlines()
    }
    this.#arm()
  }

  #arm(): void {
    const due = this.#running ? this.#parts.cases.nextDue() : null
    clearTimeout(this.#timer)
    if (due === null) return
    const delay = Math.min(Math.max(0, due - this.#parts.clock.now()), LOOK_AGAIN_MS)
    this.#timer = setTimeout(() => this.#wake(), delay)
  }

  #wake(): void {
    try {
      this.checkDeadlines()
      this.#arm()
      this.#trouble = null
    } catch (error) {
      this.#parts.log.error({ err: error }, 'deadlines could not be checked, trying again')
      this.#trouble = `deadlines cannot be watched: ${(error as Error).message}`
      this.#timer = setTimeout(() => this.#wake(), LOOK_AGAIN_MS)
    }
  }

  #save(before: CaseRecord, wanted: CaseRecord, entries: readonly TimelineEntry[]): void {
    const after = { ...wanted, version: before.version + 1 }
    this.#parts.cases.save(after, entries)
    this.#afterSave({ before, after, entries })
  }

  #afterSave(change: CaseChange): void {
    const { after } = change
    this.#orders.note(after)
    for (const listener of this.#changeListeners) listener(change)
    this.#untold.set(after.id, after.version)
    this.#parts.database.afterCommit(() => this.#tellCase(after))
  }

  /** After the commit nothing may throw: the caller's transaction is done and cannot be taken back. */
  #tellCase({ id, version }: CaseRecord): void {
    try {
      // Changed again in the same transaction: the last change tells it.
      if (this.#untold.get(id) !== version) return
      this.#untold.delete(id)
      this.#orders.announceCase(id)
      this.#arm()
      if (this.#caseListeners.length === 0) return
      const found = this.#parts.cases.get(id)!
      for (const listener of this.#caseListeners) listener(found)
    } catch (error) {
      this.#parts.log.error({ err: error, case: id }, 'a case was stored but not told to everyone')
    }
  }

  #tellAlarm(alarm: Alarm): void {
    try {
      this.#orders.announceAlarms()
      for (const listener of this.#alarmListeners) listener(alarm)
    } catch (error) {
      this.#parts.log.error({ err: error, alarm: alarm.id }, 'an alarm was stored but not told to everyone')
    }
  }
}

/**
 * An action can start another clock, or give the running one more time: then the colour falls at once. It
 * never rises here: that is for {@link Queue.checkDeadlines}, which sends the case up with it.
 */
function withFreshColour(record: CaseRecord, now: number): CaseRecord {
  const colour = deadlineColour(record, now)
  if (colour === null) return record
  const falls = DEADLINE_COLOURS.indexOf(colour) < DEADLINE_COLOURS.indexOf(record.deadlineColour)
  return falls ? { ...record, deadlineColour: colour } : record
}

function invalid(field: string, message: string): ActionOutcome {
  return { type: 'invalid', field, message }
}

function conflict(record: CaseRecord, user: User, message: string): ActionOutcome {
  const allowed = allowedIn(record.state).filter((action) => mayDo(user, action))
  return { type: 'conflict', message, state: record.state, version: record.version, allowed }
}
