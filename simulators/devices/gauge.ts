import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import { type Effect, HOUR, type Model, MINUTE, round, strengthOf, tide } from './model.ts'

/** `storm` rains with a strength of so many mm/h. */
export const GAUGE_EFFECTS = ['storm'] as const

/** Metres that one millimetre of rain lifts the canal when none of it runs off. */
const METRES_PER_MM = 0.018
/** The sluices let a rise run off with this time constant. */
const RUN_OFF = 5 * HOUR

/** A water gauge with a rain gauge on its roof: a tide, and a linear reservoir that rain fills and sluices empty. */
export class Gauge implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]

  constructor(chance: Chance, effects: readonly Effect[]) {
    this.#chance = chance
    this.#effects = effects
  }

  measure(at: number): Measurement {
    const mean = this.#chance.trait('mean', 2.2, 2.7)
    const swing = this.#chance.trait('swing', 0.15, 0.5) * tide(at, this.#chance.trait('tide', 0, 1))
    const rain = strengthOf(this.#effects, 'storm', at, 5 * MINUTE)
    const gust = 1 + 0.25 * this.#chance.drift('gust', at, 4 * MINUTE)
    return {
      metrics: {
        level: round(mean + swing + this.#rise(at) + 0.01 * this.#chance.drift('wave', at, MINUTE), 3),
        rainfall: round(rain * gust, 1),
      },
    }
  }

  /** What the storms up to now have left, m: dh/dt = rain − h/RUN_OFF, solved for each storm's constant rain. */
  #rise(at: number): number {
    let rise = 0
    for (const storm of this.#effects) {
      if (storm.what !== 'storm' || at <= storm.from) continue
      const end = Math.min(at, storm.to)
      const full = storm.strength * METRES_PER_MM * (RUN_OFF / HOUR)
      rise += full * (1 - Math.exp((storm.from - end) / RUN_OFF)) * Math.exp((end - at) / RUN_OFF)
    }
    return rise
  }
}
