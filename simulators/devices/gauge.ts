import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import {
  type Effect,
  HOUR,
  MINUTE,
  type Model,
  numberOf,
  reservoir,
  round,
  type Setting,
  strengthOf,
  tide,
} from './model.ts'

/** `storm` rains with a strength of so many mm/h; `surge` holds the sea back that many metres high. */
export const GAUGE_EFFECTS = ['storm', 'surge'] as const

/** Metres that one millimetre of rain lifts the canal when none of it runs off. */
const METRES_PER_MM = 0.018
/** The sluices let a rise run off with this time constant. */
const RUN_OFF = 5 * HOUR

/**
 * A water gauge with a rain gauge on its roof: a tide, and a linear reservoir that rain fills and sluices empty.
 * The attribute `mean_level` is where the tide swings about, m.
 */
export class Gauge implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]
  readonly #mean: number

  constructor({ chance, effects, attributes }: Setting) {
    this.#chance = chance
    this.#effects = effects
    this.#mean = numberOf(attributes, 'mean_level', chance.trait('mean', 2.2, 2.7))
  }

  measure(at: number): Measurement {
    const swing = this.#chance.trait('swing', 0.15, 0.5) * tide(at, this.#chance.trait('tide', 0, 1))
    const surge = strengthOf(this.#effects, 'surge', at, 2 * HOUR)
    const rain = strengthOf(this.#effects, 'storm', at, 5 * MINUTE)
    const gust = 1 + 0.25 * this.#chance.drift('gust', at, 4 * MINUTE)
    const rise = METRES_PER_MM * (RUN_OFF / HOUR) * reservoir(this.#effects, 'storm', at, RUN_OFF)
    const wave = 0.01 * this.#chance.drift('wave', at, MINUTE)
    return {
      metrics: {
        level: round(this.#mean + swing + surge + rise + wave, 3),
        rainfall: round(rain * gust, 1),
      },
    }
  }
}
