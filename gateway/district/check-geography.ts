import { booleanPointInPolygon } from '@turf/boolean-point-in-polygon'
import { pointToPolygonDistance } from '@turf/point-to-polygon-distance'
import { distanceMetres } from '../dispatch/distance.ts'
import type { AreaGeometry } from '../model/area.ts'
import type { District } from '../model/district.ts'
import type { Position } from '../model/reading.ts'
import type { Findings } from './finding.ts'

/** How far a street and a district reach from their centres where the file does not say, metres. */
const STREET_REACH = 5_000
const DISTRICT_REACH = 30_000

interface Extent {
  readonly centre: readonly number[]
  readonly accuracy?: number
  readonly geometry?: AreaGeometry
  readonly reach?: number
}

/** Whether things lie where they are said to belong: streets in the district, grids and sites in their streets. */
export function checkGeography(district: District, found: Findings): void {
  const { streets, grids = [], sites = [] } = district
  const beyond = (position: readonly number[], extent: Extent, reach: number) =>
    metresBeyond(position, extent, reach)
  for (const [index, street] of streets.entries()) {
    const metres = beyond(street.centre, district, DISTRICT_REACH)
    if (metres > (street.accuracy ?? 0))
      found.warning(
        `streets.${index}.centre`,
        `the centre of street ${street.id} lies ${Math.ceil(metres)} m outside the district`,
        'a position inside it, [longitude, latitude]',
      )
  }
  const byId = new Map(streets.map((street) => [street.id, street]))
  for (const [index, { id, street, centre }] of grids.entries()) {
    if (centre === undefined) continue
    const of = byId.get(street)!
    const metres = beyond(centre, of, STREET_REACH)
    if (metres > (of.accuracy ?? 0))
      found.warning(
        `grids.${index}.centre`,
        `the centre of grid ${id} lies ${Math.ceil(metres)} m outside street ${street}`,
        'a position inside it, or a larger reach of the street',
      )
  }
  for (const [index, { id, street, position }] of sites.entries()) {
    const of = byId.get(street)!
    const metres = beyond(position, of, STREET_REACH)
    if (metres > (of.accuracy ?? 0))
      found.warning(
        `sites.${index}.position`,
        `site ${id} lies ${Math.ceil(metres)} m outside street ${street}`,
        `not more than ${of.accuracy ?? 0} m, the accuracy of the street`,
      )
  }
}

/** How far outside a position is, metres; 0 inside. */
function metresBeyond(at: readonly number[], { centre, geometry, reach }: Extent, ordinary: number): number {
  const position = at as unknown as Position
  if (geometry === undefined)
    return Math.max(0, distanceMetres(position, centre as unknown as Position) - (reach ?? ordinary))
  const point: [number, number] = [position[0], position[1]]
  if (booleanPointInPolygon(point, geometry)) return 0
  return pointToPolygonDistance(point, geometry, { units: 'meters' })
}
