import type { Clock } from '../model/clock.ts'
import { Throttle } from '../registry/throttle.ts'
import { addressKey } from './address-key.ts'

/**
 * How much people who have not signed in may do: so many at once, then one each so many ms. Many share an address
 * behind a carrier's NAT, so it is the loosest that still stops a loop.
 */
const REPORTS = {
  address: [10, 30_000],
  place: [20, 15_000],
  phone: [5, 600_000],
  all: [300, 200],
} as const
const PHOTOS = { address: [30, 10_000], all: [300, 500] } as const
const RATINGS = { address: [10, 30_000], all: [300, 200] } as const
/** Codes and numbers that were made up, from one address and from all: 60 and 55 bits are not found at this pace. */
const GUESSES = { address: [20, 30_000], all: [1000, 500] } as const

type Limits = Readonly<Record<string, readonly [burst: number, everyMs: number]>>

/** Throttles that are asked together: one that says no lets none of them count. */
class Limit<L extends Limits> {
  readonly #throttles: ReadonlyMap<string, Throttle>

  constructor(limits: L, clock: Clock) {
    this.#throttles = new Map(
      Object.entries(limits).map(([name, [burst, every]]) => [name, new Throttle(burst, every, clock)]),
    )
  }

  allows(keys: Partial<Record<keyof L, string>>): boolean {
    return this.#asked(keys).every(([throttle, key]) => throttle.allows(key))
  }

  count(keys: Partial<Record<keyof L, string>>): void {
    for (const [throttle, key] of this.#asked(keys)) throttle.count(key)
  }

  #asked(keys: Partial<Record<keyof L, string>>): [Throttle, string][] {
    return Object.entries(keys).map(([name, key]) => [this.#throttles.get(name)!, key as string])
  }
}

/** Refused for now; nothing was stored. */
export class TooMany extends Error {
  override readonly name = 'TooMany'
}

export class StrangerLimits {
  readonly #reports: Limit<typeof REPORTS>
  readonly #photos: Limit<typeof PHOTOS>
  readonly #ratings: Limit<typeof RATINGS>
  readonly #guesses: Limit<typeof GUESSES>

  constructor(clock: Clock) {
    this.#reports = new Limit(REPORTS, clock)
    this.#photos = new Limit(PHOTOS, clock)
    this.#ratings = new Limit(RATINGS, clock)
    this.#guesses = new Limit(GUESSES, clock)
  }

  /** Counts a report, or throws {@link TooMany}. */
  report(address: string, place: string, phone: string | null): void {
    const keys = { address: addressKey(address), place, all: '', ...(phone !== null && { phone }) }
    if (!this.#reports.allows(keys)) throw new TooMany('so many reports at once; try again in a minute')
    this.#reports.count(keys)
  }

  photo(address: string): void {
    const keys = { address: addressKey(address), all: '' }
    if (!this.#photos.allows(keys)) throw new TooMany('so many photos at once; try again in a minute')
    this.#photos.count(keys)
  }

  rating(address: string): void {
    const keys = { address: addressKey(address), all: '' }
    if (!this.#ratings.allows(keys)) throw new TooMany('try again in a minute')
    this.#ratings.count(keys)
  }

  /** Before a code or number is looked at. */
  mayGuess(address: string): void {
    if (!this.#guesses.allows({ address: addressKey(address), all: '' }))
      throw new TooMany('too many codes that are none; try again in a minute')
  }

  /** It was none. */
  guessed(address: string): void {
    this.#guesses.count({ address: addressKey(address), all: '' })
  }
}
