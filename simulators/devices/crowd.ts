import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import {
  type Effect,
  hourOfDay,
  isWeekend,
  MINUTE,
  type Model,
  numberOf,
  round,
  type Setting,
  strengthOf,
} from './model.ts'

/** `festival` brings so many times the place's ordinary peak on top. */
export const CROWD_EFFECTS = ['festival'] as const

/** A festival fills a place over this time, and empties it as slowly. */
const GATHERING = 40 * MINUTE
/** How long somebody stays on average. */
const STAY = 45 * MINUTE
const OPENS = 9.5
const CLOSES = 22

/**
 * A counter at a mall or square: people follow the shop hours, more of them at weekends. Attributes: `area` in m², and
 * `ordinary_peak`, the people there on an ordinary evening.
 */
export class Crowd implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]
  readonly #area: number
  readonly #peak: number

  constructor({ chance, effects, attributes }: Setting) {
    this.#chance = chance
    this.#effects = effects
    this.#area = numberOf(attributes, 'area', 3000)
    this.#peak = numberOf(attributes, 'ordinary_peak', 0.4 * this.#area)
  }

  measure(at: number): Measurement {
    const people = Math.round(this.#people(at))
    const change = this.#people(at + MINUTE / 2) - this.#people(at - MINUTE / 2)
    // Those who leave because their time is up, and those who take their place.
    const turnover = (people * MINUTE) / STAY
    return {
      metrics: {
        people,
        density: round(people / this.#area, 3),
        inflow: round(turnover + Math.max(0, change), 1),
        outflow: round(turnover + Math.max(0, -change), 1),
      },
    }
  }

  #people(at: number): number {
    const hour = hourOfDay(at)
    const open = Math.min(1, Math.max(0, Math.min(hour - OPENS, CLOSES - hour)))
    const noon = 0.6 * Math.exp(-(((hour - 12.3) / 1.2) ** 2))
    const evening = Math.exp(-(((hour - 19.3) / 1.6) ** 2))
    const usual = open * (0.25 + 0.75 * Math.max(noon, evening)) * (isWeekend(at) ? 1 : 0.7)
    const restless = 1 + 0.08 * this.#chance.drift('restless', at, 10 * MINUTE)
    return this.#peak * (0.01 + usual + strengthOf(this.#effects, 'festival', at, GATHERING)) * restless
  }
}
