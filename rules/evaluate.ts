import type { AreaGeometry } from '../gateway/model/area.ts'
import { durationMs } from '../gateway/model/duration.ts'
import { FLAGS } from '../gateway/model/reading.ts'
import {
  OVER_WINDOW,
  type Absent,
  type CalendarLeaf,
  type Condition,
  type DeviceLeaf,
  type Flagged,
  type Flat,
  type Implausible,
  type Threshold,
  type WorseThan,
} from '../gateway/model/rule.ts'
import { daysOf, hoursOf, isOpen, nextBoundary } from './calendar.ts'
import { anyFlagColumn, bitOf, flagColumn, heardColumn } from './column.ts'
import { comparison } from './comparison.ts'
import type { Facts, Subject, Test } from './facts.ts'
import type { Layout } from './layout.ts'
import { attributeOf } from './limit.ts'
import { targetClass } from './surface-water.ts'

/**
 * Compiles conditions of contract §3 into closures over numbers. Pure: a test reads facts and says yes or no.
 *
 * What is not known (no normal value so far, an attribute that is missing) makes a leaf false, and its negation
 * too: `not` is handed down to the leaves, each of which knows its opposite. A leaf holds its last judged value when
 * a reading does not carry its metric, for partial readings are common; noticing that a metric's device fell silent
 * is the business of `absent`.
 */
export interface CompiledCondition {
  readonly test: Test
  /** Whether it holds by what was said alone: the same, but for silence that it waits for. */
  readonly spoken: Test
  /** Columns whose judged numbers it looks at. */
  readonly columns: readonly number[]
  /** Columns of which it looks at all numbers, believed or not. */
  readonly doubts: readonly number[]
  /** Silences that it waits for: since the time in the cell, for so many ms. */
  readonly absents: readonly { readonly signal: number; readonly silence: number }[]
  /** When a day or an hour next makes a difference, epoch milliseconds; NaN for never. */
  readonly boundaries: readonly ((facts: Facts) => number)[]
  readonly subjects: readonly Subject[]
}

export interface Scope {
  readonly layout: Layout
  readonly areas: ReadonlyMap<string, AreaGeometry>
}

export function compile(condition: Condition, scope: Scope, negated = false): CompiledCondition {
  if ('not' in condition) return compile(condition.not, scope, !negated)
  if ('all' in condition) return join(condition.all, scope, negated, !negated)
  if ('any' in condition) return join(condition.any, scope, negated, negated)
  const judged = isCalendar(condition)
    ? calendar(condition, scope.layout, negated)
    : deviceLeaf(condition, scope, negated)
  const { test } = judged
  return { columns: [], doubts: [], absents: [], boundaries: [], subjects: [], spoken: test, ...judged }
}

function isCalendar(leaf: DeviceLeaf | CalendarLeaf): leaf is CalendarLeaf {
  return 'days' in leaf || 'hours' in leaf
}

/** All of them, or any: the negation of either is the other of the negations. */
function join(
  conditions: readonly Condition[],
  scope: Scope,
  negated: boolean,
  isAll: boolean,
): CompiledCondition {
  const parts = conditions.map((condition) => compile(condition, scope, negated))
  const test = joined(
    parts.map((part) => part.test),
    isAll,
  )
  const isSpoken = parts.every((part) => part.spoken === part.test)
  return {
    test,
    spoken: isSpoken
      ? test
      : joined(
          parts.map((part) => part.spoken),
          isAll,
        ),
    columns: parts.flatMap((part) => part.columns),
    doubts: parts.flatMap((part) => part.doubts),
    absents: parts.flatMap((part) => part.absents),
    boundaries: parts.flatMap((part) => part.boundaries),
    subjects: parts.flatMap((part) => part.subjects),
  }
}

function joined(tests: readonly Test[], isAll: boolean): Test {
  return (facts) => {
    for (const test of tests) if (test(facts) !== isAll) return !isAll
    return isAll
  }
}

type Judged = Pick<CompiledCondition, 'test'> & Partial<CompiledCondition>

function deviceLeaf(leaf: DeviceLeaf, scope: Scope, negated: boolean): Judged {
  const { layout } = scope
  const source = layout.source(leaf.of)
  if ('absent' in leaf) return absent(leaf, layout, source, negated)
  if ('worseThan' in leaf) return worseThan(leaf, layout, source, negated)
  if ('insideArea' in leaf) return inArea(leaf.insideArea, scope, source, !negated)
  if ('outsideArea' in leaf) return inArea(leaf.outsideArea, scope, source, negated)
  if ('flat' in leaf) return flat(leaf, layout, source, negated)
  if ('implausible' in leaf) return implausible(leaf, layout, source, negated)
  if ('flag' in leaf) return flagged(leaf, layout, source, negated)
  return threshold(leaf, layout, source, negated)
}

function threshold(leaf: Threshold, layout: Layout, source: number, negated: boolean): Judged {
  const column = layout.metric(source, leaf.metric)
  const over = OVER_WINDOW.find((key) => leaf[key] !== undefined)
  const signal =
    over === undefined ? layout.plain(column) : layout.windowed(column, over, durationMs(leaf[over]!))
  const { test, badness } = comparison(leaf, signal, layout, negated)
  return { test, columns: [column], subjects: badness === null ? [] : [{ signal, test, badness }] }
}

function worseThan(leaf: WorseThan, layout: Layout, source: number, negated: boolean): Judged {
  const { signal, columns } = layout.rating(source)
  const target = leaf.worseThan === 'target' ? '$target' : targetClass(leaf.worseThan)!
  const { test, badness } = comparison({ above: target }, signal, layout, negated, 'class')
  return { test, columns, subjects: badness === null ? [] : [{ signal, test, badness }] }
}

function flat({ metric, flat }: Flat, layout: Layout, source: number, negated: boolean): Judged {
  const column = layout.metric(source, metric)
  const run = layout.run(column)
  const least = durationMs(flat)
  const test: Test = negated ? ({ cells }) => cells[run]! < least : ({ cells }) => cells[run]! >= least
  return {
    test,
    columns: [column],
    subjects: [{ signal: layout.plain(column), test, badness: (value) => value }],
  }
}

function implausible(leaf: Implausible, layout: Layout, source: number, negated: boolean): Judged {
  const column = layout.metric(source, leaf.metric)
  const doubt = layout.doubt(column)
  const wanted = leaf.implausible !== negated ? 1 : 0
  if (doubt === null) return { test: () => wanted === 0, columns: [column] }
  const test: Test = ({ cells }) => cells[doubt.signal] === wanted
  return { test, doubts: [column], subjects: [{ signal: doubt.reported, test, badness: (value) => value }] }
}

function flagged({ metric, flag }: Flagged, layout: Layout, source: number, negated: boolean): Judged {
  if (metric === undefined) {
    const column = layout.column(source, anyFlagColumn)
    const signal = layout.plain(column)
    const wanted = flag.reduce((bits, one) => bits | bitOf(one), 0)
    // Of a device that was never heard nothing is known (NaN).
    const test: Test = negated
      ? ({ cells }) => cells[signal]! >= 0 && (cells[signal]! & wanted) === 0
      : ({ cells }) => (cells[signal]! & wanted) !== 0
    return { test, columns: [column] }
  }
  const column = layout.column(source, flagColumn(metric))
  const signal = layout.plain(column)
  const holds = FLAGS.map((known) => flag.includes(known) !== negated)
  return { test: ({ cells }) => holds[cells[signal]!] === true, columns: [column] }
}

function absent(leaf: Absent, layout: Layout, source: number, negated: boolean): Judged {
  const column = layout.column(source, heardColumn)
  const signal = layout.heard(column)
  const silence = durationMs(leaf.absent)
  const test: Test = negated
    ? ({ cells, now }) => now - cells[signal]! < silence
    : ({ cells, now }) => now - cells[signal]! >= silence
  return { test, ...(!negated && { spoken: never }), columns: [column], absents: [{ signal, silence }] }
}

const never: Test = () => false

/** `isInside`: whether it has to be in the area, or out of it. */
function inArea(name: string, { layout, areas }: Scope, source: number, isInside: boolean): Judged {
  const attribute = attributeOf(name)
  const geometry = areas.get(name)
  // `checkRules` has found every area that is named.
  if (attribute === null && geometry === undefined) return { test: () => false }
  const column =
    attribute === null ? layout.area(source, name, geometry!) : layout.areaNamedBy(source, attribute, areas)
  const signal = layout.plain(column)
  const wanted = Number(isInside)
  return { test: ({ cells }) => cells[signal] === wanted, columns: [column] }
}

function calendar({ days, hours = '00:00-24:00' }: CalendarLeaf, layout: Layout, negated: boolean): Judged {
  const among = daysOf(days)
  const attribute = attributeOf(hours)
  if (attribute === null) {
    const { start, end } = hoursOf(hours)!
    return {
      test: ({ now }) => isOpen(now, start, end, among) !== negated,
      boundaries: [({ now }) => nextBoundary(now, start, end)],
    }
  }
  const from = layout.parameter(attribute, 'hours from')
  const to = layout.parameter(attribute, 'hours to')
  return {
    test: ({ now, numbers }) =>
      !Number.isNaN(numbers[from]!) && isOpen(now, numbers[from]!, numbers[to]!, among) !== negated,
    boundaries: [({ now, numbers }) => nextBoundary(now, numbers[from]!, numbers[to]!)],
  }
}
