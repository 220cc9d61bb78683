import type { Chance } from '../chance.ts'
import type { Measurement } from '../reading.ts'
import { Course, offset } from './course.ts'
import {
  type Effect,
  HOUR,
  MINUTE,
  type Model,
  numberOf,
  passed,
  round,
  SECOND,
  type Setting,
  strengthOf,
} from './model.ts'

/**
 * `detour` leads so many km off the route; `halt` stops; `speeding` adds so many km/h; `valve_open`; `pressure_loss` lets
 * so many MPa out, each hour.
 */
export const TRUCK_EFFECTS = ['detour', 'halt', 'speeding', 'valve_open', 'pressure_loss'] as const

/** km/h. */
const CRUISE = 40
/** It leaves the route and comes back to it over this time. */
const TURNING = 4 * MINUTE

/** A lorry with dangerous goods on its route, to its end and back. The attribute `pressure` is that of its tank, MPa. */
export class Truck implements Model {
  readonly #chance: Chance
  readonly #effects: readonly Effect[]
  readonly #course: Course
  readonly #pressure: number

  constructor({ chance, effects, position, path, attributes }: Setting) {
    this.#chance = chance
    this.#effects = effects
    this.#course = new Course(path.length > 1 ? path : [position, offset(position, 6000, 0)])
    this.#pressure = numberOf(attributes, 'pressure', 1.2)
  }

  measure(at: number): Measurement {
    const here = this.#course.shuttle(this.#travelled(at))
    const detour = 1000 * strengthOf(this.#effects, 'detour', at, TURNING)
    // To the right of the way that the route runs, whichever way the lorry drives it.
    const across = (((here.heading + 90) % 180) * Math.PI) / 180
    const [longitude, latitude] = offset(here.position, detour * Math.sin(across), detour * Math.cos(across))
    const speed = (this.#travelled(at + SECOND) - this.#travelled(at - SECOND)) * 1.8
    const lost = passed(this.#effects, 'pressure_loss', at) / HOUR
    return {
      metrics: {
        speed: round(Math.max(0, speed), 0),
        pressure: round(Math.max(0, this.#pressure + 0.02 * this.#chance.drift('sun', at, HOUR) - lost), 3),
        valve_open: strengthOf(this.#effects, 'valve_open', at) > 0,
      },
      position: [round(longitude, 6), round(latitude, 6)],
    }
  }

  /** Metres driven since the epoch. */
  #travelled(at: number): number {
    const driving = at - Math.min(at, passed(this.#effects, 'halt', at))
    const cruised = (CRUISE / 3.6) * (driving / SECOND)
    // Traffic: never as much as would drive it backwards.
    const traffic = 120 * this.#chance.drift('traffic', driving, MINUTE)
    return cruised + traffic + passed(this.#effects, 'speeding', at) / 3600
  }
}
