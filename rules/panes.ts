import { isFull, recordAt, type Ring } from './rings.ts'

/** A window is kept in at most this many panes, whatever the rate of readings. */
const PANES_PER_WINDOW = 1000

/** Where the numbers of windows are. */
export interface WindowMemory {
  /** Of a fold. */
  readonly cells: Float64Array
  /** Of the device; another array once {@link makeRoom} was called. */
  readonly rings: Float64Array
  /** The ring of these panes is full. */
  makeRoom(panes: Panes): void
}

/** Numbers that a fold has of any window, from {@link Panes.at} on. */
const FIRST = 0
/** Behind the newest closed pane. */
const END = 1
/** Time of the oldest closed pane's last sample, so that nobody has to look it up; Infinity while there is none. */
const OLDEST = 2
/** The open pane, time of its last sample first: -Infinity for none. Behind it come the aggregate's own numbers. */
const OPEN = 3

/**
 * What a trailing window (ts − width, ts] remembers.
 *
 * Samples of the same thousandth of the window (counted from the epoch, so that it does not depend on where the
 * window began) are one pane and leave together with its last one: memory is bounded, and the window is at most a
 * thousandth too long for devices that are faster than that.
 *
 * A pane that is closed never changes. So a device keeps the closed ones once, in a ring, and each of its folds
 * (base, mark, head) only from where to where its own are in there, and the pane that is still open: going back to
 * an earlier fold means to copy some numbers. These here say where what is, and remember
 * nothing.
 */
export class Panes implements Ring {
  readonly width: number
  /** Numbers of a pane, time of its last sample first. */
  readonly paneSize: number
  readonly group: number
  readonly floor: number
  readonly offset: number
  readonly recordSize: number
  readonly rowSize: number
  /** How many numbers a fold has of it. */
  readonly numbers: number
  readonly at: number
  /** Where its open pane and the aggregate's own numbers are. */
  readonly open: number
  readonly own: number
  readonly #grain: number
  readonly #empty: readonly number[]
  /** So many of the aggregate's own numbers, the first, do not follow from the panes as they close. */
  readonly told: number

  constructor({ width, at, ring }: WindowPlace, { paneSize, own, told }: WindowShape) {
    this.width = width
    this.at = at
    this.group = ring.group
    this.floor = ring.floor
    this.offset = ring.offset
    this.rowSize = ring.rowSize
    this.recordSize = ring.recordSize
    this.paneSize = paneSize
    this.open = at + OPEN
    this.own = this.open + paneSize
    this.numbers = OPEN + paneSize + own.length
    this.#empty = own
    this.told = told ?? own.length
    this.#grain = grainOf(width)
  }

  /** Makes it a window without samples. */
  clear(cells: Float64Array): void {
    cells.fill(0, this.at, this.at + this.numbers)
    cells[this.at + OLDEST] = Infinity
    cells[this.open] = -Infinity
    cells.set(this.#empty, this.own)
  }

  /** All that a fold knows of it: the aggregate's own numbers that do not follow from the panes, then those. */
  toArray(cells: Float64Array, rings: Float64Array): number[] {
    const found = [...cells.subarray(this.own, this.own + this.told)]
    for (let position = this.first(cells); position < cells[this.at + END]!; position++) {
      const record = recordAt(rings, this, position)
      found.push(...rings.subarray(record, record + this.paneSize))
    }
    if (cells[this.open]! > -Infinity) found.push(...cells.subarray(this.open, this.own))
    return found
  }

  /** Position of the oldest closed pane. */
  first(cells: Float64Array): number {
    return cells[this.at + FIRST]!
  }

  /** Drops the panes that ended by then; answers the position of the oldest closed one that is left. */
  drop({ cells, rings }: WindowMemory, until: number): number {
    const { at } = this
    let first = cells[at + FIRST]!
    if (cells[at + OLDEST]! <= until) {
      const end = cells[at + END]!
      let oldest = Infinity
      for (first++; first < end; first++) {
        oldest = rings[recordAt(rings, this, first)]!
        if (oldest > until) break
      }
      cells[at + FIRST] = first
      cells[at + OLDEST] = first < end ? oldest : Infinity
    }
    if (cells[this.open]! <= until) cells[this.open] = -Infinity
    return first
  }

  /** Whether a sample of that time belongs to the open pane. */
  isOpenAt(cells: Float64Array, ts: number): boolean {
    const open = cells[this.open]!
    // True of -Infinity too, and spares most devices the divisions.
    if (ts - open >= this.#grain) return false
    return Math.floor(open / this.#grain) === Math.floor(ts / this.#grain)
  }

  /** Closes the open pane, if there is one; answers where its record is, -1 for none. */
  close(memory: WindowMemory): number {
    const { cells } = memory
    if (cells[this.open] === -Infinity) return -1
    const end = cells[this.at + END]!
    if (isFull(memory.rings, this, end)) memory.makeRoom(this)
    const { rings } = memory
    const record = recordAt(rings, this, end)
    for (let index = 0; index < this.paneSize; index++) rings[record + index] = cells[this.open + index]!
    cells[this.at + END] = end + 1
    if (cells[this.at + OLDEST] === Infinity) cells[this.at + OLDEST] = rings[record]!
    return record
  }

  /** Behind the newest closed pane. */
  end(cells: Float64Array): number {
    return cells[this.at + END]!
  }
}

/** Length of a pane of such a window, ms. */
function grainOf(width: number): number {
  return Math.max(1, Math.floor(width / PANES_PER_WINDOW))
}

/** How far back a window of this width reaches at most, ms: times are whole, so panes of one ms add nothing. */
export function spanOf(width: number): number {
  return width + grainOf(width) - 1
}

/** How many numbers there are of what. */
export interface WindowShape {
  /** Of a pane. */
  readonly paneSize: number
  /** The aggregate's own, of a window without samples. */
  readonly own: readonly number[]
  /** So many of them, the first, do not follow from the panes as they close; all unless it is given. */
  readonly told?: number
}

export interface WindowPlace {
  /** ms. */
  readonly width: number
  /** Where a fold's numbers of it begin. */
  readonly at: number
  readonly ring: Ring
}
