import type { OverWindow } from '../gateway/model/rule.ts'
import { Changes } from './changes.ts'
import { Extremes, Range } from './extremes.ts'
import { Percentile } from './percentile.ts'
import { Rate } from './rate.ts'
import { Sums } from './sums.ts'

/**
 * A trailing window (ts − width, ts] of a metric's normal values, and what is made of it.
 *
 * Samples of the same thousandth of the window (counted from the epoch, so that it does not depend on where the
 * window began) are one pane and leave together with its last one: memory is bounded, and the window is at most a
 * thousandth too long for devices that are faster than that.
 */
export interface Window {
  /** Millionths; NaN while it is not known. */
  readonly value: number
  /** Takes a sample that is later than any before it, and drops what has left the window. */
  push(ts: number, value: number): void
  /** Becomes what `other`, a window of the same aggregate and width, is. */
  copyFrom(other: Window): void
  toArray(): number[]
  restore(numbers: readonly number[]): void
}

export function newWindow(aggregate: OverWindow, width: number): Window {
  switch (aggregate) {
    case 'mean':
    case 'sum':
    case 'count':
      return new Sums(aggregate, width)
    case 'min':
      return new Extremes(-1, width)
    case 'max':
      return new Extremes(1, width)
    case 'range':
      return new Range(width)
    case 'p95':
      return new Percentile(95, width)
    case 'changes':
      return new Changes(width)
    case 'rate':
      return new Rate(width)
    default:
      return aggregate satisfies never
  }
}
