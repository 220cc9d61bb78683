import type { OverWindow } from '../gateway/model/rule.ts'
import { Panes, type WindowMemory, type WindowPlace } from './panes.ts'
import { recordAt } from './rings.ts'
import type { Window } from './window.ts'

/** A pane: time of its last sample, greatest, least. Once closed, also those of its block up to itself. */
const PANE_SIZE = 3
/** Of all closed panes: the greatest and the least, and times until which neither has left. */
const GREATEST = 0
const LEAST = 1
const GREATEST_TS = 2
const LEAST_TS = 3
const EMPTY = [-Infinity, Infinity, -Infinity, -Infinity]
/** Panes of a block, a power of two, less one. */
const IN_BLOCK = 31

/**
 * The greatest value, the least, or the distance between them. Once the pane that holds one of them has left, the
 * next is looked for in those that are left, block by block: some sixty steps at most, for a thousand panes.
 */
export class Extremes implements Window {
  static readonly recordSize = PANE_SIZE + 2
  readonly panes: Panes
  readonly #aggregate: OverWindow

  /** `min`, `max` or `range`. */
  constructor(place: WindowPlace, aggregate: OverWindow) {
    this.panes = new Panes(place, { paneSize: PANE_SIZE, own: EMPTY, told: 0 })
    this.#aggregate = aggregate
  }

  push(memory: WindowMemory, ts: number, value: number): number {
    const { cells } = memory
    const { panes } = this
    const { open, own } = panes
    const until = ts - panes.width
    const isLost = until >= cells[own + GREATEST_TS]! || until >= cells[own + LEAST_TS]!
    // What else has left makes no difference: it is dropped now and then, for its room.
    if (isLost || (panes.end(cells) & IN_BLOCK) === 0) panes.drop(memory, until)
    if (isLost) this.#lookAgain(memory)
    if (panes.isOpenAt(cells, ts)) {
      if (value > cells[open + 1]!) cells[open + 1] = value
      if (value < cells[open + 2]!) cells[open + 2] = value
    } else if (cells[open] === -Infinity || value !== cells[open + 1]! || value !== cells[open + 2]!) {
      // Panes of nothing but one value are one pane: it is there until the last of them has left.
      this.close(memory)
      cells[open + 1] = value
      cells[open + 2] = value
    }
    cells[open] = ts
    const greatest = Math.max(cells[own + GREATEST]!, cells[open + 1]!)
    const least = Math.min(cells[own + LEAST]!, cells[open + 2]!)
    if (this.#aggregate === 'range') return greatest - least
    return this.#aggregate === 'max' ? greatest : least
  }

  /** A pane with a greater one behind it will never be the greatest, and the same of the least. */
  thinned(panes: readonly number[]): number[] {
    const kept: number[][] = []
    let [greatest, least] = [-Infinity, Infinity]
    for (let at = panes.length - PANE_SIZE; at >= 0; at -= PANE_SIZE) {
      const pane = panes.slice(at, at + PANE_SIZE)
      if (pane[1]! <= greatest && pane[2]! >= least) continue
      greatest = Math.max(greatest, pane[1]!)
      least = Math.min(least, pane[2]!)
      kept.push(pane)
    }
    return kept.toReversed().flat()
  }

  close(memory: WindowMemory): void {
    const { panes } = this
    const position = panes.end(memory.cells)
    const record = panes.close(memory)
    if (record < 0) return
    const { cells, rings } = memory
    const greatest = rings[record + 1]!
    const least = rings[record + 2]!
    this.#meet(cells, rings[record]!, greatest, least)
    const before = (position & IN_BLOCK) === 0 ? record : recordAt(rings, panes, position - 1) + 2
    rings[record + PANE_SIZE] = Math.max(greatest, rings[before + 1]!)
    rings[record + PANE_SIZE + 1] = Math.min(least, rings[before + 2]!)
  }

  /** Of panes of which the first ends at `ts`, in order of their times. */
  #meet(cells: Float64Array, ts: number, greatest: number, least: number): void {
    const { own } = this.panes
    if (greatest >= cells[own + GREATEST]!) {
      cells[own + GREATEST] = greatest
      cells[own + GREATEST_TS] = ts
    }
    if (least <= cells[own + LEAST]!) {
      cells[own + LEAST] = least
      cells[own + LEAST_TS] = ts
    }
  }

  #lookAgain({ cells, rings }: WindowMemory): void {
    const { panes } = this
    const end = panes.end(cells)
    const { own } = panes
    // One by one: less than what a call of `set` costs.
    cells[own + GREATEST] = -Infinity
    cells[own + LEAST] = Infinity
    cells[own + GREATEST_TS] = -Infinity
    cells[own + LEAST_TS] = -Infinity
    let position = panes.first(cells)
    while (position < end) {
      // Of a block that has lost some of its panes, the rest is looked at one by one.
      const isWhole = (position & IN_BLOCK) === 0
      const first = recordAt(rings, panes, position)
      if (isWhole) position = Math.min(position + IN_BLOCK, end - 1)
      const last = recordAt(rings, panes, position) + (isWhole ? PANE_SIZE : 1)
      this.#meet(cells, rings[first]!, rings[last]!, rings[last + 1]!)
      position++
    }
  }
}
