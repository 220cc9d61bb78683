import { SEVERITIES } from '../gateway/model/alarm.ts'
import { durationMs } from '../gateway/model/duration.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { instantOf } from './effective.ts'
import { ROW_HEADER } from './tail.ts'
import { compile, Signals, type CompiledCondition, type Signal, type Subject, type Test } from './evaluate.ts'

/**
 * How long one reading speaks for the time after it when none follows, as far as durations are concerned:
 * `for` and `clear.for` run on through silence, but no further than this beyond the last reading that the
 * rule looked at. A longer duration is satisfied by the next reading that still agrees. So one old sample
 * never satisfies ten minutes, and a station that reports hourly still can. Rules with `absent` are about
 * silence itself and wait without limit.
 */
const HOLD_MS = 5 * 60_000

/** Numbers that the engine keeps per device and rule, after the signals. */
export const CELL = {
  phase: 0,
  /** Since when the condition (pending) or the clear condition (clearing) has held. */
  since: 1,
  /** Time of the last reading that the rule looked at. */
  evidence: 2,
  /** When the rule's clock runs out next; Infinity for never. */
  due: 3,
  /** Index into SEVERITIES. */
  severity: 4,
  startedAt: 5,
  /** Millionths; NaN where the rule has no number. */
  value: 6,
  peak: 7,
  /** Which of the rule's subjects `value` and `peak` follow; -1 for none. */
  subject: 8,
  stale: 9,
} as const
export const CELLS_PER_RULE = 10

export interface JudgedRule {
  readonly rule: Rule
  /** Where its cells begin. */
  readonly cell: number
  /** Bits of the columns (modulo 32) that concern it: a reading without them is not judged. */
  readonly mask: number
  /** By index into SEVERITIES; null where the rule has no such severity. */
  readonly levels: readonly (Test | null)[]
  readonly subjects: readonly Subject[]
  /** null: the negation of all severities. */
  readonly clear: Test | null
  /** Lengths of silence that it waits for, rising, ms. */
  readonly absents: readonly number[]
  readonly forMs: number
  readonly clearForMs: number
  readonly holdMs: number
  /** In force, event time: `from` included, `until` not. */
  readonly from: number
  readonly until: number
}

/** Everything that the readings of one kind are judged by, compiled. */
export interface Plan {
  readonly kind: string
  readonly columns: readonly string[]
  readonly signals: readonly Signal[]
  /** Per column: the plain signal that it feeds (or -1) and the windows that it feeds. */
  readonly feeds: readonly { readonly plain: number; readonly windows: readonly WindowFeed[] }[]
  readonly windows: readonly Signal[]
  readonly rules: readonly JudgedRule[]
  readonly cells: number
  /** Room to lay out one row in, so that a reading costs no allocation. */
  readonly row: Float64Array
}

interface WindowFeed {
  readonly window: number
  readonly signal: number
}

/** One plan per kind that any rule is about. The rules have passed `checkRules`. */
export function planRules(rules: readonly Rule[]): ReadonlyMap<string, Plan> {
  const byKind = Map.groupBy(rules, (rule) => rule.kind)
  return new Map([...byKind].map(([kind, ofKind]) => [kind, planKind(kind, ofKind)]))
}

function planKind(kind: string, rules: readonly Rule[]): Plan {
  const signals = new Signals()
  const compiled = rules.map((rule) => ({
    rule,
    levels: SEVERITIES.map((level) => {
      const condition = rule.severity[level]
      return condition === undefined ? null : compile(condition, signals)
    }),
    clear: rule.clear?.when === undefined ? null : compile(rule.clear.when, signals),
  }))
  const windows = signals.all.filter((signal) => signal.window !== null)
  const feeds = signals.columns.map((_, column) => ({
    plain: signals.all.findIndex((signal) => signal.column === column && signal.window === null),
    windows: windows.flatMap((signal, window) =>
      signal.column === column ? [{ window, signal: signals.all.indexOf(signal) }] : [],
    ),
  }))
  return {
    kind,
    columns: signals.columns,
    signals: signals.all,
    feeds,
    windows,
    rules: compiled.map(({ rule, levels, clear }, index) =>
      judgedRule(rule, levels, clear, signals.all.length + index * CELLS_PER_RULE),
    ),
    cells: signals.all.length + compiled.length * CELLS_PER_RULE,
    row: new Float64Array(ROW_HEADER + signals.columns.length),
  }
}

function judgedRule(
  rule: Rule,
  levels: readonly (CompiledCondition | null)[],
  clear: CompiledCondition | null,
  cell: number,
): JudgedRule {
  const parts = [...levels, clear].filter((part) => part !== null)
  const absents = parts.flatMap((part) => part.absents).sort((a, b) => a - b)
  let mask = 0
  for (const part of parts) for (const column of part.columns) mask |= 1 << (column & 31)
  return {
    rule,
    cell,
    mask,
    levels: levels.map((level) => level?.test ?? null),
    subjects: levels.flatMap((level) => level?.subjects ?? []),
    clear: clear?.test ?? null,
    absents,
    forMs: durationMs(rule.for ?? '0s'),
    clearForMs: durationMs(rule.clear?.for ?? '0s'),
    holdMs: absents.length > 0 ? Infinity : HOLD_MS,
    from: rule.effective?.from === undefined ? -Infinity : instantOf(rule.effective.from),
    until: rule.effective?.to === undefined ? Infinity : instantOf(rule.effective.to),
  }
}
