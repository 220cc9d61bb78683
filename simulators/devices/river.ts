import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import {
  clamp,
  dailyWave,
  DAY,
  type Effect,
  HOUR,
  MINUTE,
  type Model,
  round,
  strengthOf,
  tide,
} from './model.ts'

/** `discharge` lets untreated sewage past the station; strength 1 is a bad one. */
export const RIVER_EFFECTS = ['discharge'] as const

/** A plume needs that long to fill the section, and to leave it. */
const MIXING = 3 * MINUTE

/**
 * An automatic station on a tidal lowland canal: water that warms by day and by season, oxygen between
 * saturation and what algae give and take, a tide that pushes the flow to and fro, nutrients that wander
 * within class III of GB 3838-2002 until somebody opens a pipe.
 */
export class River implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]

  constructor(chance: Chance, effects: readonly Effect[]) {
    this.#chance = chance
    this.#effects = effects
  }

  measure(at: number): Measurement {
    const sewage = strengthOf(this.#effects, 'discharge', at, MIXING)
    const temperature = this.#temperature(at)
    // Algae make oxygen by day and use it by night: most in the late afternoon, least before dawn.
    const light = dailyWave(at, 16)
    const share = 0.86 + 0.07 * light + 0.03 * this.#wander('oxygen', at, 2 * HOUR)
    const oxygen = Math.max(0.3, saturation(temperature) * share - 4.6 * sewage)
    const current = tide(at, this.#chance.trait('tide', 0, 1))
    const silt = Math.abs(current)
    return {
      metrics: {
        ph: round(
          clamp(7.6 + 0.18 * light + 0.08 * this.#wander('ph', at, 3 * HOUR) - 0.5 * sewage, 6, 9),
          2,
        ),
        do: round(oxygen, 2),
        temperature: round(temperature + 0.8 * sewage, 1),
        conductivity: round(520 + 60 * this.#wander('salt', at, 5 * HOUR) + 420 * sewage, 0),
        turbidity: round(18 + 14 * silt + 5 * this.#wander('silt', at, HOUR) + 70 * sewage, 1),
        codmn: round(3.8 + 0.7 * this.#wander('codmn', at, 6 * HOUR) + 7.5 * sewage, 2),
        nh3n: round(0.42 + 0.18 * this.#wander('nh3n', at, 6 * HOUR) + 3.4 * sewage, 3),
        tp: round(0.12 + 0.03 * this.#wander('tp', at, 6 * HOUR) + 0.45 * sewage, 3),
        tn: round(2.1 + 0.4 * this.#wander('tn', at, 6 * HOUR) + 4.5 * sewage, 2),
        cod: round(13.5 + 2.5 * this.#wander('cod', at, 6 * HOUR) + 32 * sewage, 1),
        bod5: round(2.3 + 0.6 * this.#wander('bod5', at, 6 * HOUR) + 9 * sewage, 1),
        flow: round(6 + 14 * current + this.#wander('flow', at, HOUR), 2),
      },
    }
  }

  /** °C: 6 in late January to 28 in late July, a degree more in the afternoon than at dawn. */
  #temperature(at: number): number {
    const season = Math.cos(((at / DAY - 205) / 365.2425) * 2 * Math.PI)
    return 17 + 11 * season + 0.9 * dailyWave(at, 15) + 0.4 * this.#wander('warmth', at, 8 * HOUR)
  }

  /** Between about −1 and 1: what the water does, and what its instrument makes of it. */
  #wander(channel: string, at: number, period: number): number {
    const noise = 0.08 * this.#chance.drift(`${channel} noise`, at, MINUTE)
    return this.#chance.drift(channel, at, period) + noise
  }
}

/** Oxygen saturation of fresh water at 1 atm, mg/L, from °C: the cubic of Elmore and Hayes (1960). */
export function saturation(temperature: number): number {
  return 14.652 - 0.41022 * temperature + 0.007991 * temperature ** 2 - 0.000077774 * temperature ** 3
}
