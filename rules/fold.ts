import type { Facts } from './facts.ts'
import { MILLION } from './millionths.ts'
import { CELL, CELLS_PER_RULE, type JudgedRule, type Plan, type PlanColumn } from './plan.ts'
import { classOfMillionths } from './surface-water.ts'
import { ROW_HEADER } from './tail.ts'
import { newWindow, type Window } from './window.ts'

/**
 * The readings of one device folded up to some event time, one by one in order. A fold depends on the rows
 * that it was given and on how far its timers were run, and on nothing else.
 *
 * Per rule: idle → (condition holds) pending → (held for `for`) firing ⇄ clearing → (clear condition held for
 * `clear.for`, and no severity holds) idle. A severity above the alarm's raises it at once, `for` or not; it
 * never sinks while the alarm fires. Conditions are judged when a reading with one of their columns comes,
 * and when a timer runs out. Timers run out at exact event times, and those due at or before a reading run
 * before it is judged: the result does not depend on when anybody looked.
 */
export const PHASE = { idle: 0, pending: 1, firing: 2, clearing: 3 } as const

/**
 * Timers run on through silence for so long after the newest reading: a month of days on which a device was offline
 * is told, and fifty years are not, when its clock was at 1970 once. Those that are due later wait for its next reading.
 */
const LONGEST_SILENCE_MS = 31 * 86_400_000

/** Numbers behind the cells of a plan. */
const TIMES = 4

/** An alarm that began and ended within what was folded. */
export interface ClosedAlarm {
  /** Index into the plan's rules. */
  readonly rule: number
  readonly severity: number
  readonly startedAt: number
  readonly clearedAt: number
  readonly value: number
  readonly peak: number
  readonly stale: boolean
}

/**
 * Rules that a change made to others than they were, by index into the plan's rules: what their former selves have
 * judged stays judged, so up to this event time no reading concerns them. -Infinity for all others.
 */
export interface Frozen {
  readonly until: Float64Array
  /** The latest of them. */
  readonly last: number
}

export class Fold implements Facts {
  readonly cells: Float64Array
  readonly numbers: Float64Array
  readonly windows: readonly Window[]
  /** Whether the newest reading was stale on arrival. */
  stale = false
  closed: ClosedAlarm[] = []
  /** Set when an alarm fired, rose, cleared or became fresh; whoever looks resets it. */
  changed = false
  /** Set when only a firing alarm's value or peak moved; whoever looks resets it. */
  moved = false
  /** Whether judging the newest reading did more to any rule than move its value by one column. */
  stirred = false
  frozen: Frozen | null = null
  readonly #plan: Plan
  /**
   * 1 for a rule that was found idle, in force, and has nothing to say as long as the numbers that it looks at stay the
   * same: most readings repeat most of what the last one said. Calendars and silence wake it by its timer.
   */
  readonly #asleep: Uint8Array
  /** How many are not. */
  #awake: number
  /** Where the times begin. */
  readonly #times: number

  /** `numbers`: what the device's attributes come to. */
  constructor(plan: Plan, numbers: Float64Array) {
    this.#plan = plan
    this.numbers = numbers
    this.#times = plan.cells
    this.cells = new Float64Array(plan.cells + TIMES).fill(NaN, 0, plan.signals.length)
    this.now = -Infinity
    this.lastTs = -Infinity
    this.time = -Infinity
    this.due = Infinity
    for (const { cell } of plan.rules) this.cells[cell + CELL.due] = Infinity
    this.windows = plan.windows.map(({ window }) => newWindow(window.aggregate, window.width))
    this.#asleep = new Uint8Array(plan.rules.length)
    this.#awake = plan.rules.length
  }

  // Behind the rules' cells: as properties each would be a number in a place of its own, which with thousands of devices
  // is in no cache when it is looked for.
  get now(): number {
    return this.cells[this.#times]!
  }
  set now(ts: number) {
    this.cells[this.#times] = ts
  }

  get lastTs(): number {
    return this.cells[this.#times + 1]!
  }
  set lastTs(ts: number) {
    this.cells[this.#times + 1] = ts
  }

  /** Event time that was reached: by a reading or by a timer. */
  get time(): number {
    return this.cells[this.#times + 2]!
  }
  set time(ts: number) {
    this.cells[this.#times + 2] = ts
  }

  /** When the next timer runs out, or earlier: a timer that was set anew is noticed once it is reached. */
  get due(): number {
    return this.cells[this.#times + 3]!
  }
  set due(ts: number) {
    this.cells[this.#times + 3] = ts
  }

  /** Becomes what `other`, a fold of the same plan, is, but without what that has closed. */
  copyFrom(other: Fold): void {
    this.cells.set(other.cells)
    const { windows } = this
    for (let index = 0; index < windows.length; index++) windows[index]!.copyFrom(other.windows[index]!)
    this.#asleep.set(other.#asleep)
    this.#awake = other.#awake
    this.stale = other.stale
    this.stirred = false
    this.closed = []
  }

  /** Takes the next row: not earlier than any before it, nor than the timers that have run. */
  step(data: Float64Array, at: number): void {
    const ts = data[at]!
    if (this.due <= ts) this.#runTimers(ts, ts, ts)
    const isBack = ts > this.timersEnd
    this.now = ts
    this.time = ts
    this.lastTs = ts
    this.stale = data[at + 1] === 1
    this.stirred = false
    this.#judge(data, at)
    if (isBack) this.#judgeOverdue()
  }

  /** Event time beyond which no timer runs until the next reading comes. */
  get timersEnd(): number {
    return this.lastTs + LONGEST_SILENCE_MS
  }

  /** Takes a further part of the newest row: a row with nothing but columns that it did not have before. */
  complete(data: Float64Array, at: number): void {
    this.#judge(data, at)
  }

  /** Runs the timers due up to `until`, those of rules with `absent` up to `absentUntil`. */
  runTimers(until: number, absentUntil: number): void {
    this.#runTimers(until, absentUntil, null)
  }

  /** `row`: the time of the row that comes next, if one does. */
  #runTimers(until: number, absentUntil: number, row: number | null): void {
    const { frozen } = this
    const { rules } = this.#plan
    const end = Math.min(until, this.timersEnd)
    const absentEnd = Math.min(absentUntil, this.timersEnd)
    for (;;) {
      let due = Infinity
      let next = -1
      for (let index = 0; index < rules.length; index++) {
        const rule = rules[index]!
        const time = this.cells[rule.cell + CELL.due]!
        const limit = rule.absents.length > 0 ? absentEnd : end
        if (time < due && time <= limit) {
          const frozenUntil = frozen === null ? -Infinity : frozen.until[index]!
          if (row === null ? frozenUntil > limit : frozenUntil >= row) continue
          due = time
          next = index
        }
      }
      if (next < 0) break
      this.now = due
      if (due > this.time) this.time = due
      this.#advance(rules[next]!, next, false)
    }
    this.findDue()
  }

  /** Rules whose timers have been due since the silence grew too long for them, and which this reading did not concern. */
  #judgeOverdue(): void {
    for (const [index, rule] of this.#plan.rules.entries()) {
      if (this.cells[rule.cell + CELL.due]! <= this.now && !this.#isFrozen(index))
        this.#advance(rule, index, false)
    }
    this.findDue()
  }

  /** Feeds the row's numbers to the cells, then judges the rules to which any of them is news. */
  #judge(data: Float64Array, at: number): void {
    const { columns, calls, rules } = this.#plan
    let isRated = false
    calls.begin()
    for (let index = 0; index < columns.length; index++) {
      const value = data[at + ROW_HEADER + index]!
      if (Number.isNaN(value)) continue
      const column = columns[index]!
      if (column.credibility !== null) {
        const { reported } = column
        const doubted = reported >= 0 ? this.cells[reported + 1] : NaN
        const isBelieved = this.#believes(column, value)
        if (reported >= 0) {
          const isNews = doubted !== this.cells[reported + 1]
          if (isNews || this.#awake > 0) this.#call(column.doubters, isNews)
          this.#witness(column.hourlyDoubters)
        }
        if (!isBelieved) continue
      }
      const isNews = this.#feed(column, value)
      isRated ||= column.isRated && isNews
      if (isNews || this.#awake > 0) this.#call(column.rules, isNews)
      this.#witness(column.hourly)
    }
    if (isRated) this.rate()
    for (let index = 0; index < calls.size; index++) {
      const rule = calls.queue[index]!
      const judged = rules[rule]!
      if (this.frozen !== null && this.#isFrozen(rule)) continue
      // It was idle and stays so, with no clock to set: nothing of it is touched.
      if (this.#asleep[rule] === 1 && judged.isTimeless && this.#level(judged) < 0) continue
      this.#advance(judged, rule, true)
    }
  }

  #isFrozen(rule: number): boolean {
    return this.frozen !== null && this.now <= this.frozen.until[rule]!
  }

  /** Rules look at a number that came: to those asleep it matters only when it is another than before. */
  #call(indices: Int32Array, isNews: boolean): void {
    const { calls } = this.#plan
    for (let at = 0; at < indices.length; at++) {
      const index = indices[at]!
      if (isNews || this.#asleep[index] === 0) calls.add(index)
    }
  }

  /** What an hour may wake needs to know when it last looked at anything; all others are woken by a reading. */
  #witness(hourly: Int32Array): void {
    for (let at = 0; at < hourly.length; at++) {
      this.cells[hourly[at]! + CELL.evidence] = this.now
    }
  }

  #believes({ credibility, memory, reported }: PlanColumn, value: number): boolean {
    const { cells } = this
    const isBelieved = credibility!.believes(cells, memory, this.now, value)
    if (reported >= 0) {
      cells[reported] = value
      cells[reported + 1] = isBelieved ? 0 : 1
    }
    return isBelieved
  }

  /** Whether any number that conditions read is another than before. */
  #feed({ plain, heard, patience, run, windows }: PlanColumn, value: number): boolean {
    const { cells, now } = this
    let isNews = run >= 0
    if (plain >= 0) {
      isNews ||= cells[plain] !== value
      cells[plain] = value
    }
    if (heard >= 0) {
      // As long as nobody's silence has passed, nobody has noticed any.
      isNews ||= !(now - cells[heard]! < patience)
      cells[heard] = now
    }
    if (run >= 0) {
      if (cells[run + 1] !== value) {
        cells[run + 1] = value
        cells[run + 2] = now
      }
      cells[run] = now - cells[run + 2]!
    }
    for (let index = 0; index < windows.length; index++) {
      const { window, signal } = windows[index]!
      const over = this.windows[window]!
      over.push(now, value)
      const { value: made } = over
      isNews ||= cells[signal] !== made
      cells[signal] = made
    }
    return isNews
  }

  /** GB 3838-2002, single factor: the worst of the factors that are known. */
  rate(): void {
    const { ratings } = this.#plan
    for (let index = 0; index < ratings.length; index++) {
      const { signal, factors } = ratings[index]!
      let worst = 0
      for (let at = 0; at < factors.length; at++) {
        const { factor, signal } = factors[at]!
        const its = classOfMillionths(factor, this.cells[signal]!)
        if (its > worst) worst = its
      }
      if (worst > 0) this.cells[signal] = worst * MILLION
    }
  }

  /** Sets the timers of rules that are not those which had set them. Silence counts from where it began. */
  resetTimers(changed: readonly JudgedRule[]): void {
    for (const rule of changed) {
      this.#setDue(rule)
      if (this.cells[rule.cell + CELL.phase] !== PHASE.idle) continue
      for (const { signal, silence } of rule.absents) {
        const end = this.cells[signal]! + silence
        if (end < this.cells[rule.cell + CELL.due]!) this.cells[rule.cell + CELL.due] = end
      }
    }
    this.findDue()
  }

  /** Of these rules, what `other` knows; the rest stays. */
  adopt(other: Fold, rules: readonly JudgedRule[]): void {
    for (const { cell } of rules) {
      this.cells.set(other.cells.subarray(cell, cell + CELLS_PER_RULE), cell)
    }
    this.findDue()
  }

  /** Finds out anew when the next timer runs out. */
  findDue(): void {
    let due = Infinity
    const { rules } = this.#plan
    for (let index = 0; index < rules.length; index++) {
      const time = this.cells[rules[index]!.cell + CELL.due]!
      if (time < due) due = time
    }
    this.due = due
  }

  /** Judges one rule at `now`: because of a reading, or because its timer ran out. */
  #advance(rule: JudgedRule, index: number, byReading: boolean): void {
    const { cells } = this
    const at = rule.cell
    if (byReading) cells[at + CELL.evidence] = this.now
    const level = this.#level(rule)
    if (cells[at + CELL.phase]! < PHASE.firing) {
      if (level >= 0) this.#approach(rule, level, byReading)
      else if (cells[at + CELL.phase] === PHASE.pending) this.#enter(rule, PHASE.idle)
    } else {
      this.#sustain(rule, level, byReading)
      this.#retreat(rule, index, level, byReading)
    }
    this.#setDue(rule)
    const isAsleep = cells[at + CELL.phase] === PHASE.idle && this.now >= rule.from ? 1 : 0
    if (this.#asleep[index] === isAsleep) return
    this.#asleep[index] = isAsleep
    this.#awake += isAsleep === 1 ? -1 : 1
  }

  /** The highest severity that holds, or -1. */
  #level(rule: JudgedRule): number {
    if (this.now < rule.from || this.now >= rule.until) return -1
    for (let level = rule.levels.length - 1; level >= 0; level--) {
      const test = rule.levels[level]!
      if (test !== null && test(this)) return level
    }
    return -1
  }

  /** Idle or pending, and a severity holds. */
  #approach(rule: JudgedRule, level: number, byReading: boolean): void {
    const at = rule.cell
    if (this.cells[at + CELL.phase] === PHASE.idle) {
      this.#enter(rule, PHASE.pending)
      this.cells[at + CELL.since] = this.now
    }
    if (this.#hasLasted(rule, rule.forMs, byReading)) this.#fire(rule, level)
  }

  #fire(rule: JudgedRule, level: number): void {
    const { cells } = this
    const at = rule.cell
    this.#enter(rule, PHASE.firing)
    this.changed = true
    cells[at + CELL.severity] = level
    cells[at + CELL.startedAt] = this.now
    cells[at + CELL.stale] = this.stale ? 1 : 0
    const holding = rule.subjects.findIndex((subject) => subject.test(this))
    const subject = holding >= 0 || rule.subjects.length === 0 ? holding : 0
    cells[at + CELL.subject] = subject
    const value = subject < 0 ? NaN : cells[rule.subjects[subject]!.signal]!
    cells[at + CELL.value] = value
    cells[at + CELL.peak] = value
  }

  /** Firing: severity, value, peak and freshness follow the reading. */
  #sustain(rule: JudgedRule, level: number, byReading: boolean): void {
    const { cells } = this
    const at = rule.cell
    if (level > cells[at + CELL.severity]!) {
      cells[at + CELL.severity] = level
      this.changed = true
      this.stirred = true
    }
    if (!byReading) return
    if (level >= 0 && cells[at + CELL.stale] === 1 && !this.stale) {
      cells[at + CELL.stale] = 0
      this.changed = true
      this.stirred = true
    }
    const subject = rule.subjects[cells[at + CELL.subject]!]
    if (subject === undefined) return
    const value = cells[subject.signal]!
    if (Number.isNaN(value) || value === cells[at + CELL.value]) return
    cells[at + CELL.value] = value
    const peak = cells[at + CELL.peak]!
    if (Number.isNaN(peak) || subject.badness(value, this) > subject.badness(peak, this)) {
      cells[at + CELL.peak] = value
    }
    this.moved = true
    // A further part of this instant may move it again, and what it was in between must not be its peak.
    if (rule.isRated) this.stirred = true
  }

  /** Firing: towards the end, or back from there. */
  #retreat(rule: JudgedRule, index: number, level: number, byReading: boolean): void {
    const { cells } = this
    const at = rule.cell
    const inForce = this.now < rule.until
    const clear = !inForce || (rule.clear === null ? level < 0 : rule.clear(this))
    if (!clear) {
      if (cells[at + CELL.phase] === PHASE.clearing) this.#enter(rule, PHASE.firing)
      return
    }
    if (cells[at + CELL.phase] === PHASE.firing) {
      this.#enter(rule, PHASE.clearing)
      cells[at + CELL.since] = this.now
    }
    if (level >= 0 || !this.#hasLasted(rule, rule.clearForMs, byReading)) return
    this.#enter(rule, PHASE.idle)
    this.changed = true
    this.closed.push({
      rule: index,
      severity: cells[at + CELL.severity]!,
      startedAt: cells[at + CELL.startedAt]!,
      // A timer of former rules may have run ahead of the readings.
      clearedAt: Math.max(this.now, cells[at + CELL.startedAt]!),
      value: cells[at + CELL.value]!,
      peak: cells[at + CELL.peak]!,
      stale: cells[at + CELL.stale] === 1,
    })
  }

  #enter(rule: JudgedRule, phase: number): void {
    this.cells[rule.cell + CELL.phase] = phase
    this.stirred = true
  }

  /** Whether what began at `since` has lasted for `duration`, as far as the readings can tell. */
  #hasLasted(rule: JudgedRule, duration: number, byReading: boolean): boolean {
    const at = rule.cell
    if (this.now < this.cells[at + CELL.since]! + duration) return false
    // What has to last no time needs no evidence: it holds at the hour, and nobody has to have spoken since.
    if (duration === 0) return true
    return byReading || this.now <= this.cells[at + CELL.evidence]! + rule.holdMs
  }

  #setDue(rule: JudgedRule): void {
    const { cells } = this
    const at = rule.cell
    const phase = cells[at + CELL.phase]
    let due = Infinity
    if (phase === PHASE.pending || phase === PHASE.clearing) {
      const end = cells[at + CELL.since]! + (phase === PHASE.pending ? rule.forMs : rule.clearForMs)
      if (end > this.now && end <= cells[at + CELL.evidence]! + rule.holdMs) due = end
    }
    // For loops with an index: this runs for every rule that a reading concerns.
    for (let index = 0; index < rule.absents.length; index++) {
      const { signal, silence } = rule.absents[index]!
      const end = cells[signal]! + silence
      if (end > this.now && end < due) due = end
    }
    for (let index = 0; index < rule.boundaries.length; index++) {
      const end = rule.boundaries[index]!(this)
      if (end < due) due = end
    }
    cells[at + CELL.due] = due
    if (due < this.due) this.due = due
  }
}
