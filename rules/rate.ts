import { Panes, type WindowMemory, type WindowPlace } from './panes.ts'
import { recordAt } from './rings.ts'
import type { Window } from './window.ts'

/** A pane: time of its last sample, time and value of its first. */
const PANE_SIZE = 3
const HOUR_MS = 3_600_000

/** Change per hour: the newest value less the oldest, by the time between them. Not known of a single instant. */
export class Rate implements Window {
  static readonly recordSize = PANE_SIZE
  readonly panes: Panes

  constructor(place: WindowPlace) {
    this.panes = new Panes(place, { paneSize: PANE_SIZE, own: [] })
  }

  push(memory: WindowMemory, ts: number, value: number): number {
    const { cells } = memory
    const { panes } = this
    const { open } = panes
    panes.drop(memory, ts - panes.width)
    if (!panes.isOpenAt(cells, ts)) {
      panes.close(memory)
      cells[open + 1] = ts
      cells[open + 2] = value
    }
    cells[open] = ts
    const first = panes.first(cells)
    const isOldestOpen = first === panes.end(cells)
    const oldest = isOldestOpen ? cells : memory.rings
    const at = isOldestOpen ? open : recordAt(memory.rings, panes, first)
    const elapsed = ts - oldest[at + 1]!
    // Multiplied first: a change that is exactly the limit must not end up beside it.
    return elapsed === 0 ? NaN : ((value - oldest[at + 2]!) * HOUR_MS) / elapsed
  }

  close(memory: WindowMemory): void {
    this.panes.close(memory)
  }
}
