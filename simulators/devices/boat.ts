import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import { Course, metres, offset } from './course.ts'
import { type Effect, type Model, round, SECOND, type Setting, shareOf } from './model.ts'
import { MIXING, runOffOf } from './river.ts'
import { Water } from './water.ts'

/** `discharge` at a place: the boat finds it where it sails by; without a place all along. `storm` rains so many mm/h. */
export const BOAT_EFFECTS = ['discharge', 'storm'] as const

/** Survey speed, m/s. */
const SPEED = 2
/** A plume in the canal is about so long, m (standard deviation). */
const PLUME = 250

/** A survey boat that sails its course up and down and measures the water under it (走航). */
export class Boat implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]
  readonly #water: Water
  readonly #course: Course

  constructor({ chance, effects, position, path }: Setting) {
    this.#chance = chance
    this.#effects = effects
    this.#water = new Water(chance)
    this.#course = new Course(path.length > 1 ? path : [position, offset(position, 1500, 0)])
  }

  measure(at: number): Measurement {
    const { position } = this.#course.shuttle((SPEED * at) / SECOND)
    const [longitude, latitude] = offset(position, 0, 4 * this.#chance.drift('helm', at, 20 * SECOND))
    let sewage = 0
    for (const effect of this.#effects) {
      if (effect.what !== 'discharge') continue
      const away = effect.place === undefined ? 0 : metres(position, effect.place)
      sewage += effect.strength * shareOf(effect, at, MIXING) * Math.exp(-0.5 * (away / PLUME) ** 2)
    }
    return {
      metrics: this.#water.measure(at, { sewage, runOff: runOffOf(this.#effects, at) }),
      position: [round(longitude, 6), round(latitude, 6)],
    }
  }
}
