import { LRUCache } from 'lru-cache'
import type { Clock } from '../model/clock.ts'

interface Bucket {
  level: number
  at: number
}

/**
 * Leaky buckets: `burst` attempts at once for each key, then one every `everyMs`. Keeps the `keys` that
 * were used last; pushing a key out takes an attacker that many attempts elsewhere.
 */
export class Throttle {
  readonly #burst: number
  readonly #everyMs: number
  readonly #clock: Clock
  readonly #buckets: LRUCache<string, Bucket>

  constructor(burst: number, everyMs: number, clock: Clock, keys = 10_000) {
    this.#burst = burst
    this.#everyMs = everyMs
    this.#clock = clock
    this.#buckets = new LRUCache({ max: keys })
  }

  allows(key: string): boolean {
    return this.#drained(key).level + 1 <= this.#burst
  }

  /** Counts one, or `amount`, even beyond the burst: then it takes the longer until the next is allowed. */
  count(key: string, amount = 1): void {
    const bucket = this.#drained(key)
    bucket.level += amount
    this.#buckets.set(key, bucket)
  }

  /** What was counted was no guess. */
  giveBack(key: string): void {
    const bucket = this.#buckets.get(key)
    if (bucket !== undefined) bucket.level = Math.max(0, bucket.level - 1)
  }

  #drained(key: string): Bucket {
    const now = this.#clock.now()
    const bucket = this.#buckets.get(key) ?? { level: 0, at: now }
    // A clock that was set back must neither fill nor empty a bucket.
    bucket.level = Math.max(0, bucket.level - Math.max(0, now - bucket.at) / this.#everyMs)
    bucket.at = now
    return bucket
  }
}
