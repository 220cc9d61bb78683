import { CELL, FOLD, PHASE } from './cells.ts'
import type { Facts } from './facts.ts'
import type { JudgedRule } from './plan.ts'

/**
 * How long one reading speaks for the time after it when none follows, as far as durations are concerned:
 * `for` and `clear.for` run on through silence, but no further than this beyond the last reading that the
 * rule looked at. A longer duration is satisfied by the next reading that still agrees. So one old sample
 * never satisfies ten minutes, and a station that reports hourly still can. Where it is silence itself that a rule
 * has found, it waits without limit.
 */
const HOLD_MS = 5 * 60_000

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

/** What a fold knows, as its rules look at it and change it. */
export interface Folding extends Facts {
  /** Where the numbers of the fold as a whole begin. */
  readonly at: number
  /** When the next timer runs out, or earlier. */
  readonly due: number
  /** Where alarms go that end. */
  readonly closed: ClosedAlarm[]
  /** `what`: one of FOLD that is looked for and reset. */
  note(what: number): void
}

/**
 * Judges one rule at `now`: because of a reading, or because its timer ran out.
 *
 * Its course: idle → (condition holds) pending → (held for `for`) firing ⇄ clearing → (clear condition held for
 * `clear.for`, and no severity holds) idle. A severity above the alarm's raises it at once, `for` or not; it
 * never sinks while the alarm fires.
 */
export function judgeRule(fold: Folding, rule: JudgedRule, index: number, byReading: boolean): void {
  const { cells } = fold
  if (byReading) cells[rule.evidence] = fold.now
  const level = levelOf(fold, rule)
  if (cells[rule.phase]! < PHASE.firing) {
    if (level >= 0) approach(fold, rule, level, byReading)
    else if (cells[rule.phase] === PHASE.pending) enter(fold, rule, PHASE.idle)
  } else {
    sustain(fold, rule, level, byReading)
    retreat(fold, rule, index, level, byReading)
  }
  setTimer(fold, rule)
  if (cells[rule.phase]! <= PHASE.idle) rest(fold, rule, fold.now >= rule.from ? PHASE.asleep : PHASE.idle)
}

/** The highest severity that holds, or -1. */
export function levelOf(fold: Folding, rule: JudgedRule): number {
  if (fold.now < rule.from || fold.now >= rule.until) return -1
  for (let level = rule.levels.length - 1; level >= 0; level--) {
    const test = rule.levels[level]!
    if (test !== null && test(fold)) return level
  }
  return -1
}

/** Idle or pending, and a severity holds. */
function approach(fold: Folding, rule: JudgedRule, level: number, byReading: boolean): void {
  if (fold.cells[rule.phase]! <= PHASE.idle) {
    enter(fold, rule, PHASE.pending)
    fold.cells[rule.cell + CELL.since] = fold.now
  }
  if (hasLasted(fold, rule, rule.forMs, byReading)) fire(fold, rule, level)
}

function fire(fold: Folding, rule: JudgedRule, level: number): void {
  const { cells } = fold
  const at = rule.cell
  enter(fold, rule, PHASE.firing)
  fold.note(FOLD.changed)
  cells[at + CELL.severity] = level
  cells[at + CELL.startedAt] = fold.now
  cells[at + CELL.stale] = cells[fold.at + FOLD.stale]!
  const holding = rule.subjects.findIndex((subject) => subject.test(fold))
  const subject = holding >= 0 || rule.subjects.length === 0 ? holding : 0
  cells[at + CELL.subject] = subject
  const value = subject < 0 ? NaN : cells[rule.subjects[subject]!.signal]!
  cells[at + CELL.value] = value
  cells[at + CELL.peak] = value
}

/** Firing: severity, value, peak and freshness follow the reading. */
function sustain(fold: Folding, rule: JudgedRule, level: number, byReading: boolean): void {
  const { cells } = fold
  const at = rule.cell
  if (level > cells[at + CELL.severity]!) {
    cells[at + CELL.severity] = level
    fold.note(FOLD.changed)
    fold.note(FOLD.stirred)
  }
  if (!byReading) return
  if (level >= 0 && cells[at + CELL.stale] === 1 && cells[fold.at + FOLD.stale] === 0) {
    cells[at + CELL.stale] = 0
    fold.note(FOLD.changed)
    fold.note(FOLD.stirred)
  }
  const subject = rule.subjects[cells[at + CELL.subject]!]
  if (subject === undefined) return
  const value = cells[subject.signal]!
  if (Number.isNaN(value) || value === cells[at + CELL.value]) return
  cells[at + CELL.value] = value
  const peak = cells[at + CELL.peak]!
  if (Number.isNaN(peak) || subject.badness(value, fold) > subject.badness(peak, fold)) {
    cells[at + CELL.peak] = value
  }
  fold.note(FOLD.moved)
  // A further part of this instant may move it again, and what it was in between must not be its peak.
  if (rule.isRated) fold.note(FOLD.stirred)
}

/** Firing: towards the end, or back from there. */
function retreat(fold: Folding, rule: JudgedRule, index: number, level: number, byReading: boolean): void {
  const { cells } = fold
  const at = rule.cell
  const inForce = fold.now < rule.until
  const clear = !inForce || (rule.clear === null ? level < 0 : rule.clear(fold))
  if (!clear) {
    if (cells[rule.phase] === PHASE.clearing) enter(fold, rule, PHASE.firing)
    return
  }
  if (cells[rule.phase] === PHASE.firing) {
    enter(fold, rule, PHASE.clearing)
    cells[at + CELL.since] = fold.now
  }
  // A rule that is not in force any more has nothing to wait for.
  if (inForce && (level >= 0 || !hasLasted(fold, rule, rule.clearForMs, byReading))) return
  enter(fold, rule, PHASE.idle)
  fold.note(FOLD.changed)
  fold.closed.push({
    rule: index,
    severity: cells[at + CELL.severity]!,
    startedAt: cells[at + CELL.startedAt]!,
    // A timer of former rules may have run ahead of the readings.
    clearedAt: Math.max(fold.now, cells[at + CELL.startedAt]!),
    value: cells[at + CELL.value]!,
    peak: cells[at + CELL.peak]!,
    stale: cells[at + CELL.stale] === 1,
  })
}

function enter(fold: Folding, rule: JudgedRule, phase: number): void {
  rest(fold, rule, phase)
  fold.note(FOLD.stirred)
}

function rest(fold: Folding, rule: JudgedRule, phase: number): void {
  const { cells } = fold
  const awake = fold.at + FOLD.awake
  if (cells[rule.phase] === PHASE.asleep) cells[awake]! += 1
  if (phase === PHASE.asleep) cells[awake]! -= 1
  cells[rule.phase] = phase
}

/** Whether what began at `since` has lasted for `duration`, as far as the readings can tell. */
function hasLasted(fold: Folding, rule: JudgedRule, duration: number, byReading: boolean): boolean {
  if (fold.now < fold.cells[rule.cell + CELL.since]! + duration) return false
  // What has to last no time needs no evidence: it holds at the hour, and nobody has to have spoken since.
  if (duration === 0) return true
  return byReading || fold.now <= heldUntil(fold, rule)
}

/** Event time up to which what has begun is taken to last though nobody speaks. */
function heldUntil(fold: Folding, rule: JudgedRule): number {
  const { cells } = fold
  const isAboutSilence = rule.spoken.length > 0
  if (isAboutSilence && (cells[rule.phase]! >= PHASE.firing || !isSpoken(fold, rule))) return Infinity
  return cells[rule.evidence]! + HOLD_MS
}

/** Whether any severity of a rule about silence holds by what was said alone. */
function isSpoken(fold: Folding, { spoken }: JudgedRule): boolean {
  for (let level = 0; level < spoken.length; level++) {
    const test = spoken[level]!
    if (test !== null && test(fold)) return true
  }
  return false
}

/** Sets the rule's timer by what is known now. */
export function setTimer(fold: Folding, rule: JudgedRule): void {
  const { cells } = fold
  const phase = cells[rule.phase]
  let due = Infinity
  if (phase === PHASE.pending || phase === PHASE.clearing) {
    const end = cells[rule.cell + CELL.since]! + (phase === PHASE.pending ? rule.forMs : rule.clearForMs)
    if (end > fold.now && end <= heldUntil(fold, rule)) due = end
  }
  if (phase! >= PHASE.firing && rule.until > fold.now && rule.until < due) due = rule.until
  if (rule.absents.length > 0) due = Math.min(due, endOfSilence(fold, rule, fold.now))
  // Of a device that was never heard no hour is the next.
  const hours = fold.now > -Infinity ? rule.boundaries.length : 0
  for (let index = 0; index < hours; index++) {
    const end = rule.boundaries[index]!(fold)
    if (end < due) due = end
  }
  cells[rule.due] = due
  if (due < fold.due) cells[fold.at + FOLD.due] = due
}

/** When the rule's timer runs out: later than it was set for where the rule sleeps and its silence was broken. */
export function timerOf(fold: Folding, rule: JudgedRule): number {
  const { cells } = fold
  if (cells[rule.phase] === PHASE.asleep && rule.boundaries.length === 0) {
    const end = endOfSilence(fold, rule, -Infinity)
    if (end > cells[rule.due]!) cells[rule.due] = end
  }
  return cells[rule.due]!
}

/** When the first of the silences that the rule waits for is over, of those that end after `after`. */
function endOfSilence(fold: Folding, { absents }: JudgedRule, after: number): number {
  let first = Infinity
  // For loops with an index: this runs for every rule that a reading concerns.
  for (let index = 0; index < absents.length; index++) {
    const { signal, silence } = absents[index]!
    const end = fold.cells[signal]! + silence
    if (end > after && end < first) first = end
  }
  return first
}
