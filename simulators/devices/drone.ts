import type { Chance } from '../chance.ts'
import type { Measurement, Position } from '../reading.ts'
import { WrongUsage } from '../wrong-usage.ts'
import { Course, offset, way } from './course.ts'
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
  type Setting,
  shareOf,
  strengthOf,
  timeOfDay,
} from './model.ts'

/**
 * `headwind` costs so many percent of battery more each minute; `smoke` and `fire` rise at a place, and the drone sees
 * them as it flies by; `stray` leads it so many metres east of its wayline.
 */
export const DRONE_EFFECTS = ['headwind', 'smoke', 'fire', 'stray'] as const

/** A sortie, and with the charging that follows it in the dock; a day has a whole number of both. */
const FLIGHT = 24 * MINUTE
const CYCLE = 40 * MINUTE
/** Percent a minute: down in the air, so that a calm sortie lands with half, and up in the dock. */
const DRAIN = 2
/** Cruise, m/s, and height over the dock, m. */
const CRUISE = 9
const HEIGHT = 90
const CLIMB = 40 * SECOND
/** Of a sortie, on the wayline. */
const AIRBORNE = FLIGHT - 2 * CLIMB
/** The wayline where none is given: a rectangle beside the dock, m. */
const WIDTH = 700
const DEPTH = 450
/** How far smoke spreads, m (standard deviation), and the wind carries it while it does. */
const SMOKE = 180
const CARRIED = 80
/** The thermal eye looks this far around. */
const HEAT = 90
/** It leaves its wayline, and finds back, over this time. */
const STRAYING = 2 * MINUTE

/** A drone that flies the same wayline from its dock, sortie after sortie, and watches the air. */
export class Drone implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]
  readonly #dock: Position
  readonly #wayline: Course
  /** Over ground, m/s: a little less than cruise, so that it is back when it must come down. */
  readonly #pace: number
  /** When one of its sorties begins, ms after local midnight; the others follow every {@link CYCLE}. */
  readonly #takesOff: number

  constructor({ chance, effects, position, path, attributes }: Setting) {
    this.#chance = chance
    this.#effects = effects
    this.#dock = position
    this.#wayline = new Course(path.length > 1 ? [position, ...path, position] : rectangle(position))
    const lap = this.#wayline.length
    const laps = Math.floor(((AIRBORNE / SECOND) * CRUISE) / lap)
    if (laps < 1) throw new WrongUsage(`a wayline of ${Math.round(lap)} m is too long for a sortie`)
    this.#pace = (laps * lap) / (AIRBORNE / SECOND)
    const takesOff = attributes['takes_off']
    this.#takesOff = typeof takesOff === 'string' ? timeOfDay(takesOff) : chance.trait('takes off', 0, CYCLE)
  }

  measure(at: number): Measurement {
    const since = (hourOfDay(at) * HOUR - this.#takesOff + DAY) % CYCLE
    const airborne = since < FLIGHT
    const lift = airborne ? clamp(Math.min(since, FLIGHT - since) / CLIMB, 0, 1) : 0
    const cruising = lift === 1
    const gust = this.#chance.drift('gust', at, 20 * SECOND)
    const wind = 3.5 + 1.5 * gust + 0.6 * strengthOf(this.#effects, 'headwind', at)
    const { position, heading } = this.#over(since)
    const strayed = cruising ? strengthOf(this.#effects, 'stray', at, STRAYING) : 0
    const [longitude, latitude] = offset(position, strayed, 0)
    const smoke = airborne ? this.#seen(['smoke', 'fire'], at, position, SMOKE, CARRIED) : 0
    const fire = airborne ? this.#seen(['fire'], at, position, HEAT, 0) : 0
    return {
      metrics: {
        speed: cruising ? round(this.#pace + 0.4 * gust, 1) : 0,
        heading: round(heading, 0),
        height: round(HEIGHT * lift, 1),
        battery: round(this.#battery(at, since), 1),
        wind_speed: round(wind, 1),
        fume: round(0.03 + 0.4 * smoke, 2),
        pm25: round(32 + 9 * this.#chance.drift('haze', at, 10 * MINUTE) + 2 * gust + 420 * smoke, 1),
        nmhc: round(0.4 + 0.1 * this.#chance.drift('air', at, 10 * MINUTE) + 1.6 * smoke, 2),
        thermal_max: round(31 + 4 * this.#chance.drift('roofs', at, 15 * SECOND) + 240 * fire, 1),
      },
      position: [round(longitude, 6), round(latitude, 6), round(HEIGHT * lift, 1)],
    }
  }

  /** How strongly it sees what happens at a place: a Gaussian, carried east by the prevailing wind. */
  #seen(what: readonly string[], at: number, from: Position, spread: number, carried: number): number {
    let seen = 0
    for (const effect of this.#effects) {
      if (!what.includes(effect.what)) continue
      const { east, north } = effect.place === undefined ? ZERO : way(effect.place, from)
      const away = Math.hypot(east - (effect.place === undefined ? 0 : carried), north)
      seen += effect.strength * shareOf(effect, at, MINUTE) * Math.exp(-0.5 * (away / spread) ** 2)
    }
    return seen
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

  /** Where the cruise has brought it, lap after lap, and where it looks. */
  #over(since: number): { position: Position; heading: number } {
    if (since < CLIMB || since >= FLIGHT - CLIMB) return { position: this.#dock, heading: 0 }
    return this.#wayline.at((((since - CLIMB) / SECOND) * this.#pace) % this.#wayline.length)
  }
}

const ZERO = { east: 0, north: 0 }

function rectangle(dock: Position): Position[] {
  return [dock, offset(dock, WIDTH, 0), offset(dock, WIDTH, DEPTH), offset(dock, 0, DEPTH), dock]
}
