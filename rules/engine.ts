import { SEVERITIES } from '../gateway/model/alarm.ts'
import type { Reading } from '../gateway/model/reading.ts'
import { CELL, FOLD, PHASE } from './cells.ts'
import { valueIn } from './column.ts'
import type { DeviceState, Finding } from './device-state.ts'
import type { ClosedAlarm } from './course.ts'
import { MILLION } from './millionths.ts'
import { ROW_HEADER } from './tail.ts'

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
 * Of several devices that are looked at together each is late by its own newest reading, and the base waits for the one
 * that is furthest behind: as long as that is not stale, for one that is silent must not hold it up for ever.
 *
 * The tail holds at most {@link MAX_ROWS} readings; a device faster than that has a shorter bound.
 */
const MAX_ROWS = 1000
/** Rows that the base takes at once when the tail is full. */
const OVERFLOW_ROWS = 250
/** Rows between two marks, so that a device that reports seldom does not copy its state at each reading. */
const MARK_ROWS = 20

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
    if (isLate(state, ts, source)) state.late++
    else if (!take(state, reading, receivedAt, source, wrongFrom < Infinity) && ts < wrongFrom) wrongFrom = ts
  }
  if (wrongFrom < Infinity) refold(state, wrongFrom)
  const changes = state.hasChanged ? report(state, false) : nothing
  settle(state)
  return changes
}

/**
 * The device's next reading, where it is known that none will come that is older: what it says is final. Spares
 * what {@link observe} keeps for those that come late; a state hears of its readings by the one or by the other.
 */
export function follow(state: DeviceState, reading: Reading, receivedAt: number): readonly Finding[] {
  const { plan } = state
  layOut(plan.row, state, reading, receivedAt, 0)
  state.isFollowed = true
  state.newest = reading.ts
  state.lag = receivedAt - reading.ts
  state.present.step(plan.row, 0)
  const changes = state.hasChanged ? report(state, false) : nothing
  for (const closed of state.closed) forget(state, closed)
  if (state.closed.length > 0) state.closed = []
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
  const { present } = state
  if (present.due <= Math.max(state.clock, state.absentClock))
    present.runTimers(state.clock, state.absentClock)
  return state.hasChanged ? report(state, false) : nothing
}

/**
 * When a timer runs out next by the gateway's clock, as far as is known now; Infinity for never. Silence does
 * not count before `absentFrom`.
 */
export function nextDue(state: DeviceState, absentFrom: number = -Infinity): number {
  const { plan, head, lag } = state
  const { due: soonest, timersEnd } = state.present
  if (soonest > timersEnd) return Infinity
  if (soonest + lag >= absentFrom) return soonest + lag
  let next = Infinity
  for (const rule of plan.rules) {
    const due = head[rule.due]! + lag
    if (due > timersEnd + lag) continue
    next = Math.min(next, rule.absents.length > 0 ? Math.max(due, absentFrom) : due)
  }
  return next
}

/** What changed of values and peaks alone: they are not worth a change each, but the book follows them. */
export function refresh(state: DeviceState): readonly Finding[] {
  return state.hasMoved || state.hasChanged ? report(state, true) : nothing
}

/** Whether the rule's alarm fires and its condition is over: only `clear.for` runs. */
export function isEnding({ head, plan }: DeviceState, rule: string): boolean {
  const judged = plan.rules.find((one) => one.rule.id === rule)
  return judged !== undefined && head[judged.phase] === PHASE.clearing
}

/** Alarms that are firing, and those that have cleared but may still be corrected. */
export function findings(state: DeviceState): Finding[] {
  const { head, plan } = state
  const all = state.closed.map((closed) =>
    finding(state, closed.rule, closed.startedAt, closed.clearedAt, closed),
  )
  for (const [index, { phase, cell }] of plan.rules.entries()) {
    if (head[phase]! < PHASE.firing) continue
    all.push(
      finding(state, index, head[cell + CELL.startedAt]!, null, {
        severity: head[cell + CELL.severity]!,
        value: head[cell + CELL.value]!,
        peak: head[cell + CELL.peak]!,
        stale: head[cell + CELL.stale] === 1,
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
  const { head, tail, plan } = state
  const wanted = state.markTs
  const isMarked = wanted < from
  plan.cells.copy(isMarked ? state.mark : state.base, head)
  state.closed.length = isMarked ? state.markClosed : 0
  if (!isMarked) state.markTs = Infinity
  const { present } = state
  for (let at = isMarked ? tail.after(wanted) : tail.first; at < tail.end; at += tail.stride) {
    if (!isMarked && state.markTs === Infinity && present.lastTs >= wanted) setMark(state)
    present.step(tail.data, at)
    state.markRows++
  }
  if (present.due <= Math.max(state.clock, state.absentClock))
    present.runTimers(state.clock, state.absentClock)
  present.note(FOLD.changed)
  present.note(FOLD.moved)
}

/** By their time; those of one instant as they were. */
export function inOrder(readings: readonly Reading[]): readonly Reading[] {
  for (let index = 1; index < readings.length; index++) {
    if (readings[index]!.ts < readings[index - 1]!.ts) return readings.toSorted((a, b) => a.ts - b.ts)
  }
  return readings
}

function isLate(state: DeviceState, ts: number, source: number): boolean {
  const { heard, bounds } = state
  if (ts <= state.settledTs) return true
  if (heard === null) return ts < state.newest - bounds.latenessMs
  return ts < heard[source]! - bounds.latenessMs || ts < earliestAwaited(state)
}

/** Event time before which nobody is waited for, of those that are looked at together. */
function earliestAwaited({ newest, bounds }: DeviceState): number {
  return newest - bounds.latenessMs - bounds.staleAfterMs
}

/** Event time before which everything is late. */
function horizonOf(state: DeviceState): number {
  const { heard, bounds } = state
  if (heard === null) return state.newest - bounds.latenessMs
  return Math.max(Math.min(...heard) - bounds.latenessMs, earliestAwaited(state))
}

/** Puts the reading in its place; false when the head has to be folded again because of it. */
function take(
  state: DeviceState,
  reading: Reading,
  receivedAt: number,
  source: number,
  mustRefold: boolean,
): boolean {
  const { tail } = state
  const { row } = state.plan
  layOut(row, state, reading, receivedAt, source)
  const { ts } = reading
  const put = ts > state.newest ? tail.append(row) : tail.put(row)
  if (state.heard !== null && ts > state.heard[source]!) state.heard[source] = ts
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
  const { present } = state
  if (put === 'appended' && ts >= present.time) {
    if (state.markTs === Infinity) setMark(state)
    present.step(row, 0)
    state.markRows++
    return true
  }
  // A further part of the newest instant: the first part was judged on its own, which is the same as judging
  // both at once as long as it did not move any rule.
  if (put === 'extended' && ts === present.lastTs && ts === present.time && !present.isStirred) {
    present.complete(row, 0)
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
  row[1] = receivedAt - reading.ts - (reading.span ?? 0) > bounds.staleAfterMs ? 1 : 0
  for (let index = 0; index < columns.length; index++) {
    const column = columns[index]!
    const { metric } = column
    if (column.source !== source) row[ROW_HEADER + index] = NaN
    else if (metric === null) row[ROW_HEADER + index] = column.read(reading, receivedAt, local)
    else row[ROW_HEADER + index] = valueIn(reading, metric)
  }
}

/** Marks the head, unless timers have run since its last reading: an earlier one may come between. */
function setMark(state: DeviceState): void {
  const { present } = state
  if (present.time !== present.lastTs || present.lastTs <= state.settledTs) return
  state.plan.cells.copy(state.head, state.mark)
  state.markTs = present.lastTs
  state.markClosed = state.closed.length
  state.markRows = 0
}

/**
 * Where the mark is behind the bound it is the base from now on. A device that sends so fast that its tail is full
 * before has its base moved row by row: up to the bound, and further when that is not enough. What the base settles
 * has been reported before.
 */
function settle(state: DeviceState): void {
  const { tail } = state
  const horizon = horizonOf(state)
  if (state.markTs < horizon && state.markRows >= MARK_ROWS) promote(state)
  if (tail.rows <= MAX_ROWS) return
  while (tail.rows > 0 && tail.data[tail.first]! < horizon) absorb(state)
  if (tail.rows > MAX_ROWS) while (tail.rows > MAX_ROWS - OVERFLOW_ROWS) absorb(state)
}

function promote(state: DeviceState): void {
  const { base, mark, closed, tail } = state
  for (let index = 0; index < state.markClosed; index++) forget(state, closed[index]!)
  if (state.markClosed > 0) closed.splice(0, state.markClosed)
  state.base = mark
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
  const { tail, closed } = state
  const ended: ClosedAlarm[] = []
  const base = state.fold.of(state, state.base, ended)
  base.step(tail.data, tail.first)
  settleUpTo(state, base.lastTs)
  tail.shift()
  // The base has caught up with the mark.
  if (base.lastTs >= state.markTs) state.markTs = Infinity
  for (const alarm of ended) {
    forget(state, alarm)
    const at = closed.findIndex((c) => c.rule === alarm.rule && c.startedAt === alarm.startedAt)
    if (at < 0) continue
    closed.splice(at, 1)
    if (at < state.markClosed) state.markClosed--
  }
}

function forget(state: DeviceState, { rule, startedAt }: ClosedAlarm): void {
  state.said.delete(idOf(state, rule, startedAt))
}

/** The difference between what is known now and what was said; then it counts as said. */
function report(state: DeviceState, withValues: boolean): readonly Finding[] {
  const { fold } = state.plan.cells
  state.head[fold + FOLD.changed] = 0
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
  if (withValues) state.head[fold + FOLD.moved] = 0
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
