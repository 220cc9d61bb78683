import { SEVERITIES, type AlarmState, type Severity } from '../gateway/model/alarm.ts'
import type { Reading } from '../gateway/model/reading.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { Fold, PHASE, type ClosedAlarm, type Frozen } from './fold.ts'
import { localOf, type Attributes, type Local } from './local.ts'
import { MILLION } from './millionths.ts'
import { CELL, type Plan } from './plan.ts'
import { ROW_HEADER, Tail } from './tail.ts'

/**
 * The rules of one kind at work on one device: `(state, event, now) → (state, changes)`. No clock, no I/O, no
 * randomness: what comes out depends on the calls alone. The state is changed in place.
 *
 *   base   the readings folded up to at least `latenessMs` behind the device's newest: nothing moves it any more
 *   tail   the readings since then, which an earlier one may still join
 *   mark   a copy of the head as it was at some reading of the tail, with no timer run beyond that
 *   head   base and tail folded, and timers run up to the device's present: what is known now
 *
 * A reading in order is one step on the head and a row of the tail, no more: once the mark is further behind than the
 * bound it becomes the base, and the head is copied again. One out of order goes to its place in the tail, the head is
 * folded again from the mark or, when that is later, from the base, and whatever differs from what was said before is
 * said anew: corrected, or withdrawn. So the alarms depend on the readings, not on the order in which they came nor on when timers
 * were run, as long as none comes later than the bound; those are counted and judge nothing. The base follows
 * the device's newest reading, never the clock, so that a timer that ran out too early can be taken back.
 *
 * The tail holds at most {@link MAX_ROWS} readings; a device faster than that has a shorter bound.
 */
const MAX_ROWS = 1000
/** Rows that the base takes at once when the tail is full. */
const OVERFLOW_ROWS = 250
/** Rows between two marks, so that a device that reports seldom does not copy its state at each reading. */
const MARK_ROWS = 20

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

export class DeviceState {
  readonly device: string
  readonly plan: Plan
  readonly bounds: Bounds
  /** The device's, as they are in force. */
  readonly attributes: Attributes
  readonly local: Local
  base: Fold
  readonly head: Fold
  readonly tail: Tail
  mark: Fold | null = null
  /** So many of the alarms that the head has closed were closed at the mark. */
  markClosed = 0
  /** Rows behind the mark, or so. */
  markRows = 0
  /** In one place, as the fold's: newest, lag, clock, absentClock, settledTs, markTs. */
  readonly #times = Float64Array.of(-Infinity, 0, -Infinity, -Infinity, -Infinity, Infinity)
  /** Readings that came later than the bound. */
  late = 0
  /** What has been said, of alarms that may still change. */
  said = new Map<string, Finding>()

  /** `tail`: one of the same columns, to go on with. */
  constructor(device: string, plan: Plan, bounds: Bounds, attributes: Attributes = {}, tail?: Tail) {
    this.device = device
    this.plan = plan
    this.bounds = bounds
    this.attributes = attributes
    this.local = localOf(plan, attributes)
    this.base = new Fold(plan, this.local.numbers)
    this.head = new Fold(plan, this.local.numbers)
    this.tail = tail ?? new Tail(plan.columns)
  }

  /** What no reading of the tail concerns; null once the base has left all of that behind. */
  get frozen(): Frozen | null {
    return this.head.frozen
  }
  set frozen(frozen: Frozen | null) {
    this.base.frozen = frozen
    this.head.frozen = frozen
    if (this.mark !== null) this.mark.frozen = frozen
  }

  /** Event time of the newest reading. */
  get newest(): number {
    return this.#times[0]!
  }
  set newest(ts: number) {
    this.#times[0] = ts
  }

  /** How long the newest reading had been under way, ms: the device's present is the clock's less this. */
  get lag(): number {
    return this.#times[1]!
  }
  set lag(ms: number) {
    this.#times[1] = ms
  }

  /** Event time up to which timers have run. */
  get clock(): number {
    return this.#times[2]!
  }
  set clock(ts: number) {
    this.#times[2] = ts
  }

  /** The same of those of `absent`. */
  get absentClock(): number {
    return this.#times[3]!
  }
  set absentClock(ts: number) {
    this.#times[3] = ts
  }

  /** Event time of the base: nothing comes before it any more. */
  get settledTs(): number {
    return this.#times[4]!
  }
  set settledTs(ts: number) {
    this.#times[4] = ts
  }

  /** Where {@link mark} is; Infinity while there is none. Its room is kept. */
  get markTs(): number {
    return this.#times[5]!
  }
  set markTs(ts: number) {
    this.#times[5] = ts
  }
}

const nothing: readonly Finding[] = []

/**
 * Readings of one message, in any order, that came in at `receivedAt` (epoch milliseconds). `source`: whose they
 * are, as an index into the plan's sources; the device's own by default.
 */
export function observe(
  state: DeviceState,
  readings: readonly Reading[],
  receivedAt: number,
  source = 0,
): readonly Finding[] {
  // The head is not what it should be from here on.
  let wrongFrom = Infinity
  for (const reading of inOrder(readings)) {
    const { ts } = reading
    if (isLate(state, ts)) state.late++
    else if (!take(state, reading, receivedAt, source, wrongFrom < Infinity) && ts < wrongFrom) wrongFrom = ts
  }
  if (wrongFrom < Infinity) refold(state, wrongFrom)
  const changes = state.head.changed ? report(state, false) : nothing
  settle(state)
  return changes
}

/**
 * The device's next reading, where it is known that none will come that is older: what it says is final. Spares
 * what {@link observe} keeps for those that come late; a state hears of its readings by the one or by the other.
 */
export function follow(state: DeviceState, reading: Reading, receivedAt: number): readonly Finding[] {
  const { head, plan } = state
  layOut(plan.row, state, reading, receivedAt, 0)
  state.newest = reading.ts
  state.lag = receivedAt - reading.ts
  head.step(plan.row, 0)
  const changes = head.changed ? report(state, false) : nothing
  for (const closed of head.closed) forget(state, closed)
  if (head.closed.length > 0) head.closed = []
  return changes
}

/**
 * Time passes: runs the timers that are due by the gateway's clock, measured from when the newest reading
 * came in. Those of rules with `absent` run up to `absentNow`, which is earlier while devices are given time
 * to reconnect.
 */
export function advance(state: DeviceState, now: number, absentNow: number = now): readonly Finding[] {
  return runClocks(state, now - state.lag, absentNow - state.lag)
}

/** Runs the timers up to an event time that is known to have been reached. */
export function runClocks(state: DeviceState, clock: number, absentClock: number): readonly Finding[] {
  if (clock > state.clock) state.clock = clock
  if (absentClock > state.absentClock) state.absentClock = absentClock
  const { head } = state
  if (head.due <= Math.max(state.clock, state.absentClock)) head.runTimers(state.clock, state.absentClock)
  return head.changed ? report(state, false) : nothing
}

/**
 * When a timer runs out next by the gateway's clock, as far as is known now; Infinity for never. Silence does
 * not count before `absentFrom`.
 */
export function nextDue({ head, plan, lag }: DeviceState, absentFrom: number = -Infinity): number {
  if (head.due > head.timersEnd) return Infinity
  if (head.due + lag >= absentFrom) return head.due + lag
  let next = Infinity
  for (const { cell, absents } of plan.rules) {
    const due = head.cells[cell + CELL.due]! + lag
    if (due > head.timersEnd + lag) continue
    next = Math.min(next, absents.length > 0 ? Math.max(due, absentFrom) : due)
  }
  return next
}

/** What changed of values and peaks alone: they are not worth a change each, but the book follows them. */
export function refresh(state: DeviceState): readonly Finding[] {
  return state.head.moved || state.head.changed ? report(state, true) : nothing
}

/** Whether the rule's alarm fires and its condition is over: only `clear.for` runs. */
export function isEnding({ head, plan }: DeviceState, rule: string): boolean {
  const judged = plan.rules.find((one) => one.rule.id === rule)
  return judged !== undefined && head.cells[judged.cell + CELL.phase] === PHASE.clearing
}

/** Alarms that are firing, and those that have cleared but may still be corrected. */
export function findings(state: DeviceState): Finding[] {
  const { head, plan } = state
  const all = head.closed.map((closed) =>
    finding(state, closed.rule, closed.startedAt, closed.clearedAt, closed),
  )
  for (const [index, { cell }] of plan.rules.entries()) {
    if (head.cells[cell + CELL.phase]! < PHASE.firing) continue
    all.push(
      finding(state, index, head.cells[cell + CELL.startedAt]!, null, {
        severity: head.cells[cell + CELL.severity]!,
        value: head.cells[cell + CELL.value]!,
        peak: head.cells[cell + CELL.peak]!,
        stale: head.cells[cell + CELL.stale] === 1,
      }),
    )
  }
  return all
}

/**
 * Folds the rows since `from` and before again, from wherever nothing has changed, and runs the timers as far as they
 * had run.
 */
export function refold(state: DeviceState, from: number = -Infinity): void {
  const { head, tail } = state
  const wanted = state.markTs
  const isMarked = wanted < from
  if (isMarked) {
    const { closed } = head
    head.copyFrom(state.mark!)
    closed.length = state.markClosed
    head.closed = closed
  } else {
    head.copyFrom(state.base)
    state.markTs = Infinity
  }
  for (let at = isMarked ? tail.after(wanted) : tail.first; at < tail.end; at += tail.stride) {
    if (!isMarked && state.markTs === Infinity && head.lastTs >= wanted) setMark(state)
    head.step(tail.data, at)
    state.markRows++
  }
  if (head.due <= Math.max(state.clock, state.absentClock)) head.runTimers(state.clock, state.absentClock)
  head.changed = true
  head.moved = true
}

/** By their time; those of one instant as they were. */
export function inOrder(readings: readonly Reading[]): readonly Reading[] {
  for (let index = 1; index < readings.length; index++) {
    if (readings[index]!.ts < readings[index - 1]!.ts) return readings.toSorted((a, b) => a.ts - b.ts)
  }
  return readings
}

function isLate(state: DeviceState, ts: number): boolean {
  return ts < state.newest - state.bounds.latenessMs || ts <= state.settledTs
}

/** Puts the reading in its place; false when the head has to be folded again because of it. */
function take(
  state: DeviceState,
  reading: Reading,
  receivedAt: number,
  source: number,
  mustRefold: boolean,
): boolean {
  const { head, tail } = state
  const { row } = state.plan
  layOut(row, state, reading, receivedAt, source)
  const { ts } = reading
  const put = ts > state.newest ? tail.append(row) : tail.put(row)
  if (ts > state.newest) {
    state.newest = ts
    state.lag = receivedAt - ts
    // From a device that sends what it had buffered nothing is known of the time since this reading.
    if (state.lag > state.bounds.latenessMs) {
      state.clock = Math.min(state.clock, ts)
      state.absentClock = Math.min(state.absentClock, ts)
    }
  }
  if (mustRefold || put === 'known') return true
  if (put === 'appended' && ts >= head.time) {
    if (state.markTs === Infinity) setMark(state)
    head.step(row, 0)
    state.markRows++
    return true
  }
  // A further part of the newest instant: the first part was judged on its own, which is the same as judging
  // both at once as long as it did not move any rule.
  if (put === 'extended' && ts === head.lastTs && ts === head.time && !head.stirred) {
    head.complete(row, 0)
    return true
  }
  return false
}

/** `[ts, stale, column…]`; NaN where the reading says nothing of a column, or is not of its source. */
function layOut(
  row: Float64Array,
  { plan, bounds, local }: DeviceState,
  reading: Reading,
  receivedAt: number,
  source: number,
): void {
  const { columns } = plan
  row[0] = reading.ts
  row[1] = receivedAt - reading.ts > bounds.staleAfterMs ? 1 : 0
  for (let index = 0; index < columns.length; index++) {
    const column = columns[index]!
    row[ROW_HEADER + index] = column.source === source ? column.read(reading, receivedAt, local) : NaN
  }
}

/** Marks the head, unless timers have run since its last reading: an earlier one may come between. */
function setMark(state: DeviceState): void {
  const { head } = state
  if (head.time !== head.lastTs || head.lastTs <= state.settledTs) return
  state.mark ??= new Fold(state.plan, state.local.numbers)
  state.mark.frozen = head.frozen
  state.mark.copyFrom(head)
  state.markTs = head.lastTs
  state.markClosed = head.closed.length
  state.markRows = 0
}

/**
 * Where the mark is behind the bound it is the base from now on. A device that sends so fast that its tail is full
 * before has its base moved row by row: up to the bound, and further when that is not enough. What the base settles
 * has been reported before.
 */
function settle(state: DeviceState): void {
  const { tail } = state
  const horizon = state.newest - state.bounds.latenessMs
  if (state.markTs < horizon && state.markRows >= MARK_ROWS) promote(state)
  if (tail.rows <= MAX_ROWS) return
  while (tail.rows > 0 && tail.data[tail.first]! < horizon) absorb(state)
  if (tail.rows > MAX_ROWS) while (tail.rows > MAX_ROWS - OVERFLOW_ROWS) absorb(state)
}

function promote(state: DeviceState): void {
  const { base, mark, head, tail } = state
  for (let index = 0; index < state.markClosed; index++) forget(state, head.closed[index]!)
  if (state.markClosed > 0) head.closed.splice(0, state.markClosed)
  state.base = mark!
  state.mark = base
  settleUpTo(state, state.markTs)
  tail.dropUntil(state.markTs)
  state.markTs = Infinity
}

function settleUpTo(state: DeviceState, ts: number): void {
  state.settledTs = ts
  if (state.frozen !== null && state.frozen.last <= ts) state.frozen = null
}

/** The oldest row of the tail becomes part of the base; what ended there cannot change any more. */
function absorb(state: DeviceState): void {
  const { base, head, tail } = state
  base.step(tail.data, tail.first)
  settleUpTo(state, base.lastTs)
  tail.shift()
  // The base has caught up with the mark.
  if (base.lastTs >= state.markTs) state.markTs = Infinity
  if (base.closed.length === 0) return
  for (const closed of base.closed) {
    forget(state, closed)
    const at = head.closed.findIndex((c) => c.rule === closed.rule && c.startedAt === closed.startedAt)
    if (at < 0) continue
    head.closed.splice(at, 1)
    if (at < state.markClosed) state.markClosed--
  }
  base.closed = []
}

function forget(state: DeviceState, { rule, startedAt }: ClosedAlarm): void {
  state.said.delete(idOf(state, rule, startedAt))
}

/** The difference between what is known now and what was said; then it counts as said. */
function report(state: DeviceState, withValues: boolean): readonly Finding[] {
  state.head.changed = false
  const before = state.said
  const after = new Map(findings(state).map((found) => [found.id, found]))
  const changes: Finding[] = []
  for (const [id, said] of before) if (!after.has(id)) changes.push({ ...said, state: 'withdrawn' })
  for (const [id, found] of after) {
    const said = before.get(id)
    if (said === undefined) {
      // Over before it was seen: it fired all the same, and what follows from that must follow.
      if (found.state === 'cleared') changes.push({ ...found, state: 'firing', clearedAt: null })
      changes.push(found)
    } else if (isOther(said, found) || (withValues && movedOn(said, found))) {
      changes.push(found)
    } else {
      after.set(id, said)
    }
  }
  if (withValues) state.head.moved = false
  state.said = after
  return changes
}

/** While an alarm fires its numbers move with every reading; once it has cleared they are part of what is said. */
function isOther(a: Finding, b: Finding): boolean {
  if (a.state !== b.state || a.severity !== b.severity || a.stale !== b.stale) return true
  return a.clearedAt !== b.clearedAt || (a.state === 'cleared' && movedOn(a, b))
}

function movedOn(a: Finding, b: Finding): boolean {
  return a.value !== b.value || a.peak !== b.peak
}

function idOf(state: DeviceState, rule: number, startedAt: number): string {
  return `${state.device}~${state.plan.rules[rule]!.rule.id}~${startedAt}`
}

function finding(
  state: DeviceState,
  rule: number,
  startedAt: number,
  clearedAt: number | null,
  from: { severity: number; value: number; peak: number; stale: boolean },
): Finding {
  return {
    id: idOf(state, rule, startedAt),
    rule: state.plan.rules[rule]!.rule,
    severity: SEVERITIES[from.severity]!,
    state: clearedAt === null ? 'firing' : 'cleared',
    stale: from.stale,
    startedAt,
    clearedAt,
    value: numberOf(from.value),
    peak: numberOf(from.peak),
  }
}

/** Back from millionths, without the dust of a mean. */
function numberOf(value: number): number | null {
  return Number.isNaN(value) ? null : Math.round(value) / MILLION
}
