import { durationMs } from '../gateway/model/duration.ts'
import type { Plausible } from '../gateway/model/kind.ts'
import { millionths } from './millionths.ts'

/** As many readings in a row that agree with each other, and not with what was believed, are believed after all. */
const AGREEING = 3

/** What is remembered of a metric, from the first of its cells on. */
export const MEMORY = ['believed', 'believed at', 'doubted', 'doubted at', 'doubts'] as const
const [BELIEVED, BELIEVED_AT, DOUBTED, DOUBTED_AT, DOUBTS] = [0, 1, 2, 3, 4]

/**
 * Tells a plausible value from one that no river and no kitchen makes. A value within bounds is held against the
 * last one that was believed; a jump is doubted, until the values after it agree with it rather than with what was
 * before: then it was a real one (or the instrument was moved). Values out of bounds are never believed.
 */
export class Credibility {
  readonly #minimum: number
  readonly #maximum: number
  readonly #step: number
  readonly #per: number

  constructor({ minimum = -Infinity, maximum = Infinity, step = Infinity, per }: Plausible) {
    this.#minimum = millionths(minimum)
    this.#maximum = millionths(maximum)
    this.#step = millionths(step)
    this.#per = per === undefined ? Infinity : durationMs(per)
  }

  /** Whether there are steps to remember for: bounds need no memory. */
  get remembers(): boolean {
    return this.#step < Infinity
  }

  /** Whether the next value of the metric is believed; remembers it in the cells from `at` on. */
  believes(cells: Float64Array, at: number, ts: number, value: number): boolean {
    if (value < this.#minimum || value > this.#maximum) return false
    if (this.#step === Infinity) return true
    // Nearly all: so small a step that nobody has to ask how long it took.
    if (Math.abs(value - cells[at + BELIEVED]!) <= this.#step) return this.#believe(cells, at, ts, value)
    return this.#weigh(cells, at, ts, value)
  }

  #weigh(cells: Float64Array, at: number, ts: number, value: number): boolean {
    const believed = cells[at + BELIEVED]!
    if (Number.isNaN(believed) || this.#isStep(believed, cells[at + BELIEVED_AT]!, value, ts)) {
      return this.#believe(cells, at, ts, value)
    }
    const agrees =
      cells[at + DOUBTS]! > 0 && this.#isStep(cells[at + DOUBTED]!, cells[at + DOUBTED_AT]!, value, ts)
    const doubts = agrees ? cells[at + DOUBTS]! + 1 : 1
    if (doubts >= AGREEING) return this.#believe(cells, at, ts, value)
    cells[at + DOUBTED] = value
    cells[at + DOUBTED_AT] = ts
    cells[at + DOUBTS] = doubts
    return false
  }

  #believe(cells: Float64Array, at: number, ts: number, value: number): true {
    cells[at + BELIEVED] = value
    cells[at + BELIEVED_AT] = ts
    cells[at + DOUBTS] = 0
    return true
  }

  #isStep(from: number, fromTs: number, to: number, toTs: number): boolean {
    return Math.abs(to - from) <= this.#step * Math.max(1, (toTs - fromTs) / this.#per)
  }
}
