import type { Clock } from '../model/clock.ts'
import { Throttle } from '../registry/throttle.ts'
import { addressKey, networkKey } from './address-key.ts'

/**
 * How much people who have not signed in may do: so many at once, then one each so many ms. Many share an address
 * behind a carrier's NAT, so it is the loosest that still stops a loop.
 */
const REPORTS = {
  address: [10, 30_000],
  network: [60, 2000],
  // So that two phones do not silence a place.
  place: [20, 3000],
  phone: [5, 600_000],
  all: [300, 200],
} as const
const PHOTOS = { address: [30, 10_000], network: [120, 1000], all: [300, 500] } as const
/** Of photos, MiB: the page makes one a third of that. */
const PHOTO_MIB = { address: [100, 60_000], all: [1024, 60_000] } as const
const MIB = 1024 * 1024
/** The page looks every 20 s; a look at a case with a long story costs a millisecond or two. */
const VIEWS = { address: [120, 200], network: [600, 50], all: [1000, 10] } as const
const RATINGS = { address: [10, 30_000], all: [300, 200] } as const
/** Codes and numbers that were made up, from one address and from all: 60 and 55 bits are not found at this pace. */
const GUESSES = { address: [20, 30_000] } as const
/**
 * When so many are made up everywhere, one mistake is enough for an address to wait. Nobody else does, or whoever has
 * many addresses could keep all people from reporting.
 */
const GUESSES_OF_ALL = { all: [1000, 500] } as const
const WARY = { address: [1, 30_000] } as const

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

  count(keys: Partial<Record<keyof L, string>>, amount = 1): void {
    for (const [throttle, key] of this.#asked(keys)) throttle.count(key, amount)
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
  readonly #views: Limit<typeof VIEWS>
  readonly #ratings: Limit<typeof RATINGS>
  readonly #photoMib: Limit<typeof PHOTO_MIB>
  readonly #guesses: Limit<typeof GUESSES>
  readonly #guessesOfAll: Limit<typeof GUESSES_OF_ALL>
  readonly #wary: Limit<typeof WARY>

  constructor(clock: Clock) {
    this.#reports = new Limit(REPORTS, clock)
    this.#photos = new Limit(PHOTOS, clock)
    this.#views = new Limit(VIEWS, clock)
    this.#ratings = new Limit(RATINGS, clock)
    this.#photoMib = new Limit(PHOTO_MIB, clock)
    this.#guesses = new Limit(GUESSES, clock)
    this.#guessesOfAll = new Limit(GUESSES_OF_ALL, clock)
    this.#wary = new Limit(WARY, clock)
  }

  /** Counts a report, or throws {@link TooMany}. */
  report(address: string, place: string, phone: string | null): void {
    const keys = { ...of(address), place, ...(phone !== null && { phone }) }
    if (!this.#reports.allows(keys)) throw new TooMany('so many reports at once; try again in a minute')
    this.#reports.count(keys)
  }

  photo(address: string): void {
    const keys = of(address)
    const mayBring = this.#photoMib.allows({ address: keys.address, all: '' })
    if (!mayBring || !this.#photos.allows(keys))
      throw new TooMany('so many photos at once; try again in a minute')
    this.#photos.count(keys)
  }

  view(address: string): void {
    const keys = of(address)
    if (!this.#views.allows(keys)) throw new TooMany('so many looks at once; try again in a minute')
    this.#views.count(keys)
  }

  /** What has come in of a photo, whatever becomes of it. */
  photoBytes(address: string, bytes: number): void {
    this.#photoMib.count({ address: addressKey(address), all: '' }, bytes / MIB)
  }

  rating(address: string): void {
    const keys = { address: addressKey(address), all: '' }
    if (!this.#ratings.allows(keys)) throw new TooMany('try again in a minute')
    this.#ratings.count(keys)
  }

  /** Before a code or number is looked at. */
  mayGuess(address: string): void {
    const key = { address: addressKey(address) }
    const isWary = !this.#guessesOfAll.allows({ all: '' })
    if (!this.#guesses.allows(key) || (isWary && !this.#wary.allows(key)))
      throw new TooMany('too many codes that are none; try again in a minute')
  }

  /** It was none. */
  guessed(address: string): void {
    const key = { address: addressKey(address) }
    this.#guesses.count(key)
    this.#wary.count(key)
    this.#guessesOfAll.count({ all: '' })
  }
}

/** Who asks, as limits count it: the address, whoever it was given to with many others, and everybody. */
function of(address: string) {
  const isOfMany = address.includes(':')
  return { address: addressKey(address), all: '', ...(isOfMany && { network: networkKey(address) }) }
}
