import { Panes } from './panes.ts'
import { Samples } from './samples.ts'
import type { Window } from './window.ts'

/** Numbers per pane: time of its last sample, sum, count. */
const STRIDE = 3

/**
 * A percentile by nearest rank: the least value that at least so many percent are not above. Samples of one pane
 * count as one, with their mean.
 */
export class Percentile implements Window {
  readonly #percent: number
  readonly #width: number
  readonly #panes: Panes
  readonly #samples = new Samples(STRIDE)
  /** The panes' values, rising. */
  #sorted = new Float64Array(8)
  #size = 0

  constructor(percent: number, width: number) {
    this.#percent = percent
    this.#width = width
    this.#panes = new Panes(width)
  }

  get value(): number {
    return this.#size === 0 ? NaN : this.#sorted[Math.ceil((this.#percent * this.#size) / 100) - 1]!
  }

  push(ts: number, value: number): void {
    const samples = this.#samples
    while (!samples.isEmpty && samples.data[samples.first]! <= ts - this.#width) {
      this.#take(this.#valueAt(samples.first))
      samples.first += STRIDE
    }
    let at = samples.end - STRIDE
    if (at >= samples.first && this.#panes.isSame(samples.data[at]!, ts)) {
      this.#take(this.#valueAt(at))
      samples.data[at + 1]! += value
      samples.data[at + 2]!++
    } else {
      at = samples.append()
      samples.data[at + 1] = value
      samples.data[at + 2] = 1
    }
    samples.data[at] = ts
    this.#put(this.#valueAt(at))
  }

  copyFrom(other: Percentile): void {
    this.#samples.copyFrom(other.#samples)
    if (this.#sorted.length < other.#size) this.#sorted = new Float64Array(other.#sorted.length)
    this.#sorted.set(other.#sorted.subarray(0, other.#size))
    this.#size = other.#size
  }

  toArray(): number[] {
    return this.#samples.toArray()
  }

  restore(numbers: readonly number[]): void {
    this.#samples.restore(numbers)
    this.#size = 0
    for (let at = 0; at < numbers.length; at += STRIDE) this.#put(this.#valueAt(at))
  }

  #valueAt(at: number): number {
    return this.#samples.data[at + 1]! / this.#samples.data[at + 2]!
  }

  #put(value: number): void {
    if (this.#size === this.#sorted.length) {
      const grown = new Float64Array(this.#size * 2)
      grown.set(this.#sorted)
      this.#sorted = grown
    }
    const place = this.#placeOf(value)
    this.#sorted.copyWithin(place + 1, place, this.#size)
    this.#sorted[place] = value
    this.#size++
  }

  #take(value: number): void {
    const place = this.#placeOf(value)
    this.#sorted.copyWithin(place, place + 1, this.#size)
    this.#size--
  }

  /** Of the first that is not below. */
  #placeOf(value: number): number {
    let [low, high] = [0, this.#size]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#sorted[middle]! < value) low = middle + 1
      else high = middle
    }
    return low
  }
}
