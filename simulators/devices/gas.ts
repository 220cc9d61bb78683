import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import { type Effect, MINUTE, type Model, reservoir, round, type Setting } from './model.ts'

/** `leak` of fuel gas, `smoulder` (carbon monoxide) and `sewer_gas` (hydrogen sulphide); strength 1 is dangerous within minutes. */
export const GAS_EFFECTS = ['leak', 'smoulder', 'sewer_gas'] as const

/** A room fills, and airs, with this time constant. */
const AIRING = 6 * MINUTE

/** A gas detector on the wall of a room that gas flows into and air blows out of. */
export class GasDetector implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]

  constructor({ chance, effects }: Setting) {
    this.#chance = chance
    this.#effects = effects
  }

  measure(at: number): Measurement {
    const level = (what: string): number => reservoir(this.#effects, what, at, AIRING)
    const quiver = (channel: string): number => 1 + this.#chance.drift(channel, at, 2 * MINUTE)
    return {
      metrics: {
        lel: round(0.6 * quiver('lel') + 60 * level('leak'), 1),
        co: round(1.5 * quiver('co') + 260 * level('smoulder'), 1),
        h2s: round(0.2 * quiver('h2s') + 40 * level('sewer_gas'), 1),
      },
    }
  }
}
