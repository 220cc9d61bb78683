import type { Chance } from '../chance.ts'
import type { Measurement, Position } from '../reading.ts'
import {
  clamp,
  DAY,
  type Effect,
  HOUR,
  hourOfDay,
  MINUTE,
  type Model,
  round,
  SECOND,
  strengthOf,
} from './model.ts'

/** `headwind` costs so many percent of battery more each minute. */
export const DRONE_EFFECTS = ['headwind'] as const

/** A sortie, and with the charging that follows it in the dock; a day has a whole number of both. */
const FLIGHT = 24 * MINUTE
const CYCLE = 40 * MINUTE
/** Percent a minute: down in the air, so that a calm sortie lands with half, and up in the dock. */
const DRAIN = 2
/** Cruise, m/s, and height over the dock, m. */
const CRUISE = 9
const HEIGHT = 90
const CLIMB = 40 * SECOND
/** The wayline: a rectangle beside the dock, m. */
const WIDTH = 700
const DEPTH = 450

const METRES_PER_DEGREE = 111_320

/** A drone that flies the same wayline from its dock, sortie after sortie, and watches the air. */
export class Drone implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]
  readonly #dock: Position
  /** When one of its sorties begins, ms after local midnight; the others follow every {@link CYCLE}. */
  readonly #takesOff: number

  constructor(
    chance: Chance,
    effects: readonly Effect[],
    dock: Position,
    attributes: Readonly<Record<string, unknown>>,
  ) {
    this.#chance = chance
    this.#effects = effects
    this.#dock = dock
    const takesOff = attributes['takes_off']
    this.#takesOff = typeof takesOff === 'string' ? clock(takesOff) : chance.trait('takes off', 0, CYCLE)
  }

  measure(at: number): Measurement {
    const since = (hourOfDay(at) * HOUR - this.#takesOff + DAY) % CYCLE
    const airborne = since < FLIGHT
    const lift = airborne ? clamp(Math.min(since, FLIGHT - since) / CLIMB, 0, 1) : 0
    const cruising = lift === 1
    const gust = this.#chance.drift('gust', at, 20 * SECOND)
    const wind = 3.5 + 1.5 * gust + 0.6 * strengthOf(this.#effects, 'headwind', at)
    const speed = cruising ? CRUISE + 0.6 * gust : 0
    const leg = this.#leg(since)
    return {
      metrics: {
        speed: round(speed, 1),
        heading: leg.heading,
        height: round(HEIGHT * lift, 1),
        battery: round(this.#battery(at, since), 1),
        wind_speed: round(wind, 1),
        pm25: round(32 + 9 * this.#chance.drift('haze', at, 10 * MINUTE) + 2 * gust, 1),
        thermal_max: round(31 + 4 * this.#chance.drift('roofs', at, 15 * SECOND), 1),
      },
      position: this.#at(leg.east, leg.north, HEIGHT * lift),
    }
  }

  #battery(at: number, since: number): number {
    if (since >= FLIGHT) {
      const landed = 100 - (DRAIN * FLIGHT) / MINUTE
      return Math.min(100, landed + ((since - FLIGHT) / MINUTE) * 4)
    }
    let used = (DRAIN * since) / MINUTE
    for (const effect of this.#effects) {
      if (effect.what !== 'headwind' || at < effect.from) continue
      // Only what it cost on this sortie: the next one starts charged.
      const fought = Math.min(at, effect.to) - Math.max(effect.from, at - since)
      used += (effect.strength * Math.max(0, fought)) / MINUTE
    }
    return clamp(100 - used, 4, 100)
  }

  /** Where on the rectangle the cruise has brought it, m from the dock, and where it looks. */
  #leg(since: number): { east: number; north: number; heading: number } {
    if (since < CLIMB || since >= FLIGHT - CLIMB) return { east: 0, north: 0, heading: 0 }
    // The last lap is cut so that it is back over the dock when it must come down.
    const lap = 2 * (WIDTH + DEPTH)
    const laps = Math.floor((((FLIGHT - 2 * CLIMB) / SECOND) * CRUISE) / lap)
    const way = (((since - CLIMB) / (FLIGHT - 2 * CLIMB)) * laps * lap) % lap
    if (way < WIDTH) return { east: way, north: 0, heading: 90 }
    if (way < WIDTH + DEPTH) return { east: WIDTH, north: way - WIDTH, heading: 0 }
    if (way < 2 * WIDTH + DEPTH) return { east: 2 * WIDTH + DEPTH - way, north: DEPTH, heading: 270 }
    return { east: 0, north: lap - way, heading: 180 }
  }

  #at(east: number, north: number, up: number): Position {
    const [longitude, latitude] = this.#dock
    const shrink = Math.cos((latitude * Math.PI) / 180)
    return [
      round(longitude + east / (METRES_PER_DEGREE * shrink), 6),
      round(latitude + north / METRES_PER_DEGREE, 6),
      round(up, 1),
    ]
  }
}

/** `18:05` as ms after midnight. */
function clock(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number)
  return hours * HOUR + minutes * MINUTE
}
