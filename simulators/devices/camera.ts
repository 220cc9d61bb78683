import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import {
  clamp,
  dailyWave,
  type Effect,
  hourOfDay,
  MINUTE,
  type Model,
  round,
  type Setting,
  strengthOf,
} from './model.ts'

/**
 * `fishing` seats so many people at the water; `dumping` brings so many tippers; `fire` burns (1 is a heap of straw) and
 * smokes; `vessels` brings so many boats.
 */
export const CAMERA_EFFECTS = ['fishing', 'dumping', 'fire', 'vessels'] as const

/** The algorithm looks at the picture anew this often. */
const FRAME = 10 * 1000

/** A camera with a thermal eye on the river bank: people stroll by, boats pass, and sometimes something is wrong. */
export class Camera implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]

  constructor({ chance, effects }: Setting) {
    this.#chance = chance
    this.#effects = effects
  }

  measure(at: number): Measurement {
    const frame = Math.floor(at / FRAME)
    const fishing = this.#count('fishing', at, frame)
    const dumping = this.#count('dumping', at, frame)
    const fire = strengthOf(this.#effects, 'fire', at, 3 * MINUTE)
    const hour = hourOfDay(at)
    // The path along the bank is busy after supper and empty at night.
    const strollers = hour < 5.5 || hour > 22.5 ? 0.1 : 2 + 2 * clamp(dailyWave(at, 19), 0, 1)
    const boats = hour < 5 || hour > 20 ? 0.05 : 0.5
    return {
      metrics: {
        thermal_max: round(
          24 +
            9 * clamp(dailyWave(at, 14), -0.5, 1) +
            2 * this.#chance.drift('warmth', at, 5 * MINUTE) +
            260 * fire,
          1,
        ),
        person: this.#arrivals('person', at, strollers) + fishing + dumping,
        vessel: this.#arrivals('vessel', at, boats) + this.#count('vessels', at, frame),
        fishing,
        dumping,
        smoke: fire > 0.1 ? 1 : 0,
        fire: fire > 0.3 ? 1 : 0,
      },
    }
  }

  /** An algorithm misses one of ten even when they sit still. */
  #count(what: string, at: number, frame: number): number {
    let seen = 0
    const there = Math.round(strengthOf(this.#effects, what, at))
    for (let one = 0; one < there; one++) if (this.#chance.at(`${what} ${one}`, frame) > 0.1) seen++
    return seen
  }

  /** Those in view: each minute somebody may come, and stays for two. */
  #arrivals(what: string, at: number, mean: number): number {
    const minute = Math.floor(at / MINUTE)
    let there = 0
    for (const since of [0, 1]) there += poisson(mean / 2, this.#chance.at(what, minute - since))
    return there
  }
}

/** The number whose cumulative Poisson share a uniform number falls into. */
function poisson(mean: number, uniform: number): number {
  let count = 0
  let share = Math.exp(-mean)
  for (let sum = share; uniform > sum && count < 50; sum += share) share *= mean / ++count
  return count
}
