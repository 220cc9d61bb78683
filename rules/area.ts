import Flatbush from 'flatbush'
import { orient2d } from 'robust-predicates'
import type { AreaGeometry } from '../gateway/model/area.ts'
import type { Position } from '../gateway/model/reading.ts'

/** An area that positions are held against. Its border belongs to it. */
export class Area {
  readonly #polygons: readonly Edges[]

  constructor(geometry: AreaGeometry) {
    const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates
    this.#polygons = polygons.map((rings) => new Edges(rings))
  }

  holds(position: Position): boolean {
    for (const polygon of this.#polygons) if (polygon.holds(position)) return true
    return false
  }
}

/**
 * The edges of a polygon's rings, found by their latitude: a district's border has thousands, and a position lies
 * beside a few of them. What is made of those is what turf's `booleanPointInPolygon` makes of all: how often the
 * parallel through the position meets them on one side, with predicates that are exact.
 */
class Edges {
  /** `[lon, lat, lon, lat]` of each edge. */
  readonly #ends: Float64Array
  readonly #index: Flatbush | null
  readonly #west: number
  readonly #south: number
  readonly #east: number
  readonly #north: number

  constructor(rings: readonly (readonly (readonly number[])[])[]) {
    const ends = rings.flatMap((ring) =>
      ring.slice(1).flatMap(([lon, lat], before) => [ring[before]![0]!, ring[before]![1]!, lon!, lat!]),
    )
    this.#ends = Float64Array.from(ends)
    const index = ends.length > 0 ? new Flatbush(ends.length / 4) : null
    for (let at = 0; at < ends.length; at += 4) {
      const [a, b, c, d] = ends.slice(at, at + 4) as [number, number, number, number]
      index?.add(Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d))
    }
    index?.finish()
    this.#index = index
    this.#west = index?.minX ?? NaN
    this.#south = index?.minY ?? NaN
    this.#east = index?.maxX ?? NaN
    this.#north = index?.maxY ?? NaN
  }

  holds([lon, lat]: Position): boolean {
    // Most positions are outside, which four comparisons tell.
    if (!(lon >= this.#west && lon <= this.#east && lat >= this.#south && lat <= this.#north)) return false
    let isInside = false
    for (const edge of this.#index!.search(this.#west, lat, this.#east, lat)) {
      const met = this.#meets(edge * 4, lon, lat)
      if (met === 'on') return true
      if (met === 'right') isInside = !isInside
    }
    return isInside
  }

  /** Whether the position is on the edge, or has it on the side that is counted. */
  #meets(at: number, lon: number, lat: number): 'on' | 'right' | 'no' {
    const ends = this.#ends
    const u1 = ends[at]! - lon
    const v1 = ends[at + 1]! - lat
    const u2 = ends[at + 2]! - lon
    const v2 = ends[at + 3]! - lat
    if (v1 === 0 && v2 === 0) return (u2 <= 0 && u1 >= 0) || (u1 <= 0 && u2 >= 0) ? 'on' : 'no'
    const turn = orient2d(u1, u2, v1, v2, 0, 0)
    if (turn === 0) return 'on'
    return (turn > 0 && v2 > 0 && v1 <= 0) || (turn < 0 && v2 <= 0 && v1 > 0) ? 'right' : 'no'
  }
}
