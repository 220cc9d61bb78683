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
export class Sums implements Window {
  readonly #aggregate: 'mean' | 'sum' | 'count'
  readonly #width: number
  readonly #panes: Panes
  readonly #samples = new Samples(STRIDE)
  #sum = 0
  #count = 0

  constructor(aggregate: 'mean' | 'sum' | 'count', width: number) {
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
    const samples = this.#samples
    const last = samples.end - STRIDE
    if (last >= samples.first && this.#panes.isSame(samples.data[last]!, ts)) {
      samples.data[last] = ts
      samples.data[last + 1]! += value
      samples.data[last + 2]!++
    } else {
      const at = samples.append()
      samples.data[at] = ts
      samples.data[at + 1] = value
      samples.data[at + 2] = 1
    }
    this.#sum += value
    this.#count++
  }

  copyFrom(other: Sums): void {
    this.#samples.copyFrom(other.#samples)
    this.#sum = other.#sum
    this.#count = other.#count
  }

  toArray(): number[] {
    return this.#samples.toArray()
  }

  restore(numbers: readonly number[]): void {
    this.#samples.restore(numbers)
    this.#sum = 0
    this.#count = 0
    for (let at = 0; at < numbers.length; at += STRIDE) {
      this.#sum += numbers[at + 1]!
      this.#count += numbers[at + 2]!
    }
  }

  #evict(until: number): void {
    const samples = this.#samples
    const { data } = samples
    let first = samples.first
    while (first < samples.end && data[first]! <= until) {
      this.#sum -= data[first + 1]!
      this.#count -= data[first + 2]!
      first += STRIDE
    }
    samples.first = first
  }
}
