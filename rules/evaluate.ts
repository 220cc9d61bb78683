import { durationMs } from '../gateway/model/duration.ts'
import type { Absent, Condition, Threshold } from '../gateway/model/rule.ts'

/**
 * Compiles conditions of contract §3 into closures over numbers. Pure: a test reads facts and says yes or no.
 *
 * Everything is judged in whole millionths of the metric's unit, so that 1.6 is never "above 1.6", whether it
 * comes straight from a sensor or out of a mean. What is not known yet (no normal value so far) makes every
 * comparison false. A leaf holds its last judged value when a reading does not carry its metric, for partial
 * readings are common; noticing that a metric's device fell silent is the business of `absent`.
 */
export interface Facts {
  /** Signals first: the latest normal value or aggregate of each, in millionths; NaN while unknown. */
  readonly cells: Float64Array
  /** Event time of the judgement. */
  now: number
  /** Event time of the newest reading. */
  lastTs: number
}

export type Test = (facts: Facts) => boolean

/** A number that a condition judges, for an alarm's `value` and `peak`. */
export interface Subject {
  readonly signal: number
  readonly test: Test
  /** Greater is worse. */
  readonly badness: (value: number) => number
}

export interface CompiledCondition {
  readonly test: Test
  /** Columns of the row that it looks at. */
  readonly columns: ReadonlySet<number>
  /** Lengths of silence that it waits for, ms. */
  readonly absents: readonly number[]
  readonly subjects: readonly Subject[]
}

/** One normal value of a metric, or its mean over a trailing window. */
export interface Signal {
  readonly key: string
  readonly column: number
  /** ms; null for the plain value. */
  readonly window: number | null
}

/** What the rules of one kind look at; equal leaves of different rules share their signal. */
export class Signals {
  /** Metric of each column. */
  readonly columns: string[] = []
  readonly all: Signal[] = []

  of(leaf: Threshold): number {
    const window = leaf.mean === undefined ? null : durationMs(leaf.mean)
    const key = window === null ? leaf.metric : `${leaf.metric} mean ${window}`
    const known = this.all.findIndex((signal) => signal.key === key)
    if (known >= 0) return known
    return this.all.push({ key, column: this.#column(leaf.metric), window }) - 1
  }

  #column(metric: string): number {
    const known = this.columns.indexOf(metric)
    return known >= 0 ? known : this.columns.push(metric) - 1
  }
}

export const MILLION = 1e6

/** A metric's value as the engine counts: whole millionths; true is 1. */
export function millionths(value: number | boolean): number {
  return Math.round(Number(value) * MILLION)
}

export function compile(condition: Condition, signals: Signals): CompiledCondition {
  if ('all' in condition) {
    const parts = condition.all.map((part) => compile(part, signals))
    const tests = parts.map((part) => part.test)
    return join(parts, (facts) => {
      for (const test of tests) if (!test(facts)) return false
      return true
    })
  }
  if ('any' in condition) {
    const parts = condition.any.map((part) => compile(part, signals))
    const tests = parts.map((part) => part.test)
    return join(parts, (facts) => {
      for (const test of tests) if (test(facts)) return true
      return false
    })
  }
  return 'absent' in condition ? compileAbsent(condition) : compileThreshold(condition, signals)
}

function join(parts: readonly CompiledCondition[], test: Test): CompiledCondition {
  return {
    test,
    columns: new Set(parts.flatMap((part) => [...part.columns])),
    absents: parts.flatMap((part) => part.absents),
    subjects: parts.flatMap((part) => part.subjects),
  }
}

function compileAbsent(leaf: Absent): CompiledCondition {
  const silence = durationMs(leaf.absent)
  return {
    test: (facts) => facts.now - facts.lastTs >= silence,
    columns: new Set(),
    absents: [silence],
    subjects: [],
  }
}

function compileThreshold(leaf: Threshold, signals: Signals): CompiledCondition {
  const signal = signals.of(leaf)
  const { test, badness } = comparison(leaf, signal)
  return {
    test,
    columns: new Set([signals.all[signal]!.column]),
    absents: [],
    subjects: badness === null ? [] : [{ signal, test, badness }],
  }
}

function comparison(leaf: Threshold, at: number): { test: Test; badness: ((v: number) => number) | null } {
  const high = (value: number): number => value
  const low = (value: number): number => -value
  if (leaf.above !== undefined) {
    const limit = millionths(leaf.above)
    return { test: (facts) => facts.cells[at]! > limit, badness: high }
  }
  if (leaf.atLeast !== undefined) {
    const limit = millionths(leaf.atLeast)
    return { test: (facts) => facts.cells[at]! >= limit, badness: high }
  }
  if (leaf.below !== undefined) {
    const limit = millionths(leaf.below)
    return { test: (facts) => facts.cells[at]! < limit, badness: low }
  }
  if (leaf.atMost !== undefined) {
    const limit = millionths(leaf.atMost)
    return { test: (facts) => facts.cells[at]! <= limit, badness: low }
  }
  const range = leaf.outside ?? leaf.inside
  if (range !== undefined) {
    const [a, b] = [millionths(range[0]!), millionths(range[1]!)]
    const fromMiddle = (value: number): number => Math.abs(value - (a + b) / 2)
    if (leaf.outside === undefined) {
      return {
        test: (facts) => facts.cells[at]! >= a && facts.cells[at]! <= b,
        badness: (value) => -fromMiddle(value),
      }
    }
    return { test: (facts) => facts.cells[at]! < a || facts.cells[at]! > b, badness: fromMiddle }
  }
  const wanted = millionths(leaf.is ?? true)
  return { test: (facts) => facts.cells[at] === wanted, badness: null }
}
