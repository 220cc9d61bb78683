import { Type, type Static } from 'typebox'
import { crossingOf, isFlat } from './ring.ts'

/** Points of one ring at most: a district's border has some thousands. */
const RING_LIMIT = 20_000

const Ring = Type.Array(Type.Array(Type.Number(), { minItems: 2, maxItems: 3 }), {
  minItems: 4,
  maxItems: RING_LIMIT,
})
const PolygonSchema = Type.Object(
  { type: Type.Literal('Polygon'), coordinates: Type.Array(Ring, { minItems: 1, maxItems: 100 }) },
  { additionalProperties: false },
)
const MultiPolygonSchema = Type.Object(
  {
    type: Type.Literal('MultiPolygon'),
    coordinates: Type.Array(Type.Array(Ring, { minItems: 1, maxItems: 100 }), { minItems: 1, maxItems: 100 }),
  },
  { additionalProperties: false },
)

/** A GeoJSON geometry (RFC 7946 §3.1.6 and §3.1.7), WGS-84: outer ring first, then its holes. */
export const AreaGeometrySchema = Type.Union([PolygonSchema, MultiPolygonSchema])
export type AreaGeometry = Static<typeof AreaGeometrySchema>

/**
 * What a schema cannot say: rings that close, on the globe, and enclose something without crossing themselves. Null
 * when all is well.
 */
export function areaFault({ type, coordinates }: AreaGeometry): string | null {
  const rings = type === 'Polygon' ? coordinates : coordinates.flat()
  for (const ring of rings) {
    const [first, last] = [ring[0]!, ring.at(-1)!]
    if (first[0] !== last[0] || first[1] !== last[1]) return 'a ring does not end where it begins'
    const outside = ring.find(([lon, lat]) => Math.abs(lon!) > 180 || Math.abs(lat!) > 90)
    if (outside !== undefined) return `[${outside.join(', ')}] is no [longitude, latitude]`
    const crossing = crossingOf(ring)
    if (crossing !== null) return `a ring crosses itself near [${crossing.map(inMetres).join(', ')}]`
    if (isFlat(ring)) return 'a ring encloses no surface'
  }
  return null
}

/** To a metre or so, which is enough to find it on a map. */
function inMetres(degrees: number): number {
  return Math.round(degrees * 1e5) / 1e5
}
