import type { Limit } from './channels/channel.ts'

/** Holds posts to limits, by the times of the last ones; epoch ms. */
export class Pace {
  readonly #limits: readonly Limit[]
  readonly #longest: number
  #posts: number[]

  constructor(limits: readonly Limit[], earlier: readonly number[] = []) {
    this.#limits = limits
    this.#longest = Math.max(0, ...limits.map((limit) => limit.windowMs))
    this.#posts = [...earlier].sort((a, b) => a - b)
  }

  note(now: number): void {
    if (this.#longest === 0) return
    // Times to come are those before the clock was set back: they say nothing.
    this.#posts = this.#posts.filter((at) => at > now - this.#longest && at <= now)
    this.#posts.push(now)
  }

  /** How long the next post must wait, ms. */
  wait(now: number): number {
    let wait = 0
    for (const { posts, windowMs } of this.#limits) {
      const within = this.#within(now, windowMs)
      if (within.length >= posts) wait = Math.max(wait, within.at(-posts)! + windowMs - now)
    }
    return wait
  }

  /** Whether more than half of any limit is used up: the rest is for what is merged. */
  isBusy(now: number): boolean {
    return this.#limits.some(({ posts, windowMs }) => this.#within(now, windowMs).length * 2 >= posts)
  }

  /** Since the last post; infinite when there was none. */
  idle(now: number): number {
    const last = this.#within(now, this.#longest).at(-1)
    return last === undefined ? Infinity : now - last
  }

  #within(now: number, windowMs: number): number[] {
    return this.#posts.filter((at) => at > now - windowMs && at <= now)
  }
}

/** First and longest pause between two attempts, ms. */
const FIRST_RETRY = 1000
export const LONGEST_RETRY = 300_000

/**
 * Pause after so many failed attempts, ms: doubled each time, and somewhere in its upper half, so that receivers which
 * have come back are not met by everybody at once. `random` is in [0, 1).
 */
export function retryAfter(attempts: number, random: number): number {
  const full = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(attempts - 1, 20))
  return Math.round(full * (0.5 + random / 2))
}
