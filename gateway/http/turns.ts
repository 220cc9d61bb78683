import { setImmediate as nextTurn } from 'node:timers/promises'
import { Problem } from './problem.ts'

/** Requests that may wait for their turn: some seconds of work. */
const MOST_WAITING = 100

/**
 * For requests that keep the thread busy for milliseconds: one at a time, with everything else that waits (readings
 * above all) between two of them, however many come at once.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve()
  #waiting = 0

  /** Resolves when it is the caller's turn; rejects with a {@link Problem} when too many wait. */
  async take(): Promise<void> {
    if (this.#waiting >= MOST_WAITING) throw new Problem('overloaded', 'too many requests of this sort wait')
    this.#waiting++
    this.#last = this.#last.then(() => nextTurn())
    await this.#last
    this.#waiting--
  }
}
