/** So many a second, a second's worth at once. What is over is not refused but has to wait. */
export class Allowance {
  readonly #perSecond: number
  #left: number
  #at: number

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond
    this.#left = perSecond
    this.#at = now
  }

  /** Takes `count`, and answers for how many ms nothing more may be taken. */
  spend(count: number, now: number): number {
    const earned = ((now - this.#at) * this.#perSecond) / 1000
    this.#left = Math.min(this.#perSecond, this.#left + earned) - count
    this.#at = now
    return this.#left >= 0 ? 0 : (-this.#left * 1000) / this.#perSecond
  }
}
