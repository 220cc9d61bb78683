import { CELL, FOLD, PHASE } from './cells.ts'
import type { Facts } from './facts.ts'
import { MILLION } from './millionths.ts'
import type { JudgedRule, Plan, PlanColumn } from './plan.ts'
import { roomier } from './rings.ts'
import { classOfMillionths, isWorse, type WaterClass } from './surface-water.ts'
import { ROW_HEADER } from './tail.ts'
import type { Panes, WindowMemory } from './panes.ts'

/**
 * Timers run on through silence for so long after the newest reading: a month of days on which a device was offline
 * is told, and fifty years are not, when its clock was at 1970 once. Those that are due later wait for its next reading.
 */
const LONGEST_SILENCE_MS = 31 * 86_400_000

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

/** A device, as its folds see it. */
export interface Folded {
  /** What its attributes come to. */
  readonly numbers: Float64Array
  readonly frozen: Frozen | null
  /** Closed panes of its windows. */
  rings: Float64Array
  /** Position of the oldest of them that any of its folds still looks at. */
  oldestPane(panes: Panes): number
}

const NOBODY: Folded = {
  numbers: new Float64Array(),
  frozen: null,
  rings: new Float64Array(),
  oldestPane: () => 0,
}

/**
 * The readings of one device folded up to some event time, one by one in order. What comes out depends on the rows
 * that it was given and on how far its timers were run, and on nothing else.
 *
 * Per rule: idle → (condition holds) pending → (held for `for`) firing ⇄ clearing → (clear condition held for
 * `clear.for`, and no severity holds) idle. A severity above the alarm's raises it at once, `for` or not; it
 * never sinks while the alarm fires. Conditions are judged when a reading with one of their columns comes,
 * and when a timer runs out. Timers run out at exact event times, and those due at or before a reading run
 * before it is judged: the result does not depend on when anybody looked.
 *
 * All that is known is in numbers ({@link CELL}): a device has several such arrays, and a plan has one `Fold`, which
 * turns to the one that it is asked to go on with ({@link of}).
 */
export class Fold implements Facts, WindowMemory {
  cells: Float64Array
  numbers: Float64Array
  rings: Float64Array
  #device: Folded
  /** Where alarms go that end. */
  #closed: ClosedAlarm[] = []
  readonly #plan: Plan
  /** Where the numbers of the fold as a whole begin. */
  readonly #fold: number

  private constructor(plan: Plan) {
    this.#plan = plan
    this.#fold = plan.cells.fold
    this.cells = plan.blank
    this.#device = NOBODY
    this.numbers = NOBODY.numbers
    this.rings = NOBODY.rings
  }

  static readonly #all = new WeakMap<Plan, Fold>()

  static by(plan: Plan): Fold {
    const known = Fold.#all.get(plan) ?? new Fold(plan)
    Fold.#all.set(plan, known)
    return known
  }

  /** Turns to these numbers of the device; `closed` takes the alarms that end from now on. */
  of(device: Folded, cells: Float64Array, closed: ClosedAlarm[]): this {
    if (this.cells === cells && this.#closed === closed) return this
    this.#device = device
    this.cells = cells
    this.numbers = device.numbers
    this.rings = device.rings
    this.#closed = closed
    return this
  }

  makeRoom(panes: Panes): void {
    const device = this.#device
    const { panes: all } = this.#plan
    const oldestOf = (one: Panes) => device.oldestPane(one)
    this.rings = roomier(this.rings, all, panes, oldestOf, (one) => one.end(this.cells))
    device.rings = this.rings
  }

  get now(): number {
    return this.cells[this.#fold]!
  }
  set now(ts: number) {
    this.cells[this.#fold] = ts
  }

  get lastTs(): number {
    return this.cells[this.#fold + FOLD.lastTs]!
  }

  get time(): number {
    return this.cells[this.#fold + FOLD.time]!
  }

  get due(): number {
    return this.cells[this.#fold + FOLD.due]!
  }

  get isStirred(): boolean {
    return this.cells[this.#fold + FOLD.stirred] === 1
  }

  /** Takes the next row: not earlier than any before it, nor than the timers that have run. */
  step(data: Float64Array, at: number): void {
    const { cells } = this
    const fold = this.#fold
    const ts = data[at]!
    if (cells[fold + FOLD.due]! <= ts) this.#runTimers(ts, ts, ts)
    const isBack = ts > this.timersEnd
    cells[fold + FOLD.now] = ts
    cells[fold + FOLD.lastTs] = ts
    cells[fold + FOLD.time] = ts
    cells[fold + FOLD.stale] = data[at + 1]!
    cells[fold + FOLD.stirred] = 0
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
    const { cells } = this
    const { rules } = this.#plan
    const end = Math.min(until, this.timersEnd)
    const absentEnd = Math.min(absentUntil, this.timersEnd)
    for (;;) {
      const next = this.#nextDue(end, absentEnd, row)
      if (next < 0) return
      const rule = rules[next]!
      const due = cells[rule.due]!
      this.now = due
      if (due > this.time) cells[this.#fold + FOLD.time] = due
      this.#advance(rule, next, false)
    }
  }

  /** The rule whose timer runs out first, -1 for none up to then; finds out anew when the next one runs out. */
  #nextDue(end: number, absentEnd: number, row: number | null): number {
    const { cells } = this
    const { frozen } = this.#device
    const { rules, cells: map } = this.#plan
    const latest = Math.max(end, absentEnd)
    let soonest = Infinity
    let due = Infinity
    let next = -1
    for (let index = 0; index < rules.length; index++) {
      let time = cells[map.dues + index]!
      if (time <= latest) {
        const rule = rules[index]!
        time = this.#sleptOn(rule)
        const limit = rule.absents.length > 0 ? absentEnd : end
        if (time < due && time <= limit) {
          const frozenUntil = frozen === null ? -Infinity : frozen.until[index]!
          if (!(row === null ? frozenUntil > limit : frozenUntil >= row)) {
            due = time
            next = index
          }
        }
      }
      if (time < soonest) soonest = time
    }
    cells[this.#fold + FOLD.due] = soonest
    return next
  }

  /** When the rule's timer runs out: later than it was set for where the rule sleeps and its silence was broken. */
  #sleptOn(rule: JudgedRule): number {
    const { cells } = this
    if (cells[rule.phase] === PHASE.asleep && rule.boundaries.length === 0) {
      const end = this.#endOfSilence(rule, -Infinity)
      if (end > cells[rule.due]!) cells[rule.due] = end
    }
    return cells[rule.due]!
  }

  /** When the first of the silences that the rule waits for is over, of those that end after `after`. */
  #endOfSilence({ absents }: JudgedRule, after: number): number {
    let first = Infinity
    // For loops with an index: this runs for every rule that a reading concerns.
    for (let index = 0; index < absents.length; index++) {
      const { signal, silence } = absents[index]!
      const end = this.cells[signal]! + silence
      if (end > after && end < first) first = end
    }
    return first
  }

  /** Rules whose timers have been due since the silence grew too long for them, and which this reading did not concern. */
  #judgeOverdue(): void {
    for (const [index, rule] of this.#plan.rules.entries()) {
      if (this.cells[rule.due]! <= this.now && !this.#isFrozen(index)) this.#advance(rule, index, false)
    }
    this.findDue()
  }

  /** Feeds the row's numbers to the cells, then judges the rules to which any of them is news. */
  #judge(data: Float64Array, at: number): void {
    const { columns, calls, rules } = this.#plan
    const { cells } = this
    const isAnyAwake = cells[this.#fold + FOLD.awake]! > 0
    let isRated = false
    calls.begin()
    for (let index = 0; index < columns.length; index++) {
      const value = data[at + ROW_HEADER + index]!
      if (Number.isNaN(value)) continue
      const column = columns[index]!
      // Nobody looks at it but for a change, and it has not changed: most of what devices say of themselves.
      if (column.steady >= 0 && cells[column.steady] === value && !isAnyAwake) continue
      if (column.credibility !== null) {
        const { reported } = column
        const doubted = reported >= 0 ? cells[reported + 1] : NaN
        const isBelieved = this.#believes(column, value)
        if (reported >= 0) {
          const isNews = doubted !== cells[reported + 1]
          if (isNews || isAnyAwake) this.#call(column.doubters, isNews)
          if (column.hourlyDoubters.length > 0) this.#witness(column.hourlyDoubters)
        }
        if (!isBelieved) continue
      }
      const isNews = this.#feed(column, value)
      isRated ||= column.isRated && isNews
      if (isNews || isAnyAwake) this.#call(column.rules, isNews)
      if (column.hourly.length > 0) this.#witness(column.hourly)
    }
    if (isRated) this.rate()
    for (let index = 0; index < calls.size; index++) {
      const rule = calls.queue[index]!
      const judged = rules[rule]!
      if (this.#isFrozen(rule)) continue
      // It was idle and stays so, with no clock to set: nothing of it is touched.
      if (cells[judged.phase] === PHASE.asleep && judged.isTimeless && this.#level(judged) < 0) continue
      this.#advance(judged, rule, true)
    }
  }

  #isFrozen(rule: number): boolean {
    const { frozen } = this.#device
    return frozen !== null && this.now <= frozen.until[rule]!
  }

  /** Rules look at a number that came: to those asleep it matters only when it is another than before. */
  #call(indices: Int32Array, isNews: boolean): void {
    const { calls, rules } = this.#plan
    for (let at = 0; at < indices.length; at++) {
      const index = indices[at]!
      if (isNews || this.cells[rules[index]!.phase] !== PHASE.asleep) calls.add(index)
    }
  }

  /** What an hour may wake needs to know when it last looked at anything; all others are woken by a reading. */
  #witness(hourly: Int32Array): void {
    for (let at = 0; at < hourly.length; at++) {
      this.cells[hourly[at]!] = this.now
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
      const made = window.push(this, now, value)
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
      let worst: WaterClass | 0 = 0
      for (let at = 0; at < factors.length; at++) {
        const { factor, signal } = factors[at]!
        const value = this.cells[signal]!
        if (worst === 0 || isWorse(factor, value, worst)) worst = classOfMillionths(factor, value)
      }
      if (worst > 0) this.cells[signal] = worst * MILLION
    }
  }

  /** Sets the timers of rules that are not those which had set them. Silence counts from where it began. */
  resetTimers(changed: readonly JudgedRule[]): void {
    for (const rule of changed) {
      this.#setDue(rule)
      if (this.cells[rule.phase]! > PHASE.idle) continue
      for (const { signal, silence } of rule.absents) {
        const end = this.cells[signal]! + silence
        if (end < this.cells[rule.due]!) this.cells[rule.due] = end
      }
    }
    this.findDue()
  }

  /** Finds out anew when the next timer runs out. */
  findDue(): void {
    this.#nextDue(-Infinity, -Infinity, null)
  }

  /** Judges one rule at `now`: because of a reading, or because its timer ran out. */
  #advance(rule: JudgedRule, index: number, byReading: boolean): void {
    const { cells } = this
    if (byReading) cells[rule.evidence] = this.now
    const level = this.#level(rule)
    if (cells[rule.phase]! < PHASE.firing) {
      if (level >= 0) this.#approach(rule, level, byReading)
      else if (cells[rule.phase] === PHASE.pending) this.#enter(rule, PHASE.idle)
    } else {
      this.#sustain(rule, level, byReading)
      this.#retreat(rule, index, level, byReading)
    }
    this.#setDue(rule)
    if (cells[rule.phase]! <= PHASE.idle) this.#rest(rule, this.now >= rule.from ? PHASE.asleep : PHASE.idle)
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
    if (this.cells[rule.phase]! <= PHASE.idle) {
      this.#enter(rule, PHASE.pending)
      this.cells[rule.cell + CELL.since] = this.now
    }
    if (this.#hasLasted(rule, rule.forMs, byReading)) this.#fire(rule, level)
  }

  #fire(rule: JudgedRule, level: number): void {
    const { cells } = this
    const at = rule.cell
    this.#enter(rule, PHASE.firing)
    this.note(FOLD.changed)
    cells[at + CELL.severity] = level
    cells[at + CELL.startedAt] = this.now
    cells[at + CELL.stale] = cells[this.#fold + FOLD.stale]!
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
      this.note(FOLD.changed)
      this.note(FOLD.stirred)
    }
    if (!byReading) return
    if (level >= 0 && cells[at + CELL.stale] === 1 && cells[this.#fold + FOLD.stale] === 0) {
      cells[at + CELL.stale] = 0
      this.note(FOLD.changed)
      this.note(FOLD.stirred)
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
    this.note(FOLD.moved)
    // A further part of this instant may move it again, and what it was in between must not be its peak.
    if (rule.isRated) this.note(FOLD.stirred)
  }

  /** Firing: towards the end, or back from there. */
  #retreat(rule: JudgedRule, index: number, level: number, byReading: boolean): void {
    const { cells } = this
    const at = rule.cell
    const inForce = this.now < rule.until
    const clear = !inForce || (rule.clear === null ? level < 0 : rule.clear(this))
    if (!clear) {
      if (cells[rule.phase] === PHASE.clearing) this.#enter(rule, PHASE.firing)
      return
    }
    if (cells[rule.phase] === PHASE.firing) {
      this.#enter(rule, PHASE.clearing)
      cells[at + CELL.since] = this.now
    }
    if (level >= 0 || !this.#hasLasted(rule, rule.clearForMs, byReading)) return
    this.#enter(rule, PHASE.idle)
    this.note(FOLD.changed)
    this.#closed.push({
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
    this.#rest(rule, phase)
    this.note(FOLD.stirred)
  }

  #rest(rule: JudgedRule, phase: number): void {
    const { cells } = this
    const awake = this.#fold + FOLD.awake
    if (cells[rule.phase] === PHASE.asleep) cells[awake]! += 1
    if (phase === PHASE.asleep) cells[awake]! -= 1
    cells[rule.phase] = phase
  }

  /** `what`: one of FOLD that is looked for and reset. */
  note(what: number): void {
    this.cells[this.#fold + what] = 1
  }

  /** Whether what began at `since` has lasted for `duration`, as far as the readings can tell. */
  #hasLasted(rule: JudgedRule, duration: number, byReading: boolean): boolean {
    if (this.now < this.cells[rule.cell + CELL.since]! + duration) return false
    // What has to last no time needs no evidence: it holds at the hour, and nobody has to have spoken since.
    if (duration === 0) return true
    return byReading || this.now <= this.cells[rule.evidence]! + rule.holdMs
  }

  #setDue(rule: JudgedRule): void {
    const { cells } = this
    const phase = cells[rule.phase]
    let due = Infinity
    if (phase === PHASE.pending || phase === PHASE.clearing) {
      const end = cells[rule.cell + CELL.since]! + (phase === PHASE.pending ? rule.forMs : rule.clearForMs)
      if (end > this.now && end <= cells[rule.evidence]! + rule.holdMs) due = end
    }
    if (rule.absents.length > 0) due = Math.min(due, this.#endOfSilence(rule, this.now))
    for (let index = 0; index < rule.boundaries.length; index++) {
      const end = rule.boundaries[index]!(this)
      if (end < due) due = end
    }
    cells[rule.due] = due
    if (due < this.due) cells[this.#fold + FOLD.due] = due
  }
}
