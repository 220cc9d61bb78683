import type { Log } from '../log.ts'
import type { Alarm, AlarmBook } from '../model/alarm.ts'
import { ACTIONS, type Action, type Case, type TimelineEntry } from '../model/case.ts'
import type { Clock } from '../model/clock.ts'
import { isSimulated, type DeviceDirectory } from '../model/device.ts'
import type { District } from '../model/district.ts'
import type { Health, Part, Retainer } from '../model/pipeline.ts'
import type { Rule } from '../model/rule.ts'
import type { User } from '../model/user.ts'
import type { Database } from '../registry/database.ts'
import { RegistryError } from '../registry/registry-error.ts'
import type { ActionOutcome, ActionRequest, Doer } from './actions.ts'
import type { Alarms } from './alarms.ts'
import type { CaseChange, Occasion } from './case-change.ts'
import { CaseDeadlines } from './case-deadlines.ts'
import { CaseDesk } from './case-desk.ts'
import { CaseKeeper } from './case-keeper.ts'
import type { CaseRecord } from './case-record.ts'
import type { Cases } from './cases.ts'
import { DeadlineWatch } from './deadline-watch.ts'
import { raised, takeStep } from './life.ts'
import { rank, type Finding } from './opening.ts'
import { actionsOf, hasInHand, isInScope, mayDo } from './rights.ts'
import { SecondLook } from './second-look.ts'
import { nextState } from './transitions.ts'
import { RuleTexts } from '../rule-book/rule-texts.ts'
import { WHISTLE_TIMES, Whistles, type WhistleTimes } from './whistles.ts'
import { teamFor, type Route } from '../district/routing.ts'

/** Where nobody says otherwise, ms. */
const REOPEN_WITHIN_MS = 2 * 3_600_000
/** … and metres. */
const SPEAK_WITHIN = 200

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
  /** What happens again so soon after its case was closed is called a recurrence of it, ms. */
  readonly reopenWithinMs?: number
  /** For departments that are called. */
  readonly whistleTimes?: WhistleTimes
  /** A loudspeaker further from the alarm than this, metres, is not heard there. */
  readonly speakWithin?: number
}

/**
 * The dispatch queue: alarms go in, cases come out, people act on them, deadlines push them up. Alarms meet their
 * case at the desk, every change goes through the keeper, and the watch looks when something is due.
 */
export class Queue implements AlarmBook, Part {
  readonly whistles: Whistles
  readonly secondLook: SecondLook
  readonly #parts: QueueParts
  readonly #keeper: CaseKeeper
  readonly #desk: CaseDesk
  readonly #watch: DeadlineWatch
  readonly #texts: RuleTexts
  readonly #alarmListeners: ((alarm: Alarm) => void)[] = []
  #isOfCase: (caseId: string, file: string) => boolean = () => true

  constructor(parts: QueueParts) {
    this.#parts = parts
    const { database, cases, clock, log } = parts
    const { callsForSimulated = false, reopenWithinMs = REOPEN_WITHIN_MS } = parts
    this.#keeper = new CaseKeeper({ ...parts, callsForSimulated })
    const routeAt = (now: number) => this.#routeAt(now)
    this.secondLook = new SecondLook({
      ...parts,
      keeper: this.#keeper,
      routeAt,
      callsForSimulated,
      speakWithin: parts.speakWithin ?? SPEAK_WITHIN,
    })
    this.#desk = new CaseDesk({
      ...parts,
      keeper: this.#keeper,
      secondLook: this.secondLook,
      routeAt,
      reopenWithinMs,
    })
    this.#texts = new RuleTexts(database)
    const deadlines = new CaseDeadlines(database, cases, this.#keeper, routeAt)
    this.whistles = new Whistles({
      ...parts,
      keeper: this.#keeper,
      routeAt,
      times: parts.whistleTimes ?? WHISTLE_TIMES,
      isOfCase: (caseId, file) => this.#isOfCase(caseId, file),
    })
    this.#watch = new DeadlineWatch([this.secondLook, deadlines, this.whistles], clock, log)
    this.#keeper.onTold(() => this.#watch.arm())
  }

  /** Where announcements go. Before `start()`; without it they wait. */
  publishThrough(publisher: Retainer): void {
    this.#keeper.publishThrough(publisher)
  }

  /** Announces what teams must know, see {@link Orders.start}, and sets the clock for the next deadline. */
  async start(): Promise<void> {
    this.#keeper.orders.start()
    this.secondLook.start()
    this.#watch.start()
  }

  async stop(): Promise<void> {
    this.#watch.stop()
    this.secondLook.stop()
    this.#keeper.orders.stop()
  }

  health(): Health {
    return this.#watch.health()
  }

  /**
   * Called inside the transaction of each change, for what must be on disk together with it; what it throws takes
   * the change back. Telling others is for after the commit ({@link Database.afterCommit}).
   */
  onChange(listener: (change: CaseChange) => void): void {
    this.#keeper.onChange(listener)
  }

  /** Actions may name evidence files; without this any name passes. Before `start()`. */
  checkFiles(isOfCase: (caseId: string, file: string) => boolean): void {
    this.#isOfCase = isOfCase
  }

  /** Called after each commit with the case as it now is. */
  onCase(listener: (found: Case) => void): void {
    this.#keeper.onCase(listener)
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
      const caseId = this.#desk.caseFor(alarm, before, rule, now)
      const after: Alarm = { ...alarm, case: caseId }
      if (!alarms.upsert(after, now)) return
      // Not of one that ends because its rule is another by now.
      if (rule.version === after.ruleVersion) this.#texts.note(after.id, rule, now)
      database.afterCommit(() => this.#tellAlarm(after))
    })
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
      if (open === undefined) {
        const id = this.#desk.open(occasion, now)
        this.#checkNamed(id, occasion.entry)
        return { id, joined: false }
      }
      this.#checkNamed(open.id, occasion.entry)
      const severity = rank(occasion.severity) > rank(open.severity) ? occasion.severity : open.severity
      const after = { ...open, severity, simulated: open.simulated && occasion.simulated }
      this.#keeper.save(open, after, [occasion.entry])
      // Somebody is there and has seen it: that is not for a loudspeaker to end.
      const why = occasion.entry.report === undefined ? 'more has been found' : 'somebody has reported it'
      this.secondLook.callAtOnce(open.id, why, now)
      return { id: open.id, joined: true }
    })
  }

  /** Writes what the gateway found into a case's timeline; joins the caller's transaction. False when there is no such case. */
  annotate(caseId: string, entry: TimelineEntry): boolean {
    const { database, cases } = this.#parts
    return database.transaction(() => {
      const record = cases.record(caseId)
      if (record === undefined) return false
      this.#checkNamed(caseId, entry)
      this.#keeper.save(record, record, [entry])
      return true
    })
  }

  /**
   * An entry that names evidence which the case has not would make its exported file look as if some had been taken out
   * of it (`case verify`). Names that are no hash are notes of a register and stand for nothing.
   */
  #checkNamed(caseId: string, { files }: TimelineEntry): void {
    const stranger = files.find((file) => /^[0-9a-f]{64}$/.test(file) && !this.#isOfCase(caseId, file))
    if (stranger === undefined) return
    throw new RegistryError('invalid', `files: ${stranger} is no evidence of this case; upload it first`)
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
      if (next === undefined || !hasInHand(user, record, action))
        return this.#conflict(record, user, action, `cannot ${action} a case that is ${record.state}`)
      if (action === 'verify' && record.called.length > 0) {
        const message = `cannot verify while ${record.called.join(', ')} is still called; withdraw the whistle or wait`
        return this.#conflict(record, user, null, message)
      }
      if (expectedVersion !== undefined && expectedVersion !== record.version)
        return this.#conflict(record, user, null, `the case is at version ${record.version} by now`)
      const stranger = request.files?.find((file) => !this.#isOfCase(caseId, file))
      if (stranger !== undefined)
        return invalid('files', `${stranger} is no evidence of this case; upload it first`)
      const now = clock.now()
      const route = this.#routeAt(now)
      const step = takeStep({ record, request, user, district, route, now }, next)
      if ('type' in step) return step
      // The next clock may have a colour already: nobody has to wait for the watch to see it.
      const { record: after, entries } = raised(step.record, now, route)
      this.#keeper.save(record, after, [step.entry, ...entries])
      if (actionId !== undefined) cases.countAction(caseId, user.name, actionId, action)
      return { type: 'ok', case: cases.get(caseId)! }
    })
  }

  /** `action` is null when the case is only newer than what was seen. Says who brought it where it is. */
  #conflict(record: CaseRecord, user: User, action: Action | null, message: string): ActionOutcome {
    const { timeline } = this.#parts.cases.get(record.id)!
    const found = action === null ? timeline.at(-1) : moverOf(timeline, record, action)
    const doer: Doer | undefined = found && {
      by: found.actor,
      at: found.at,
      team: found.crew ?? found.team ?? record.crew ?? record.team,
    }
    return {
      type: 'conflict',
      message: doer === undefined ? message : `${message}; ${sentence(found!, doer)}`,
      state: record.state,
      version: record.version,
      allowed: actionsOf(user, record),
      ...(doer && { doer }),
    }
  }

  /**
   * Gives every case whose next deadline colour is due that colour and sends it one level up. Called by the timer,
   * and harmless at any other time.
   */
  checkDeadlines(): void {
    this.#watch.look()
  }

  /** Sees to every deadline that is due by now: for a clock that is moved by hand. */
  settle(): void {
    this.#watch.settle()
  }

  /** By who is on duty then and what they have to do. */
  #routeAt(now: number): Route {
    const { cases, district } = this.#parts
    return (place, from) => teamFor(district, place, from, now, (team) => cases.workOf(team))
  }

  #tellAlarm(alarm: Alarm): void {
    try {
      this.#keeper.orders.announceAlarms()
      for (const listener of this.#alarmListeners) listener(alarm)
    } catch (error) {
      this.#parts.log.error({ err: error, alarm: alarm.id }, 'an alarm was stored but not told to everyone')
    }
  }
}

/** Actions that leave a case where it is. */
const STAYING: readonly string[] = ['extend', 'supervise']

/** Who accepted it, for one who wanted to; for others whoever moved it last, the gateway included. */
function moverOf(
  timeline: readonly TimelineEntry[],
  record: CaseRecord,
  action: Action,
): TimelineEntry | undefined {
  const isTaken = action === 'accept' && record.crew !== null
  return timeline.findLast((entry) =>
    isTaken
      ? entry.action === 'accept'
      : entry.team !== undefined ||
        (ACTIONS.includes(entry.action as Action) && !STAYING.includes(entry.action)),
  )
}

function sentence({ action }: TimelineEntry, { by, at, team }: Doer): string {
  return `${action} by ${by} (${team}) at ${new Date(at).toISOString()}`
}

function invalid(field: string, message: string): ActionOutcome {
  return { type: 'invalid', field, message }
}
