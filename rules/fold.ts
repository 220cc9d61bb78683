import { FOLD, PHASE } from './cells.ts'
import { judgeRule, levelOf, setTimer, timerOf, type ClosedAlarm, type Folding } from './course.ts'
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
 * Conditions are judged when a reading with one of their columns comes, and when a timer runs out; `course.ts` has what
 * follows from that. Timers run out at exact event times, and those due at or before a reading run before it is judged:
 * the result does not depend on when anybody looked.
 *
 * All that is known is in numbers ({@link CELL}): a device has several such arrays, and a plan has one `Fold`, which
 * turns to the one that it is asked to go on with ({@link of}).
 */
export class Fold implements Folding, WindowMemory {
  cells: Float64Array
  numbers: Float64Array
  rings: Float64Array
  closed: ClosedAlarm[] = []
  readonly at: number
  #device: Folded
  readonly #plan: Plan

  private constructor(plan: Plan) {
    this.#plan = plan
    this.at = plan.cells.fold
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
    if (this.cells === cells && this.closed === closed) return this
    this.#device = device
    this.cells = cells
    this.numbers = device.numbers
    this.rings = device.rings
    this.closed = closed
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
    return this.cells[this.at]!
  }
  set now(ts: number) {
    this.cells[this.at] = ts
  }

  get lastTs(): number {
    return this.cells[this.at + FOLD.lastTs]!
  }

  get time(): number {
    return this.cells[this.at + FOLD.time]!
  }

  get due(): number {
    return this.cells[this.at + FOLD.due]!
  }

  get isStirred(): boolean {
    return this.cells[this.at + FOLD.stirred] === 1
  }

  /** Takes the next row: not earlier than any before it, nor than the timers that have run. */
  step(data: Float64Array, at: number): void {
    const { cells } = this
    const fold = this.at
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
      if (due > this.time) cells[this.at + FOLD.time] = due
      judgeRule(this, rule, next, false)
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
        time = timerOf(this, rule)
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
    cells[this.at + FOLD.due] = soonest
    return next
  }

  /** Rules whose timers have been due since the silence grew too long for them, and which this reading did not concern. */
  #judgeOverdue(): void {
    for (const [index, rule] of this.#plan.rules.entries()) {
      if (this.cells[rule.due]! <= this.now && !this.#isFrozen(index)) judgeRule(this, rule, index, false)
    }
    this.findDue()
  }

  /** Feeds the row's numbers to the cells, then judges the rules to which any of them is news. */
  #judge(data: Float64Array, at: number): void {
    const { columns, calls, rules } = this.#plan
    const { cells } = this
    const isAnyAwake = cells[this.at + FOLD.awake]! > 0
    let isRated = false
    calls.begin()
    for (let index = 0; index < columns.length; index++) {
      const value = data[at + ROW_HEADER + index]!
      if (Number.isNaN(value)) continue
      const column = columns[index]!
      // Nobody looks at it but for a change, and it has not changed: most of what devices say of themselves.
      const { steady, reported } = column
      if (steady >= 0 && cells[steady] === value && !isAnyAwake) {
        if (reported < 0 || cells[reported] === value) continue
      }
      if (column.credibility !== null) {
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
      if (cells[judged.phase] === PHASE.asleep && judged.isTimeless && levelOf(this, judged) < 0) continue
      judgeRule(this, judged, rule, true)
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
      setTimer(this, rule)
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

  note(what: number): void {
    this.cells[this.at + what] = 1
  }
}
