import type { Metric } from '../gateway/model/kind.ts'
import type { OverWindow, Threshold } from '../gateway/model/rule.ts'
import { limitOf, type Limit } from './limit.ts'

/** Where a number may be, in the metric's unit; of the windows' numbers, in that of what is made of the window. */
export interface Interval {
  readonly low: number
  readonly high: number
  /** Whether the ends belong to it. */
  readonly hasLow: boolean
  readonly hasHigh: boolean
}

/** One end of where a leaf wants its number to be. */
export interface Bound {
  readonly limit: Limit
  /** Whether the number is to be above it, or below. */
  readonly isLower: boolean
  /** Whether the limit itself will do. */
  readonly isIncluded: boolean
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

/** Where a leaf, or its opposite, wants its number to be: within all of the bounds of one of the alternatives. */
export function boundsOf(leaf: Threshold, negated: boolean): readonly (readonly Bound[])[] {
  const range = leaf.inside ?? leaf.outside
  if (range !== undefined) {
    const [low, high] = [limitOf(range[0]!), limitOf(range[1]!)]
    const isInside = (leaf.inside !== undefined) !== negated
    return isInside ? [[from(low, true), to(high, true)]] : [[to(low, false)], [from(high, false)]]
  }
  const written = (leaf.above ?? leaf.atLeast ?? leaf.below ?? leaf.atMost ?? leaf.is)!
  const limit = limitOf(typeof written === 'boolean' ? Number(written) : written)
  if (leaf.is !== undefined) {
    return negated ? [[to(limit, false)], [from(limit, false)]] : [[from(limit, true), to(limit, true)]]
  }
  const isUpward = leaf.above !== undefined || leaf.atLeast !== undefined
  const isIncluded = (leaf.atLeast !== undefined || leaf.atMost !== undefined) !== negated
  return [[isUpward !== negated ? from(limit, isIncluded) : to(limit, isIncluded)]]
}

/** Where the value has to be, in one of them; null when that is the device's to say. */
export function intervalsOf(leaf: Threshold): readonly Interval[] | null {
  const intervals: Interval[] = []
  for (const bounds of boundsOf(leaf, false)) {
    let interval = between(-Infinity, Infinity)
    for (const { limit, isLower, isIncluded } of bounds) {
      if ('attribute' in limit) return null
      const { number } = limit
      interval = meet(
        interval,
        isLower
          ? { ...between(number, Infinity), hasLow: isIncluded }
          : { ...between(-Infinity, number), hasHigh: isIncluded },
      )
    }
    intervals.push(interval)
  }
  return intervals
}

function from(limit: Limit, isIncluded: boolean): Bound {
  return { limit, isLower: true, isIncluded }
}

function to(limit: Limit, isIncluded: boolean): Bound {
  return { limit, isLower: false, isIncluded }
}

function meet(a: Interval, b: Interval): Interval {
  const lower = a.low > b.low || (a.low === b.low && !a.hasLow) ? a : b
  const upper = a.high < b.high || (a.high === b.high && !a.hasHigh) ? a : b
  return { low: lower.low, hasLow: lower.hasLow, high: upper.high, hasHigh: upper.hasHigh }
}

function between(low: number, high: number): Interval {
  return { low, high, hasLow: true, hasHigh: true }
}
