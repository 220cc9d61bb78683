import type { Measurement } from '../reading.ts'
import { type Effect, HOUR, MINUTE, type Model, reservoir, type Setting, strengthOf } from './model.ts'
import { Water } from './water.ts'

/** `discharge` lets untreated sewage past the station, strength 1 is a bad one; `storm` rains so many mm/h. */
export const RIVER_EFFECTS = ['discharge', 'storm'] as const

/** A plume needs that long to fill the section, and to leave it. */
export const MIXING = 3 * MINUTE
/** Streets and fields go on draining with this time constant. */
const DRAINING = 4 * HOUR
/** Rain, mm/h, that keeps up a first flush. */
const CLOUDBURST = 50

/** An automatic station at a section of a canal. */
export class River implements Model {
  readonly #effects: readonly Effect[]
  readonly #water: Water

  constructor({ chance, effects }: Setting) {
    this.#effects = effects
    this.#water = new Water(chance)
  }

  measure(at: number): Measurement {
    const sewage = strengthOf(this.#effects, 'discharge', at, MIXING)
    return { metrics: this.#water.measure(at, { sewage, runOff: runOffOf(this.#effects, at) }) }
  }
}

export function runOffOf(effects: readonly Effect[], at: number): number {
  return reservoir(effects, 'storm', at, DRAINING) / CLOUDBURST
}
