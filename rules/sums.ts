import type { OverWindow } from '../gateway/model/rule.ts'
import { MILLION } from './millionths.ts'
import { Panes, type WindowMemory, type WindowPlace } from './panes.ts'
import { recordAt } from './rings.ts'
import type { Window } from './window.ts'

/** A pane: time of its last sample, sum, count. */
const PANE_SIZE = 3
/** Of all panes: sum, count. */
const EMPTY = [0, 0]

/**
 * Mean, sum or count. Values are whole millionths, so sums are exact up to 2^53 (a total of 9·10⁹ units), nothing
 * drifts, and the order of additions does not matter.
 */
export class Sums implements Window {
  static readonly recordSize = PANE_SIZE
  readonly panes: Panes
  readonly #aggregate: OverWindow

  /** `mean`, `sum` or `count`. */
  constructor(place: WindowPlace, aggregate: OverWindow) {
    this.panes = new Panes(place, { paneSize: PANE_SIZE, own: EMPTY })
    this.#aggregate = aggregate
  }

  push(memory: WindowMemory, ts: number, value: number): number {
    const { cells } = memory
    const { panes } = this
    const { open, own } = panes
    let sum = cells[own]! + value
    let count = cells[own + 1]! + 1
    const before = panes.first(cells)
    const first = panes.drop(memory, ts - panes.width)
    for (let position = before; position < first; position++) {
      const record = recordAt(memory.rings, panes, position)
      sum -= memory.rings[record + 1]!
      count -= memory.rings[record + 2]!
    }
    if (panes.isOpenAt(cells, ts)) {
      cells[open + 1]! += value
      cells[open + 2]! += 1
    } else {
      if (panes.close(memory) < 0) {
        sum = value
        count = 1
      }
      cells[open + 1] = value
      cells[open + 2] = 1
    }
    cells[open] = ts
    cells[own] = sum
    cells[own + 1] = count
    if (this.#aggregate === 'count') return count * MILLION
    return this.#aggregate === 'sum' ? sum : sum / count
  }

  close(memory: WindowMemory): void {
    this.panes.close(memory)
  }
}
