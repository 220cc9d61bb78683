import { WrongUsage } from './wrong-usage.ts'

/**
 * How device time runs against the wall clock. A device's clock must never be ahead of the gateway's
 * (contract §2, `clock_ahead`), so a run that is faster than life begins in the past and has caught up with
 * the present when it ends; a run at life's own speed, or slower, begins now.
 */
export class Pace {
  readonly #startedAt: number
  readonly #speed: number
  readonly #firstTs: number

  /** `length` is how much device time the run spans, ms; infinite only at speed 1 or slower. */
  constructor(startedAt: number, speed: number, length: number) {
    if (!(speed > 0)) throw new WrongUsage(`speed must be above 0, not ${speed}`)
    if (speed > 1 && !Number.isFinite(length)) {
      throw new WrongUsage(
        'a speed above 1 needs a duration: the run must end before its clock passes the present',
      )
    }
    this.#startedAt = startedAt
    this.#speed = speed
    this.#firstTs = Math.round(speed > 1 ? startedAt + length / speed - length : startedAt)
  }

  /** Device time of a moment of the run, epoch ms. */
  ts(elapsed: number): number {
    return this.#firstTs + elapsed
  }

  /** The moment of the run that the wall clock has come to. */
  elapsed(now: number): number {
    return (now - this.#startedAt) * this.#speed
  }
}
