import { booleanPointInPolygon } from '@turf/boolean-point-in-polygon'
import type { AreaGeometry } from '../gateway/model/area.ts'
import type { Position } from '../gateway/model/reading.ts'

/** An area that positions are held against: most are outside of its bounds, which four comparisons tell. */
export class Area {
  readonly #geometry: AreaGeometry
  readonly #west: number
  readonly #south: number
  readonly #east: number
  readonly #north: number

  constructor(geometry: AreaGeometry) {
    const points = (geometry.type === 'Polygon' ? geometry.coordinates : geometry.coordinates.flat()).flat()
    this.#geometry = geometry
    this.#west = points.reduce((least, [lon]) => Math.min(least, lon!), Infinity)
    this.#east = points.reduce((most, [lon]) => Math.max(most, lon!), -Infinity)
    this.#south = points.reduce((least, [, lat]) => Math.min(least, lat!), Infinity)
    this.#north = points.reduce((most, [, lat]) => Math.max(most, lat!), -Infinity)
  }

  /** Its border belongs to it. */
  holds(position: Position): boolean {
    const [lon, lat] = position
    if (lon < this.#west || lon > this.#east || lat < this.#south || lat > this.#north) return false
    return booleanPointInPolygon([lon, lat], this.#geometry)
  }
}
