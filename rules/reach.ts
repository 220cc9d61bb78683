import { durationMs } from '../gateway/model/duration.ts'
import type { Metric } from '../gateway/model/kind.ts'
import { FLAGS } from '../gateway/model/reading.ts'
import {
  OVER_WINDOW,
  type CalendarLeaf,
  type Condition,
  type DeviceLeaf,
  type Leaf,
  type OverWindow,
  type Threshold,
} from '../gateway/model/rule.ts'
import { limitOf } from './limit.ts'
import { targetClass } from './surface-water.ts'

/**
 * Whether conditions can hold at the same moment, whatever is measured. Every number that leaves look at is taken
 * to be free of the others (a mean may be anything, whatever the maximum is), so what is found impossible truly is.
 */
export interface Interval {
  readonly low: number
  readonly high: number
  /** Whether the ends belong to it. */
  readonly hasLow: boolean
  readonly hasHigh: boolean
}

/** A condition that is to hold, or the opposite of it. */
export interface Goal {
  readonly condition: Condition
  readonly negated: boolean
}

/** Numbers that have to lie in intervals, all of them, by name. */
type Demand = readonly (readonly [name: string, interval: Interval])[]

/** How many steps may still be taken; what is left over when it has run out is taken to be possible. */
export interface Patience {
  steps: number
}

/** Range of a metric by its name, as seen by the kind that a rule is about. */
export type Ranges = (leaf: Threshold) => Interval

export function canHold(goals: readonly Goal[], ranges: Ranges, patience: Patience): boolean {
  const search = ([goal, ...rest]: readonly Goal[], box: ReadonlyMap<string, Interval>): boolean => {
    if (goal === undefined || --patience.steps < 0) return true
    const { condition, negated } = goal
    if ('not' in condition) return search([{ condition: condition.not, negated: !negated }, ...rest], box)
    for (const key of ['all', 'any'] as const) {
      const parts = (condition as Partial<Record<typeof key, Condition[]>>)[key]
      if (parts === undefined) continue
      const goals = parts.map((part): Goal => ({ condition: part, negated }))
      return (key === 'all') !== negated
        ? search([...goals, ...rest], box)
        : goals.some((one) => search([one, ...rest], box))
    }
    return demandsOf(condition as Leaf, negated, ranges).some((demand) => {
      const narrowed = new Map(box)
      for (const [name, interval] of demand) {
        const met = meet(narrowed.get(name) ?? interval, interval)
        if (isEmpty(met)) return false
        narrowed.set(name, met)
      }
      return search(rest, narrowed)
    })
  }
  return search(goals, new Map())
}

/** Range of what a leaf judges of a metric. */
export function rangeOf({ type, minimum, maximum }: Metric, over: OverWindow | undefined): Interval {
  const [low, high] = type === 'boolean' ? [0, 1] : [minimum ?? -Infinity, maximum ?? Infinity]
  switch (over) {
    case 'rate':
      return between(-Infinity, Infinity)
    case 'sum':
      return between(low >= 0 ? low : -Infinity, Infinity)
    // It is judged when a reading comes, and that one counts.
    case 'count':
      return between(1, Infinity)
    case 'changes':
      return between(0, Infinity)
    case 'range':
      return between(0, high - low)
    case undefined:
    case 'mean':
    case 'min':
    case 'max':
    case 'p95':
      return between(low, high)
    default:
      return over satisfies never
  }
}

export function isEmpty(interval: Interval, within: Interval = interval): boolean {
  const { low, high, hasLow, hasHigh } = meet(interval, within)
  return low > high || (low === high && !(hasLow && hasHigh))
}

/** Where the value has to be, in one of them; null when that is the device's to say. */
export function intervalOf(leaf: Threshold, negated: boolean): readonly Interval[] | null {
  const numbers = (written: readonly (number | string | boolean)[]): number[] | null => {
    const limits = written.map((one) => limitOf(typeof one === 'boolean' ? Number(one) : one))
    return limits.some((limit) => 'attribute' in limit)
      ? null
      : limits.map((limit) => ('number' in limit ? limit.number : NaN))
  }
  const range = leaf.inside ?? leaf.outside
  if (range !== undefined) {
    const ends = numbers(range)
    if (ends === null) return null
    const isInside = (leaf.inside !== undefined) !== negated
    return isInside ? [between(ends[0]!, ends[1]!)] : [below(ends[0]!, false), above(ends[1]!, false)]
  }
  const limit = numbers([(leaf.above ?? leaf.atLeast ?? leaf.below ?? leaf.atMost ?? leaf.is)!])?.[0]
  if (limit === undefined) return null
  if (leaf.is !== undefined) {
    return negated ? [below(limit, false), above(limit, false)] : [between(limit, limit)]
  }
  const isUpward = leaf.above !== undefined || leaf.atLeast !== undefined
  const hasLimit = (leaf.atLeast !== undefined || leaf.atMost !== undefined) !== negated
  return [isUpward !== negated ? above(limit, hasLimit) : below(limit, hasLimit)]
}

function demandsOf(leaf: Leaf, negated: boolean, ranges: Ranges): readonly Demand[] {
  if ('days' in leaf || 'hours' in leaf) return [yesOrNo(JSON.stringify(leaf), !negated)]
  return demandsOfDevice(leaf as Exclude<Leaf, CalendarLeaf>, negated, ranges)
}

function demandsOfDevice(leaf: DeviceLeaf, negated: boolean, ranges: Ranges): readonly Demand[] {
  const whose = leaf.of ?? ''
  if ('absent' in leaf) return [atLeast(`${whose}/silence`, durationMs(leaf.absent), negated)]
  if ('flat' in leaf) return [atLeast(`${whose}/${leaf.metric} unchanged`, durationMs(leaf.flat), negated)]
  if ('implausible' in leaf) {
    return [yesOrNo(`${whose}/${leaf.metric} implausible`, leaf.implausible !== negated)]
  }
  if ('insideArea' in leaf) return [yesOrNo(`${whose}/in ${leaf.insideArea}`, !negated)]
  if ('outsideArea' in leaf) return [yesOrNo(`${whose}/in ${leaf.outsideArea}`, negated)]
  if ('worseThan' in leaf) {
    const target = targetClass(leaf.worseThan)
    if (target === undefined) return [yesOrNo(`${whose}/worse than target`, !negated)]
    return [[[`${whose}/class`, negated ? between(1, target) : between(target + 1, 6)]]]
  }
  if ('flag' in leaf) {
    const { metric, flag } = leaf
    if (metric !== undefined) {
      const allowed = FLAGS.filter((known) => flag.includes(known) !== negated)
      return allowed.map((one) => [[`${whose}/${metric} flag`, point(FLAGS.indexOf(one))]])
    }
    const each = flag.map((one) => yesOrNo(`${whose}/any ${one}`, !negated))
    return negated ? [each.flat()] : each
  }
  return demandsOfThreshold(leaf, whose, negated, ranges)
}

function demandsOfThreshold(
  leaf: Threshold,
  whose: string,
  negated: boolean,
  ranges: Ranges,
): readonly Demand[] {
  const over = OVER_WINDOW.find((key) => leaf[key] !== undefined)
  const name = `${whose}/${leaf.metric} ${over === undefined ? '' : `${over} ${durationMs(leaf[over]!)}`}`
  const intervals = intervalOf(leaf, negated)
  if (intervals !== null) {
    const range = ranges(leaf)
    return intervals.map((interval): Demand => [[name, meet(interval, range)]])
  }
  // An attribute's number is not known here, but it is the same in every leaf that names it.
  const { above, atLeast, below, atMost } = leaf
  if (above !== undefined || atMost !== undefined) {
    return [yesOrNo(`${name} above ${above ?? atMost}`, (above !== undefined) !== negated)]
  }
  if (atLeast !== undefined || below !== undefined) {
    return [yesOrNo(`${name} from ${atLeast ?? below}`, (atLeast !== undefined) !== negated)]
  }
  const isIn = (leaf.outside === undefined) !== negated
  return [yesOrNo(`${name} in ${String(leaf.inside ?? leaf.outside ?? leaf.is)}`, isIn)]
}

function meet(a: Interval, b: Interval): Interval {
  const lower = a.low > b.low || (a.low === b.low && !a.hasLow) ? a : b
  const upper = a.high < b.high || (a.high === b.high && !a.hasHigh) ? a : b
  return { low: lower.low, hasLow: lower.hasLow, high: upper.high, hasHigh: upper.hasHigh }
}

function between(low: number, high: number): Interval {
  return { low, high, hasLow: true, hasHigh: true }
}

function above(low: number, hasLow: boolean): Interval {
  return { low, hasLow, high: Infinity, hasHigh: true }
}

function below(high: number, hasHigh: boolean): Interval {
  return { low: -Infinity, hasLow: true, high, hasHigh }
}

function point(value: number): Interval {
  return between(value, value)
}

function yesOrNo(name: string, isYes: boolean): Demand {
  return [[name, point(Number(isYes))]]
}

function atLeast(name: string, least: number, negated: boolean): Demand {
  return [[name, negated ? meet(between(0, least), below(least, false)) : between(least, Infinity)]]
}
