import { Panes } from './panes.ts'
import { Samples } from './samples.ts'
import type { Window } from './window.ts'

/** Numbers per pane: time of its last sample, time and value of its first. */
const STRIDE = 3
const HOUR_MS = 3_600_000

/** Change per hour: the newest value less the oldest, by the time between them. Not known of a single instant. */
export class Rate implements Window {
  readonly #width: number
  readonly #panes: Panes
  readonly #samples = new Samples(STRIDE)
  #newest = NaN

  constructor(width: number) {
    this.#width = width
    this.#panes = new Panes(width)
  }

  get value(): number {
    const { data, first, end, isEmpty } = this.#samples
    if (isEmpty) return NaN
    const elapsed = data[end - STRIDE]! - data[first + 1]!
    // Multiplied first: a change that is exactly the limit must not end up beside it.
    return elapsed === 0 ? NaN : ((this.#newest - data[first + 2]!) * HOUR_MS) / elapsed
  }

  push(ts: number, value: number): void {
    const samples = this.#samples
    while (!samples.isEmpty && samples.data[samples.first]! <= ts - this.#width) samples.first += STRIDE
    this.#newest = value
    if (!samples.isEmpty && this.#panes.isSame(samples.data[samples.end - STRIDE]!, ts)) {
      samples.data[samples.end - STRIDE] = ts
      return
    }
    const at = samples.append()
    samples.data[at] = ts
    samples.data[at + 1] = ts
    samples.data[at + 2] = value
  }

  copyFrom(other: Rate): void {
    this.#samples.copyFrom(other.#samples)
    this.#newest = other.#newest
  }

  /** The newest value, then the panes. */
  toArray(): number[] {
    return this.#samples.isEmpty ? [] : [this.#newest, ...this.#samples.toArray()]
  }

  restore([newest = NaN, ...panes]: readonly number[]): void {
    this.#newest = newest
    this.#samples.restore(panes)
  }
}
