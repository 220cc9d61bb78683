/** A window is kept in at most this many panes, whatever the rate of readings. */
const PANES_PER_WINDOW = 1000

/** Divides event time into the panes of a window of this width. */
export class Panes {
  readonly #grain: number

  constructor(width: number) {
    this.#grain = Math.max(1, Math.floor(width / PANES_PER_WINDOW))
  }

  isSame(ts: number, other: number): boolean {
    return Math.floor(ts / this.#grain) === Math.floor(other / this.#grain)
  }
}
