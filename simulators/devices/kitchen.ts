import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import {
  clamp,
  DAY,
  type Effect,
  hourOfDay,
  MINUTE,
  type Model,
  numberOf,
  round,
  SECOND,
  type Setting,
  strengthOf,
} from './model.ts'

/** `rush` cooks that many times more; `purifier_off` by-passes the purifier; `grease` clogs it (0 to 1); `fan_off` stops the fan. */
export const KITCHEN_EFFECTS = ['rush', 'purifier_off', 'grease', 'fan_off'] as const

/** Opening and closing in local hours, and how busy it gets. */
const MEALS = [
  { from: 6, to: 8.5, busy: 0.4 },
  { from: 10.5, to: 13.5, busy: 1 },
  { from: 16.75, to: 21, busy: 1 },
  { from: 21, to: 23.5, busy: 0.45 },
] as const

/** A wok changes hands about this often. */
const SLOT = 90 * SECOND
/** How long the smoke of one dish hangs in the duct (e-folding), and how many slots of it still count. */
const LINGER = 100 * SECOND
const SLOTS = 8
/** Fume in the duct of a fully busy kitchen before the purifier, mg/m³: untreated, three times the limit of GB 18483-2001. */
const RAW_FUME = 6.5

/**
 * A restaurant's exhaust duct: dishes on the wok puff fume through the day's meals, a fan carries it off, an
 * electrostatic purifier takes out what its plates, greasier every day since the last cleaning, still can.
 */
export class Kitchen implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]
  readonly #stoves: number

  constructor({ chance, effects, attributes }: Setting) {
    this.#chance = chance
    this.#effects = effects
    this.#stoves = numberOf(attributes, 'stoves', 3)
  }

  measure(at: number): Measurement {
    const cooking = this.#cooking(at)
    const fan = this.#working(at) && strengthOf(this.#effects, 'fan_off', at) === 0
    const purifier = fan && strengthOf(this.#effects, 'purifier_off', at) === 0
    // Without draught the smoke stays in the kitchen; the probe in the duct sees little of it.
    const raw = cooking * RAW_FUME * (fan ? 1 : 0.15)
    const past = purifier ? 1 - this.#efficiency(at) : 1
    const fume = 0.04 + raw * past + 0.02 * this.#chance.at('fume noise', at)
    const grain = 1 + 0.06 * this.#chance.drift('grain', at, 20 * SECOND)
    return {
      metrics: {
        fume: round(fume, 2),
        pm: round(fume * 2.6 * grain, 2),
        // Purifiers of this kind hardly hold gases back.
        nmhc: round(0.4 + cooking * (purifier ? 2.1 : 2.6) * grain, 2),
        fan,
        purifier,
        // Grease in the duct loads the fan, and on the plates it insulates them.
        fan_current: fan ? round((1.8 + 0.6 * this.#stoves) * grain * (1 + 0.005 * this.#worn(at)), 2) : 0,
        purifier_current: purifier
          ? round((1.2 + 0.25 * this.#stoves * grain) * (1 - 0.004 * this.#worn(at)), 2)
          : 0,
        temperature: round(
          24 + 17 * clamp(cooking, 0, 2) + 1.5 * this.#chance.drift('heat', at, 4 * MINUTE),
          1,
        ),
        humidity: round(
          clamp(52 + 14 * cooking + 5 * this.#chance.drift('steam', at, 6 * MINUTE), 0, 100),
          1,
        ),
      },
    }
  }

  /** Smoke made just now: 1 is a busy kitchen. */
  #cooking(at: number): number {
    const newest = Math.floor(at / SLOT)
    let smoke = 0
    for (let slot = newest; slot > newest - SLOTS; slot--) {
      const since = at - (slot + this.#chance.at('begins', slot)) * SLOT
      if (since < 0) continue
      const busy = this.#busy(at - since)
      if (busy === 0) continue
      const dish = 0.55 + 0.9 * this.#chance.at('dish', slot)
      // Up within seconds, then drawn off.
      smoke += dish * busy * Math.min(1, since / (15 * SECOND)) * Math.exp(-since / LINGER)
    }
    // One average dish each slot would sum up to LINGER / SLOT.
    return (smoke * SLOT) / LINGER
  }

  #busy(at: number): number {
    const hour = hourOfDay(at)
    let busy = 0
    for (const meal of MEALS) {
      if (hour < meal.from || hour >= meal.to) continue
      // Guests come and go over half an hour.
      busy = meal.busy * Math.min(1, (hour - meal.from) * 2, (meal.to - hour) * 2)
    }
    const rush = strengthOf(this.#effects, 'rush', at)
    return busy * this.#chance.trait('popularity', 0.75, 1) * (rush === 0 ? 1 : rush)
  }

  /** The fan runs from a quarter of an hour before the first wok to a quarter after the last. */
  #working(at: number): boolean {
    const hour = hourOfDay(at)
    return MEALS.some((meal) => hour >= meal.from - 0.25 && hour < meal.to + 0.25)
  }

  /** Share of the fume that the purifier takes out. GB 18483-2001 asks for 60 to 85 % by size; clean plates do better. */
  #efficiency(at: number): number {
    const clean = this.#chance.trait('plates', 0.9, 0.94)
    const grease = strengthOf(this.#effects, 'grease', at, MINUTE)
    return clamp(clean - 0.0018 * this.#worn(at) - 0.8 * grease, 0, 1)
  }

  /** Days since the last cleaning. */
  #worn(at: number): number {
    const cycle = Math.round(this.#chance.trait('cleaned every', 20, 45))
    return (at / DAY + this.#chance.trait('cleaned on', 0, cycle)) % cycle
  }
}
