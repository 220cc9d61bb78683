import { MILLION } from './millionths.ts'
import { Panes } from './panes.ts'
import { Samples } from './samples.ts'
import type { Window } from './window.ts'

/** Numbers per pane: time of its last sample, sum, count. */
const STRIDE = 3

/**
 * Mean, sum or count. Values are whole millionths, so sums are exact up to 2^53 (a total of 9·10⁹ units), nothing
 * drifts, and the order of additions does not matter.
 */
export class Sums extends Samples implements Window {
  readonly #aggregate: 'mean' | 'sum' | 'count'
  readonly #width: number
  readonly #panes: Panes
  #sum = 0
  #count = 0

  constructor(aggregate: 'mean' | 'sum' | 'count', width: number) {
    super(STRIDE)
    this.#aggregate = aggregate
    this.#width = width
    this.#panes = new Panes(width)
  }

  get value(): number {
    if (this.#aggregate === 'count') return this.#count * MILLION
    return this.#aggregate === 'sum' ? this.#sum : this.#sum / this.#count
  }

  push(ts: number, value: number): void {
    this.#evict(ts - this.#width)
    const last = this.end - STRIDE
    if (last >= this.first && this.#panes.isSame(this.data[last]!, ts)) {
      this.data[last] = ts
      this.data[last + 1]! += value
      this.data[last + 2]!++
    } else {
      const at = this.append()
      this.data[at] = ts
      this.data[at + 1] = value
      this.data[at + 2] = 1
    }
    this.#sum += value
    this.#count++
  }

  override copyFrom(other: Sums): void {
    super.copyFrom(other)
    this.#sum = other.#sum
    this.#count = other.#count
  }

  override restore(numbers: readonly number[]): void {
    super.restore(numbers)
    this.#sum = 0
    this.#count = 0
    for (let at = 0; at < numbers.length; at += STRIDE) {
      this.#sum += numbers[at + 1]!
      this.#count += numbers[at + 2]!
    }
  }

  #evict(until: number): void {
    const { data } = this
    let { first } = this
    while (first < this.end && data[first]! <= until) {
      this.#sum -= data[first + 1]!
      this.#count -= data[first + 2]!
      first += STRIDE
    }
    this.first = first
  }
}
