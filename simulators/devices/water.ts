import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import { clamp, dailyWave, DAY, HOUR, MINUTE, round, tide } from './model.ts'

/** What has come into the water: 1 is bad sewage undiluted, 1 is the first flush of a cloudburst. */
export interface Load {
  readonly sewage: number
  readonly runOff: number
}

/**
 * A tidal lowland canal, wherever it is measured: water that warms by day and by season, oxygen between saturation
 * and what algae give and take, a tide that pushes the flow to and fro, nutrients that wander within class III of
 * GB 3838-2002 until somebody opens a pipe.
 */
export class Water {
  readonly #chance: Chance

  constructor(chance: Chance) {
    this.#chance = chance
  }

  measure(at: number, { sewage, runOff }: Load): Measurement['metrics'] {
    const temperature = this.#temperature(at)
    // Algae make oxygen by day and use it by night: most in the late afternoon, least before dawn.
    const light = dailyWave(at, 16)
    const share = 0.86 + 0.07 * light + 0.03 * this.#wander('oxygen', at, 2 * HOUR)
    const oxygen = Math.max(0.3, saturation(temperature) * share - 4.6 * sewage - 0.4 * runOff)
    const current = tide(at, this.#chance.trait('tide', 0, 1))
    const silt = Math.abs(current)
    return {
      ph: round(clamp(7.6 + 0.18 * light + 0.08 * this.#wander('ph', at, 3 * HOUR) - 0.5 * sewage, 6, 9), 2),
      do: round(oxygen, 2),
      temperature: round(temperature + 0.8 * sewage, 1),
      // Rain is soft water.
      conductivity: round(
        (520 + 60 * this.#wander('salt', at, 5 * HOUR)) / (1 + 0.3 * runOff) + 420 * sewage,
        0,
      ),
      turbidity: round(18 + 14 * silt + 5 * this.#wander('silt', at, HOUR) + 70 * sewage + 110 * runOff, 1),
      codmn: round(3.8 + 0.7 * this.#wander('codmn', at, 6 * HOUR) + 7.5 * sewage + 0.6 * runOff, 2),
      nh3n: round(0.42 + 0.18 * this.#wander('nh3n', at, 6 * HOUR) + 3.4 * sewage + 0.1 * runOff, 3),
      tp: round(0.12 + 0.03 * this.#wander('tp', at, 6 * HOUR) + 0.45 * sewage + 0.02 * runOff, 3),
      tn: round(2.1 + 0.4 * this.#wander('tn', at, 6 * HOUR) + 4.5 * sewage + 0.3 * runOff, 2),
      cod: round(13.5 + 2.5 * this.#wander('cod', at, 6 * HOUR) + 32 * sewage + 1.5 * runOff, 1),
      bod5: round(2.3 + 0.6 * this.#wander('bod5', at, 6 * HOUR) + 9 * sewage + 0.3 * runOff, 1),
      flow: round(6 + 14 * current + this.#wander('flow', at, HOUR) + 12 * runOff, 2),
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
