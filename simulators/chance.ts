import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { skipN } from 'pure-rand/utils/skipN'

/**
 * Randomness as a function instead of a stream: the same seed, owner, channel and step always give the same
 * number, in whatever order they are asked for. That is what lets a model answer for any moment, and a run
 * repeat byte for byte.
 */
export class Chance {
  readonly #root: number

  constructor(seed: number, owner: string) {
    this.#root = hash(owner, mix(seed))
  }

  /** Uniform in [0, 1). */
  at(channel: string, step = 0): number {
    const generator = xoroshiro128plus(mix(hash(channel, this.#root) ^ mix(step)))
    // Its first outputs are still a linear picture of the seed.
    skipN(generator, 4)
    return uniformFloat64(generator)
  }

  /** Uniform in [low, high): a property that the owner keeps for good. */
  trait(channel: string, low: number, high: number): number {
    return low + (high - low) * this.at(channel)
  }

  /** Wanders smoothly between −1 and 1, with a new target every `period` (same unit as `time`). */
  drift(channel: string, time: number, period: number): number {
    const step = Math.floor(time / period)
    const from = this.at(channel, step)
    const to = this.at(channel, step + 1)
    const x = time / period - step
    const eased = x * x * (3 - 2 * x)
    return 2 * (from + (to - from) * eased) - 1
  }
}

/** FNV-1a, 32 bit. */
function hash(text: string, seed: number): number {
  let value = 0x811c9dc5 ^ seed
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return mix(value)
}

/** The 32-bit finaliser of MurmurHash3: neighbouring numbers come out unrelated. */
function mix(number: number): number {
  let value = number | 0
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return value ^ (value >>> 16)
}
