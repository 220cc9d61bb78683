import type { DeviceState } from './device-state.ts'
import { recordAt } from './rings.ts'

/** Numbers of a line of a cache: 64 bytes. */
const LINE = 8

/** Of a device at most: plans with hundreds of rules have far more, and most readings touch few of it. */
const MOST_LINES = 32
const MOST_WINDOWS = 16
/** Of fewer devices all is in a cache anyway. */
export const MANY_DEVICES = 500

/** Fetching for nothing would be optimised away. */
const SINK = new Float64Array(1)

/**
 * Asks memory for what the next readings of these devices will touch. With thousands of devices none of it is in a
 * cache, and judging would wait for one line after the other; here nothing waits for anything else, so that memory
 * brings dozens at a time. Changes nothing and says nothing; a few dozen devices fit into a cache.
 */
export function prefetch(states: readonly DeviceState[]): void {
  let sum = 0
  // First where things are, then the things: each loop asks for all that the one before has found.
  for (let index = 0; index < states.length; index++) {
    const { head, rings, numbers, tail } = states[index]!
    sum += head.length + rings.length + numbers.length + tail.data.length
  }
  for (let index = 0; index < states.length; index++) {
    const { head, rings, numbers, tail, plan } = states[index]!
    const cells = Math.min(plan.cells.rules, MOST_LINES * LINE)
    for (let at = 0; at < cells; at += LINE) sum += head[at]!
    const headers = Math.min(plan.rings.length, MOST_LINES * LINE)
    for (let at = 0; at < headers; at += LINE) sum += rings[at]!
    if (numbers.length > 0) sum += numbers[0]!
    const { data, end, stride } = tail
    if (end < data.length) for (let at = end; at < end + stride; at += LINE) sum += data[at]!
  }
  for (let index = 0; index < states.length; index++) {
    const { head, rings, plan } = states[index]!
    const windows = Math.min(plan.panes.length, MOST_WINDOWS)
    for (let at = 0; at < windows; at++) {
      const panes = plan.panes[at]!
      const [first, end] = [panes.first(head), panes.end(head)]
      if (first === end) continue
      sum += rings[recordAt(rings, panes, first)]! + rings[recordAt(rings, panes, end)]!
    }
  }
  SINK[0] = sum
}
