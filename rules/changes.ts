import { MILLION } from './millionths.ts'
import { Panes } from './panes.ts'
import { Samples } from './samples.ts'
import type { Window } from './window.ts'

/** Numbers per pane: time of its last sample, value of its first and of its last, changes between them. */
const STRIDE = 4

/** How often a value was another than the one before it, of the values in the window. */
export class Changes extends Samples implements Window {
  readonly #width: number
  readonly #panes: Panes
  #count = 0

  constructor(width: number) {
    super(STRIDE)
    this.#width = width
    this.#panes = new Panes(width)
  }

  get value(): number {
    return this.isEmpty ? NaN : this.#count * MILLION
  }

  push(ts: number, value: number): void {
    while (!this.isEmpty && this.data[this.first]! <= ts - this.#width) this.#evict()
    const last = this.end - STRIDE
    const isChange = !this.isEmpty && this.data[last + 2] !== value
    if (isChange) this.#count++
    if (!this.isEmpty && this.#panes.isSame(this.data[last]!, ts)) {
      this.data[last] = ts
      this.data[last + 2] = value
      if (isChange) this.data[last + 3]!++
      return
    }
    const at = this.append()
    this.data[at] = ts
    this.data[at + 1] = value
    this.data[at + 2] = value
    this.data[at + 3] = 0
  }

  override copyFrom(other: Changes): void {
    super.copyFrom(other)
    this.#count = other.#count
  }

  override restore(numbers: readonly number[]): void {
    super.restore(numbers)
    this.#count = 0
    for (let at = this.first; at < this.end; at += STRIDE) this.#count += this.#changesFrom(at)
  }

  #evict(): void {
    this.#count -= this.#changesFrom(this.first)
    this.first += STRIDE
  }

  /** Those within the pane, and the one on the way to the next. */
  #changesFrom(at: number): number {
    const next = at + STRIDE
    const isChange = next < this.end && this.data[at + 2] !== this.data[next + 1]
    return this.data[at + 3]! + Number(isChange)
  }
}
