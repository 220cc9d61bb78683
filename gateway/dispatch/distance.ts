import { distance } from '@turf/distance'
import type { Position } from '../model/reading.ts'

/** Metres between two WGS-84 positions along a sphere of the Earth's mean radius. */
export function distanceMetres(from: Position, to: Position): number {
  return distance([from[0], from[1]], [to[0], to[1]], { units: 'meters' })
}
