interface Step {
  readonly to: number
  readonly isStrict: boolean
}

/**
 * Points on a line, by name, of which some are known not to be behind others. Nothing is known of where they are; only
 * whether all that was said of them can be true at once: a point cannot be before itself.
 */
export class Ordering {
  /** Points that were passed in search of contradictions so far: what it costs. */
  work = 0
  readonly #ids = new Map<string, number>()
  /** Of each point, those that it is not behind. */
  readonly #steps: Step[][] = []
  /** Where each step begins, in the order in which they were said. */
  readonly #said: number[] = []
  /** In which search a point was last passed, and whether on the way to it some other lay truly before. */
  readonly #passed: number[] = []
  readonly #passedStrictly: number[] = []
  #search = 0

  /** How much was said so far, for {@link forget}. */
  get length(): number {
    return this.#said.length
  }

  /**
   * `low` is not behind `high`, or, strictly, before it. False, and nothing is changed, when that contradicts what was
   * said before.
   */
  say(low: string, high: string, isStrict = false): boolean {
    if (this.#leads(this.#idOf(high), this.#idOf(low), isStrict)) return false
    this.assume(low, high, isStrict)
    return true
  }

  /** The same, of what is known to contradict nothing. */
  assume(low: string, high: string, isStrict = false): void {
    const from = this.#idOf(low)
    this.#steps[from]!.push({ to: this.#idOf(high), isStrict })
    this.#said.push(from)
  }

  /** Forgets what was said since then. */
  forget(length: number): void {
    while (this.#said.length > length) this.#steps[this.#said.pop()!]!.pop()
  }

  #idOf(name: string): number {
    const known = this.#ids.get(name)
    if (known !== undefined) return known
    const id = this.#steps.length
    this.#ids.set(name, id)
    this.#steps.push([])
    this.#passed.push(0)
    this.#passedStrictly.push(0)
    return id
  }

  /** Whether some way leads from one to the other that is strict, or any when it need not be. */
  #leads(from: number, to: number, isStrict: boolean): boolean {
    const search = ++this.#search
    const ways: Step[] = [{ to: from, isStrict }]
    for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
      this.work++
      if (way.to === to && way.isStrict) return true
      const passed = way.isStrict ? this.#passedStrictly : this.#passed
      if (passed[way.to] === search || this.#passedStrictly[way.to] === search) continue
      passed[way.to] = search
      for (const step of this.#steps[way.to]!) {
        ways.push(step.isStrict || !way.isStrict ? step : { to: step.to, isStrict: true })
      }
    }
    return false
  }
}
