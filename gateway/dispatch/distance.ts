import type { Position } from '../model/reading.ts'

/** Mean radius of the Earth, metres (IUGG, R1). */
const EARTH_RADIUS = 6_371_008.8

const radians = (degrees: number) => (degrees * Math.PI) / 180

/** Metres between two WGS-84 positions along a sphere: haversine, Sinnott, Sky and Telescope 68 (2), 1984, p. 158. */
export function distanceMetres(from: Position, to: Position): number {
  const [fromLatitude, toLatitude] = [radians(from[1]), radians(to[1])]
  const half =
    Math.sin((toLatitude - fromLatitude) / 2) ** 2 +
    Math.cos(fromLatitude) * Math.cos(toLatitude) * Math.sin(radians(to[0] - from[0]) / 2) ** 2
  return 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(half)))
}
