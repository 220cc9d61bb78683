import type { AlarmState, Severity } from '../gateway/model/alarm.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { FOLD, TIME } from './cells.ts'
import type { ClosedAlarm } from './course.ts'
import { Fold, type Folded, type Frozen } from './fold.ts'
import { devicesBehind } from './links.ts'
import { localOf, type Attributes, type Local } from './local.ts'
import type { Panes } from './panes.ts'
import type { Plan } from './plan.ts'
import { Tail } from './tail.ts'

/** An alarm as the engine sees it; place and case are the gateway's to add. */
export interface Finding {
  readonly id: string
  readonly rule: Rule
  readonly severity: Severity
  readonly state: AlarmState
  readonly stale: boolean
  /** Event time, epoch milliseconds. */
  readonly startedAt: number
  readonly clearedAt: number | null
  readonly value: number | null
  readonly peak: number | null
}

export interface Bounds {
  /** How far behind its device's newest a reading may come and still be judged, ms. */
  readonly latenessMs: number
  /** A reading this far behind the gateway's clock on arrival raises stale alarms, ms. */
  readonly staleAfterMs: number
}

/** What the rules of one kind know of one device: base, mark, head and tail, as `engine.ts` explains them. */
export class DeviceState implements Folded {
  readonly plan: Plan
  readonly fold: Fold
  /** The first numbers of a device that are looked at for a reading, and the last: {@link CellMap} says what is where. */
  readonly head: Float64Array
  /** Where its times are. */
  readonly #times: number
  /** Closed panes of the windows of base, mark and head. */
  rings: Float64Array
  readonly tail: Tail
  readonly bounds: Bounds
  readonly local: Local
  readonly numbers: Float64Array
  frozen: Frozen | null = null
  /** Rows behind the mark, or so. */
  markRows = 0
  base: Float64Array
  /** Its room is kept while there is none. */
  mark: Float64Array
  /** So many of the alarms that the head has closed were closed at the mark. */
  markClosed = 0
  /** Alarms that began and ended since the base. */
  closed: ClosedAlarm[] = []
  /** Event time of the newest reading of each of the plan's sources, where there are several; Infinity where it is nobody. */
  readonly heard: Float64Array | null
  /** Readings that came later than the bound. */
  late = 0
  /** What has been said, of alarms that may still change. */
  said = new Map<string, Finding>()
  readonly device: string
  /** The device's, as they are in force. */
  readonly attributes: Attributes
  /** Whether it hears of readings by {@link follow}: nobody goes back to the base. */
  isFollowed = false

  /** `tail`: one of the same columns, to go on with. */
  constructor(device: string, plan: Plan, bounds: Bounds, attributes: Attributes = {}, tail?: Tail) {
    this.device = device
    this.plan = plan
    this.bounds = bounds
    this.attributes = attributes
    this.local = localOf(plan, attributes)
    this.numbers = this.local.numbers
    this.fold = Fold.by(plan)
    this.#times = plan.cells.times
    this.head = plan.blank.slice()
    this.base = plan.blank.slice()
    this.mark = new Float64Array(plan.blank.length)
    this.rings = plan.rings.slice()
    this.tail = tail ?? new Tail(plan.columns)
    this.heard = plan.sources.length > 1 ? nothingHeard(plan, device, attributes) : null
  }

  /** The device's fold up to its present, to go on with. */
  get present(): Fold {
    return this.fold.of(this, this.head, this.closed)
  }

  oldestPane(panes: Panes): number {
    return panes.first(this.isFollowed ? this.head : this.base)
  }

  /** Event time of the newest reading. */
  get newest(): number {
    return this.head[this.#times + TIME.newest]!
  }
  set newest(value: number) {
    this.head[this.#times + TIME.newest] = value
  }

  /** How long the newest reading had been under way, ms: the device's present is the clock's less this. */
  get lag(): number {
    return this.head[this.#times + TIME.lag]!
  }
  set lag(value: number) {
    this.head[this.#times + TIME.lag] = value
  }

  /** Event time up to which timers have run. */
  get clock(): number {
    return this.head[this.#times + TIME.clock]!
  }
  set clock(value: number) {
    this.head[this.#times + TIME.clock] = value
  }

  /** The same of those of `absent`. */
  get absentClock(): number {
    return this.head[this.#times + TIME.absentClock]!
  }
  set absentClock(value: number) {
    this.head[this.#times + TIME.absentClock] = value
  }

  /** Event time of the base: nothing comes before it any more. */
  get settledTs(): number {
    return this.head[this.#times + TIME.settled]!
  }
  set settledTs(value: number) {
    this.head[this.#times + TIME.settled] = value
  }

  /** Where {@link mark} is; Infinity while there is none. */
  get markTs(): number {
    return this.head[this.#times + TIME.mark]!
  }
  set markTs(value: number) {
    this.head[this.#times + TIME.mark] = value
  }

  /** Whether an alarm fired, rose, cleared or became fresh since that was reported. */
  get hasChanged(): boolean {
    return this.head[this.plan.cells.fold + FOLD.changed] === 1
  }

  /** Whether a firing alarm's value or peak has moved since {@link refresh} was asked. */
  get hasMoved(): boolean {
    return this.head[this.plan.cells.fold + FOLD.moved] === 1
  }
}

function nothingHeard(plan: Plan, device: string, attributes: Attributes): Float64Array {
  const behind = devicesBehind(plan, device, attributes)
  return Float64Array.from(behind, (one) => (one === undefined ? Infinity : -Infinity))
}
