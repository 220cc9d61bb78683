import { MILLION } from './millionths.ts'
import { Panes } from './panes.ts'
import { Samples } from './samples.ts'
import type { Window } from './window.ts'

/** Numbers per pane: time of its last change, changes. */
const STRIDE = 2

/**
 * How often the value became another than the one before it. Kept are only the changes, for most values are none; the
 * value before the window counts too, however long ago it came.
 */
export class Changes implements Window {
  readonly #width: number
  readonly #panes: Panes
  readonly #samples = new Samples(STRIDE)
  #newest = NaN
  #count = 0

  constructor(width: number) {
    this.#width = width
    this.#panes = new Panes(width)
  }

  get value(): number {
    return Number.isNaN(this.#newest) ? NaN : this.#count * MILLION
  }

  push(ts: number, value: number): void {
    const samples = this.#samples
    while (!samples.isEmpty && samples.data[samples.first]! <= ts - this.#width) {
      this.#count -= samples.data[samples.first + 1]!
      samples.first += STRIDE
    }
    const isChange = value !== this.#newest && !Number.isNaN(this.#newest)
    this.#newest = value
    if (!isChange) return
    this.#count++
    const last = samples.end - STRIDE
    if (!samples.isEmpty && this.#panes.isSame(samples.data[last]!, ts)) {
      samples.data[last] = ts
      samples.data[last + 1]!++
      return
    }
    const at = samples.append()
    samples.data[at] = ts
    samples.data[at + 1] = 1
  }

  copyFrom(other: Changes): void {
    this.#samples.copyFrom(other.#samples)
    this.#newest = other.#newest
    this.#count = other.#count
  }

  /** The newest value, then the panes. */
  toArray(): number[] {
    return Number.isNaN(this.#newest) ? [] : [this.#newest, ...this.#samples.toArray()]
  }

  restore([newest = NaN, ...panes]: readonly number[]): void {
    this.#newest = newest
    this.#samples.restore(panes)
    this.#count = 0
    for (let at = 1; at < panes.length; at += STRIDE) this.#count += panes[at]!
  }
}
