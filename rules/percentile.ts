import { Panes, type WindowMemory, type WindowPlace } from './panes.ts'
import { recordAt } from './rings.ts'
import type { Window } from './window.ts'

/** A pane: time of its last sample, sum, count. */
const PANE_SIZE = 3
const PERCENT = 95

/**
 * The 95th percentile by nearest rank: the least value that at least 95 % are not above. Samples of one pane
 * count as one, with their mean. So it is the least of the few greatest, and only those are put in order.
 */
export class Percentile implements Window {
  static readonly recordSize = PANE_SIZE
  readonly panes: Panes
  /** A heap, the least of them first. */
  #greatest = new Float64Array(8)
  #size = 0

  constructor(place: WindowPlace) {
    this.panes = new Panes(place, { paneSize: PANE_SIZE, own: [] })
  }

  push(memory: WindowMemory, ts: number, value: number): number {
    const { cells } = memory
    const { panes } = this
    const { open } = panes
    panes.drop(memory, ts - panes.width)
    const isSame = panes.isOpenAt(cells, ts)
    if (!isSame) panes.close(memory)
    cells[open] = ts
    cells[open + 1] = isSame ? cells[open + 1]! + value : value
    cells[open + 2] = isSame ? cells[open + 2]! + 1 : 1
    return this.#value(memory)
  }

  close(memory: WindowMemory): void {
    this.panes.close(memory)
  }

  #value({ cells, rings }: WindowMemory): number {
    const { panes } = this
    const [first, end] = [panes.first(cells), panes.end(cells)]
    const count = end - first + 1
    const wanted = count - Math.ceil((PERCENT * count) / 100) + 1
    if (wanted > this.#greatest.length) this.#greatest = new Float64Array(2 * wanted)
    this.#size = 0
    this.#take(cells[panes.open + 1]! / cells[panes.open + 2]!, wanted)
    for (let position = first; position < end; position++) {
      const record = recordAt(rings, panes, position)
      this.#take(rings[record + 1]! / rings[record + 2]!, wanted)
    }
    return this.#greatest[0]!
  }

  /** Keeps it when it is among the `wanted` greatest. */
  #take(value: number, wanted: number): void {
    const heap = this.#greatest
    if (this.#size === wanted) {
      if (value > heap[0]!) this.#sink(value)
      return
    }
    let at = this.#size++
    for (let above = (at - 1) >> 1; at > 0 && heap[above]! > value; above = (at - 1) >> 1) {
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = value
  }

  /** In place of the least. */
  #sink(value: number): void {
    const heap = this.#greatest
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= this.#size) break
      if (below + 1 < this.#size && heap[below + 1]! < heap[below]!) below++
      if (heap[below]! >= value) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = value
  }
}
