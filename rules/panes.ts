/** A window is kept in at most this many panes, whatever the rate of readings. */
const PANES_PER_WINDOW = 1000
/** Numbers per pane: time of its last sample, sum, count. */
const STRIDE = 3

/**
 * A trailing window (ts − width, ts] of whole numbers, with its sum and count.
 *
 * Samples of the same thousandth of the window (counted from the epoch, so that it does not depend on where
 * the window began) share a pane and leave together with its last one: memory is bounded, and the window is
 * at most a thousandth too long for devices that are faster than that. Values are whole millionths, so sums
 * are exact up to 2^53 (a total of 9·10⁹ units), nothing drifts, and the order of additions does not matter.
 */
export class Panes {
  sum = 0
  count = 0
  readonly #width: number
  readonly #grain: number
  #data = new Float64Array(8 * STRIDE)
  #first = 0
  #end = 0

  constructor(width: number) {
    this.#width = width
    this.#grain = Math.max(1, Math.floor(width / PANES_PER_WINDOW))
  }

  /** Takes a sample that is not older than any before it, and drops what has left the window. */
  push(ts: number, value: number): void {
    this.#evict(ts - this.#width)
    const data = this.#data
    const last = this.#end - STRIDE
    if (last >= this.#first && Math.floor(data[last]! / this.#grain) === Math.floor(ts / this.#grain)) {
      data[last] = ts
      data[last + 1]! += value
      data[last + 2]!++
    } else {
      this.#append(ts, value, 1)
    }
    this.sum += value
    this.count++
  }

  copyFrom(other: Panes): void {
    const length = other.#end - other.#first
    if (this.#data.length < length) this.#data = new Float64Array(other.#data.length)
    this.#data.set(other.#data.subarray(other.#first, other.#end))
    this.#first = 0
    this.#end = length
    this.sum = other.sum
    this.count = other.count
  }

  /** `[last ts, sum, count]` of each pane after another, oldest first. */
  toArray(): number[] {
    return Array.from(this.#data.subarray(this.#first, this.#end))
  }

  restore(panes: readonly number[]): void {
    for (let at = 0; at + 2 < panes.length; at += STRIDE) {
      this.#append(panes[at]!, panes[at + 1]!, panes[at + 2]!)
      this.sum += panes[at + 1]!
      this.count += panes[at + 2]!
    }
  }

  #evict(until: number): void {
    const data = this.#data
    let first = this.#first
    while (first < this.#end && data[first]! <= until) {
      this.sum -= data[first + 1]!
      this.count -= data[first + 2]!
      first += STRIDE
    }
    this.#first = first
  }

  #append(ts: number, sum: number, count: number): void {
    if (this.#end === this.#data.length) this.#makeRoom()
    const data = this.#data
    data[this.#end] = ts
    data[this.#end + 1] = sum
    data[this.#end + 2] = count
    this.#end += STRIDE
  }

  /** Moves the panes to the front when that frees half of the room, else doubles it. */
  #makeRoom(): void {
    const live = this.#end - this.#first
    const data = live * 2 <= this.#data.length ? this.#data : new Float64Array(this.#data.length * 2)
    data.set(this.#data.subarray(this.#first, this.#end))
    this.#data = data
    this.#first = 0
    this.#end = live
  }
}
