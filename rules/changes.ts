import { MILLION } from './millionths.ts'
import { Panes, type WindowMemory, type WindowPlace } from './panes.ts'
import { recordAt } from './rings.ts'
import type { Window } from './window.ts'

/** A pane: time of its last change, changes. */
const PANE_SIZE = 2
/** The newest value, and the changes of all panes. */
const EMPTY = [NaN, 0]

/**
 * How often the value became another than the one before it. Kept are only the changes, for most values are none; the
 * value before the window counts too, however long ago it came.
 */
export class Changes implements Window {
  static readonly recordSize = PANE_SIZE
  readonly panes: Panes

  constructor(place: WindowPlace) {
    this.panes = new Panes(place, { paneSize: PANE_SIZE, own: EMPTY })
  }

  push(memory: WindowMemory, ts: number, value: number): number {
    const { cells } = memory
    const { panes } = this
    const { open, own } = panes
    const before = panes.first(cells)
    const first = panes.drop(memory, ts - panes.width)
    for (let position = before; position < first; position++) {
      cells[own + 1]! -= memory.rings[recordAt(memory.rings, panes, position) + 1]!
    }
    if (cells[open] === -Infinity) cells[own + 1] = 0
    const newest = cells[own]!
    cells[own] = value
    if (value !== newest && !Number.isNaN(newest)) {
      const isSame = panes.isOpenAt(cells, ts)
      if (!isSame) panes.close(memory)
      cells[open + 1] = isSame ? cells[open + 1]! + 1 : 1
      cells[open] = ts
      cells[own + 1]! += 1
    }
    return cells[own + 1]! * MILLION
  }

  close(memory: WindowMemory): void {
    this.panes.close(memory)
  }
}
