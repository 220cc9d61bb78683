import { Panes } from './panes.ts'
import { Samples } from './samples.ts'
import type { Window } from './window.ts'

/** Numbers per candidate: time of its pane's last sample, value. */
const STRIDE = 2

/**
 * The greatest value (sign 1) or the least (sign −1). Kept are only the candidates: values with no greater one
 * after them, so they fall from the oldest, which is the answer, to the newest.
 */
export class Extremes extends Samples implements Window {
  readonly #sign: 1 | -1
  readonly #width: number
  readonly #panes: Panes

  constructor(sign: 1 | -1, width: number) {
    super(STRIDE)
    this.#sign = sign
    this.#width = width
    this.#panes = new Panes(width)
  }

  get value(): number {
    const { data, first, end } = this
    return first === end ? NaN : data[first + 1]! * this.#sign
  }

  push(ts: number, value: number): void {
    const { data } = this
    let { first, end } = this
    while (first < end && data[first]! <= ts - this.#width) first += STRIDE
    let signed = value * this.#sign
    if (first < end && this.#panes.isSame(data[end - STRIDE]!, ts)) {
      signed = Math.max(signed, data[end - 1]!)
      end -= STRIDE
    }
    while (first < end && data[end - 1]! <= signed) end -= STRIDE
    this.first = first
    this.end = end
    const at = this.append()
    this.data[at] = ts
    this.data[at + 1] = signed
  }

  override copyFrom(other: Extremes): void {
    super.copyFrom(other)
  }
}

/** The greatest value less the least. */
export class Range implements Window {
  readonly #greatest: Extremes
  readonly #least: Extremes

  constructor(width: number) {
    this.#greatest = new Extremes(1, width)
    this.#least = new Extremes(-1, width)
  }

  get value(): number {
    return this.#greatest.value - this.#least.value
  }

  push(ts: number, value: number): void {
    this.#greatest.push(ts, value)
    this.#least.push(ts, value)
  }

  copyFrom(other: Range): void {
    this.#greatest.copyFrom(other.#greatest)
    this.#least.copyFrom(other.#least)
  }

  /** How many numbers are the greatest's, then those, then the least's. */
  toArray(): number[] {
    const greatest = this.#greatest.toArray()
    return [greatest.length, ...greatest, ...this.#least.toArray()]
  }

  restore([length = 0, ...numbers]: readonly number[]): void {
    this.#greatest.restore(numbers.slice(0, length))
    this.#least.restore(numbers.slice(length))
  }
}
