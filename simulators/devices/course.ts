import type { Position } from '../reading.ts'

/** Metres of a degree of latitude, and of longitude at the equator. */
const METRES_PER_DEGREE = 111_320

/** Metres east and north of a position; altitude as it was. */
export function offset(from: Position, east: number, north: number): Position {
  const [longitude, latitude, ...up] = from
  const shrink = Math.cos((latitude * Math.PI) / 180)
  return [
    longitude + east / (METRES_PER_DEGREE * shrink),
    latitude + north / METRES_PER_DEGREE,
    ...up,
  ] as Position
}

/** East and north of `from`, m: flat, which is right within a city. */
export function way(from: Position, to: Position): { east: number; north: number } {
  const shrink = Math.cos((from[1] * Math.PI) / 180)
  return {
    east: (to[0] - from[0]) * METRES_PER_DEGREE * shrink,
    north: (to[1] - from[1]) * METRES_PER_DEGREE,
  }
}

export function metres(from: Position, to: Position): number {
  const { east, north } = way(from, to)
  return Math.hypot(east, north)
}

/** A line of waypoints, measured along its length. */
export class Course {
  readonly length: number
  readonly #legs: readonly { readonly from: Position; readonly to: Position; readonly begins: number }[]

  constructor(path: readonly Position[]) {
    let length = 0
    this.#legs = path.slice(1).map((to, index) => {
      const from = path[index]!
      const begins = length
      length += metres(from, to)
      return { from, to, begins }
    })
    this.length = length
  }

  /** The place so many metres along, and the heading there in degrees from north; held at both ends. */
  at(distance: number): { position: Position; heading: number } {
    const held = Math.min(Math.max(distance, 0), this.length)
    const leg = this.#legs.findLast(({ begins }) => begins <= held)!
    const { east, north } = way(leg.from, leg.to)
    const span = Math.hypot(east, north)
    const share = span === 0 ? 0 : (held - leg.begins) / span
    const heading = ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360
    return { position: offset(leg.from, east * share, north * share), heading }
  }

  /** To its end and back again, for ever; the heading turns round on the way back. */
  shuttle(distance: number): { position: Position; heading: number } {
    const lap = 2 * this.length
    const within = ((distance % lap) + lap) % lap
    if (within <= this.length) return this.at(within)
    const { position, heading } = this.at(lap - within)
    return { position, heading: (heading + 180) % 360 }
  }
}
