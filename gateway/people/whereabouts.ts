import { booleanPointInPolygon } from '@turf/boolean-point-in-polygon'
import { distanceMetres } from '../dispatch/distance.ts'
import type { AreaGeometry } from '../model/area.ts'
import type { DeviceDirectory } from '../model/device.ts'
import type { District } from '../model/district.ts'
import type { Position } from '../model/reading.ts'
import { BadReport, type Spot } from './report.ts'

/** How far the district reaches from its centre where its file does not say, metres. */
const REACH = 30_000
/** A site made of a position: four decimals of a degree are some 11 m. */
const SITE_DECIMALS = 4

/** What a report says of where it is. */
export interface Said {
  readonly position?: readonly number[] | undefined
  readonly place?: string | undefined
  readonly site?: string | undefined
  readonly street?: string | undefined
  readonly grid?: string | undefined
}

/** What the district's file and its devices know of a site. */
interface Known {
  readonly street: string
  readonly grid: string
  readonly position: Position | null
  readonly title: string
}

/**
 * Finds out where a report is about: what it says itself comes first, then what is known of its place, then what lies
 * nearest to its position. Throws {@link BadReport} where that is nowhere in the district, or contradicts itself.
 */
export function spotOf(said: Said, district: District, devices: Pick<DeviceDirectory, 'all'>): Spot {
  const position = positionOf(said.position, district)
  const known =
    said.place === undefined ? siteOf(said.site, district, devices) : placeOf(said.place, district)
  const at = position ?? known?.position ?? null
  const street = said.street ?? known?.street ?? (at === null ? undefined : nearestStreet(at, district))
  if (street === undefined) {
    throw new BadReport('position', 'say where it is: a position, a place, a known site or a street')
  }
  const named = district.streets.find(({ id }) => id === street)
  if (named === undefined) throw new BadReport('street', `"${street}" is not a street of the district`)
  const grid = gridOf(said.grid, known, street, at, district)
  return {
    site: said.place ?? said.site ?? (at === null ? null : siteAt(at)),
    street,
    grid,
    position: at,
    title: known?.title ?? said.site ?? named.title.zh,
  }
}

function positionOf(given: readonly number[] | undefined, district: District): Position | null {
  if (given === undefined) return null
  if (Math.abs(given[0]!) > 180 || Math.abs(given[1]!) > 90)
    throw new BadReport('position', 'must be [longitude, latitude, altitude?] in degrees, WGS-84')
  const position = given as unknown as Position
  const away = distanceMetres(position, district.centre as unknown as Position)
  const inside = district.geometry !== undefined && contains(district.geometry, position)
  if (!inside && away > (district.reach ?? REACH))
    throw new BadReport('position', `is ${Math.round(away / 1000)} km from the middle of the district`)
  return position
}

function placeOf(id: string, district: District): Known {
  const site = district.sites?.find((one) => one.id === id)
  if (site === undefined) throw new BadReport('place', `"${id}" is not a place of the district`)
  return { ...site, position: site.position as unknown as Position, title: site.title.zh }
}

/** A site that nobody knows is taken at its word. */
function siteOf(
  id: string | undefined,
  district: District,
  devices: Pick<DeviceDirectory, 'all'>,
): Known | undefined {
  if (id === undefined) return undefined
  const site = district.sites?.find((one) => one.id === id)
  if (site !== undefined)
    return { ...site, position: site.position as unknown as Position, title: site.title.zh }
  for (const device of devices.all()) {
    if (device.site === id)
      return { ...device, position: (device.position as Position | undefined) ?? null, title: id }
  }
  return undefined
}

/** The street whose border holds the position, or else the one whose centre is nearest. */
export function nearestStreet(position: Position, { streets }: District): string {
  const within = streets.find(({ geometry }) => geometry !== undefined && contains(geometry, position))
  return (within ?? nearest(position, streets, ({ centre }) => centre))!.id
}

/**
 * The grid that the report names, or that its place is in, or whose border holds the position, or the one whose centre,
 * or one of whose places, is nearest; `{street}-000` where nothing is known of the street's grids.
 */
function gridOf(
  said: string | undefined,
  known: Known | undefined,
  street: string,
  at: Position | null,
  district: District,
): string {
  if (said !== undefined) {
    if (hasGrid(district, street, said)) return said
    throw new BadReport('grid', `"${said}" is not a grid of ${street}`)
  }
  if (known?.street === street) return known.grid
  if (at === null) return `${street}-000`
  const grids = (district.grids ?? []).filter((grid) => grid.street === street)
  const within = grids.find(({ geometry }) => geometry !== undefined && contains(geometry, at))
  if (within !== undefined) return within.id
  const marks = [
    ...grids.flatMap(({ id, centre }) => (centre === undefined ? [] : [{ grid: id, centre }])),
    ...(district.sites ?? [])
      .filter((site) => site.street === street)
      .map(({ grid, position }) => ({ grid, centre: position })),
  ]
  return nearest(at, marks, ({ centre }) => centre)?.grid ?? `${street}-000`
}

function hasGrid(district: District, street: string, grid: string): boolean {
  if (district.grids?.some(({ id, street: of }) => id === grid && of === street) === true) return true
  const number = grid.startsWith(`${street}-`) ? grid.slice(street.length + 1) : ''
  const count = district.streets.find(({ id }) => id === street)?.grids ?? 0
  return /^\d{3}$/.test(number) && Number(number) <= count
}

/** Two reports from within some metres of each other are about the same site. */
export function siteAt([longitude, latitude]: Position): string {
  const part = (degrees: number, [plus, minus]: readonly [string, string]) =>
    (degrees < 0 ? minus : plus) + Math.abs(degrees).toFixed(SITE_DECIMALS)
  return `${part(longitude, ['E', 'W'])}-${part(latitude, ['N', 'S'])}`
}

function nearest<T>(
  position: Position,
  all: readonly T[],
  centreOf: (one: T) => readonly number[],
): T | undefined {
  let best: T | undefined
  let shortest = Infinity
  for (const one of all) {
    const away = distanceMetres(position, centreOf(one) as unknown as Position)
    if (away < shortest) [best, shortest] = [one, away]
  }
  return best
}

function contains(geometry: AreaGeometry, [longitude, latitude]: Position): boolean {
  return booleanPointInPolygon([longitude, latitude], geometry)
}
