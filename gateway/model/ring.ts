import Flatbush from 'flatbush'
import { orient2d } from 'robust-predicates'

/** `[lon, lat]` of each corner, the last one the first again. */
export type Ring = readonly (readonly number[])[]

/** Square degrees: about a square centimetre on the ground, which is the dust of rounding. */
const NO_SURFACE = 1e-14
/**
 * Pairs of edges that are looked at at most. A border has a few neighbours for each edge; of a ring that is made of
 * nothing but long zigzags what is left over is taken to be right.
 */
const MOST_PAIRS = 2_000_000

/** Whether it encloses nothing: its corners lie on one line, or it goes back the way that it came. */
export function isFlat(ring: Ring): boolean {
  const [lon0, lat0] = ring[0] as [number, number]
  let twice = 0
  for (let at = 1; at < ring.length; at++) {
    const [lon, lat] = ring[at] as [number, number]
    const [before, beforeLat] = ring[at - 1] as [number, number]
    twice += (before - lon0) * (lat - lat0) - (lon - lon0) * (beforeLat - lat0)
  }
  return Math.abs(twice) / 2 < NO_SURFACE
}

/** Where two of its edges cross, as a bow-tie's do: about there; null where none do. Edges may touch. */
export function crossingOf(ring: Ring): readonly [lon: number, lat: number] | null {
  const edges = ring.length - 1
  const index = new Flatbush(edges)
  for (let at = 0; at < edges; at++) index.add(...boxOf(ring, at))
  index.finish()
  let pairs = 0
  for (let one = 0; one < edges; one++) {
    for (const other of index.search(...boxOf(ring, one), (found) => found > one + 1)) {
      if (++pairs > MOST_PAIRS) return null
      const crossing = crossPoint(ring[one]!, ring[one + 1]!, ring[other]!, ring[other + 1]!)
      if (crossing !== null) return crossing
    }
  }
  return null
}

function boxOf(ring: Ring, edge: number): [west: number, south: number, east: number, north: number] {
  const [a, b] = ring[edge] as [number, number]
  const [c, d] = ring[edge + 1] as [number, number]
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)]
}

/** Each lies on both sides of the other, by predicates that are exact. */
function crossPoint(
  [ax, ay]: readonly number[],
  [bx, by]: readonly number[],
  [cx, cy]: readonly number[],
  [dx, dy]: readonly number[],
): readonly [number, number] | null {
  const c = orient2d(ax!, ay!, bx!, by!, cx!, cy!)
  const d = orient2d(ax!, ay!, bx!, by!, dx!, dy!)
  if (!areOpposite(c, d)) return null
  const a = orient2d(cx!, cy!, dx!, dy!, ax!, ay!)
  const b = orient2d(cx!, cy!, dx!, dy!, bx!, by!)
  if (!areOpposite(a, b)) return null
  const part = a / (a - b)
  return [ax! + part * (bx! - ax!), ay! + part * (by! - ay!)]
}

function areOpposite(a: number, b: number): boolean {
  return (a > 0 && b < 0) || (a < 0 && b > 0)
}
