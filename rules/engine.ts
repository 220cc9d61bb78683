import { SEVERITIES, type AlarmState, type Severity } from '../gateway/model/alarm.ts'
import type { Reading } from '../gateway/model/reading.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { Fold, PHASE } from './fold.ts'
import { localOf, type Attributes, type Local } from './local.ts'
import { MILLION } from './millionths.ts'
import { CELL, type Plan } from './plan.ts'
import { ROW_HEADER, Tail } from './tail.ts'

/**
 * The rules of one kind at work on one device: `(state, event, now) → (state, changes)`. No clock, no I/O, no
 * randomness: what comes out depends on the calls alone. The state is changed in place.
 *
 *   base   the readings folded up to about `latenessMs` behind the device's newest: nothing moves it any more
 *   tail   the readings since then, which an earlier one may still join
 *   head   base and tail folded, and timers run up to the device's present: what is known now
 *
 * A reading in order is one step on the head. One out of order goes to its place in the tail, the head is
 * folded again from the base, and whatever differs from what was said before is said anew: corrected,
 * or withdrawn. So the alarms depend on the readings, not on the order in which they came nor on when timers
 * were run, as long as none comes later than the bound; those are counted and judge nothing. The base follows
 * the device's newest reading, never the clock, so that a timer that ran out too early can be taken back.
 *
 * The tail holds at most {@link MAX_ROWS} readings; a device faster than that has a shorter bound.
 */
const MAX_ROWS = 1000
/** Rows that the base takes at once when the tail is full. */
const OVERFLOW_ROWS = 250

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
  readonly base: Fold
  readonly head: Fold
  readonly tail: Tail
  /** Event time of the newest reading. */
  newest = -Infinity
  /** How long the newest reading had been under way, ms: the device's present is the clock's less this. */
  lag = 0
  /** Event time up to which timers have run, and those of `absent`. */
  clock = -Infinity
  absentClock = -Infinity
  /** Readings that came later than the bound. */
  late = 0
  /** What has been said, of alarms that may still change. */
  said = new Map<string, Finding>()

  constructor(device: string, plan: Plan, bounds: Bounds, attributes: Attributes = {}) {
    this.device = device
    this.plan = plan
    this.bounds = bounds
    this.attributes = attributes
    this.local = localOf(plan, attributes)
    this.base = new Fold(plan, this.local.numbers)
    this.head = new Fold(plan, this.local.numbers)
    this.tail = new Tail(plan.columns)
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
  let mustRefold = false
  for (const reading of inOrder(readings)) {
    if (isLate(state, reading.ts)) state.late++
    else if (!take(state, reading, receivedAt, source, mustRefold)) mustRefold = true
  }
  if (mustRefold) refold(state)
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
  for (const { rule, startedAt } of head.closed) state.said.delete(idOf(state, rule, startedAt))
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

/** Folds the tail onto the base again, and runs the timers as far as they had run. */
export function refold(state: DeviceState): void {
  const { head, tail } = state
  head.copyFrom(state.base)
  for (let at = tail.first; at < tail.end; at += tail.stride) head.step(tail.data, at)
  if (head.due <= Math.max(state.clock, state.absentClock)) head.runTimers(state.clock, state.absentClock)
  head.changed = true
  head.moved = true
}

function inOrder(readings: readonly Reading[]): readonly Reading[] {
  for (let index = 1; index < readings.length; index++) {
    if (readings[index]!.ts < readings[index - 1]!.ts) return readings.toSorted((a, b) => a.ts - b.ts)
  }
  return readings
}

function isLate(state: DeviceState, ts: number): boolean {
  return ts < state.newest - state.bounds.latenessMs || ts <= state.base.lastTs
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
  const put = tail.put(row)
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
    head.step(row, 0)
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

/**
 * Moves the base up to the bound, in strides of a quarter of it, so that not every reading touches both
 * folds; and further when the tail is full. What it settles has been reported before.
 */
function settle(state: DeviceState): void {
  const { tail, bounds, newest } = state
  if (tail.rows > MAX_ROWS) while (tail.rows > MAX_ROWS - OVERFLOW_ROWS) absorb(state)
  const horizon = newest - bounds.latenessMs
  if (tail.rows === 0 || tail.data[tail.first]! >= horizon - bounds.latenessMs / 4) return
  while (tail.rows > 0 && tail.data[tail.first]! < horizon) absorb(state)
}

/** The oldest row of the tail becomes part of the base; what ended there cannot change any more. */
function absorb(state: DeviceState): void {
  const { base, head, tail } = state
  base.step(tail.data, tail.first)
  tail.shift()
  if (base.closed.length === 0) return
  for (const closed of base.closed) {
    state.said.delete(idOf(state, closed.rule, closed.startedAt))
    const at = head.closed.findIndex((c) => c.rule === closed.rule && c.startedAt === closed.startedAt)
    if (at >= 0) head.closed.splice(at, 1)
  }
  base.closed = []
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
