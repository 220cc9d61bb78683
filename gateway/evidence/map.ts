import type { Position } from '../model/reading.ts'
import type { District } from '../model/district.ts'
import { html, px, type Html } from './html.ts'

/** Where something of the case happened. */
export interface Place {
  /** What the table of entries calls it. */
  readonly label: string
  readonly position: Position
  /** Too far from the site to be believed. */
  readonly isAway: boolean
}

interface Projection {
  readonly x: (lon: number) => number
  readonly y: (lat: number) => number
  /** Pixels in a metre. */
  readonly scale: number
}

const SIZE = 372
const METRES_PER_DEGREE = 111_195
/** A position further from the site than this, in metres, is flagged (contract §4). */
const ON_SITE = 300

/** Two sketches that need no map service: where in the district the site is, and who was how near to it. */
export function sketches(district: District, site: Position | null, places: readonly Place[]): Html {
  return html`<div class="maps">${overview(district, site)}${site !== null && around(site, places)}</div>`
}

function overview(district: District, site: Position | null): Html {
  const centres: readonly (readonly number[])[] = district.streets.map(({ centre }) => centre)
  const all = site === null ? centres : [...centres, site]
  const map = projection(all, 46)
  return html`<svg class="map" viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label="District">
    <rect class="ground" width="${SIZE}" height="${SIZE}" />
    ${[...district.streets, ...(district.areas ?? [])].map((area) => 'geometry' in area && outline(area.geometry, map))}
    ${site !== null && pin(map, site)}
    ${district.streets.map(
      ({ centre, title }) =>
        html`<circle
            class="street"
            cx="${px(map.x(centre[0]!))}"
            cy="${px(map.y(centre[1]!))}"
            r="2.5"
          /><text
            class="street"
            text-anchor="middle"
            x="${px(map.x(centre[0]!))}"
            y="${px(map.y(centre[1]!) - 6)}"
            >${title.zh}</text
          >`,
    )}
    ${scaleBar(map)}
    <text class="caption" x="8" y="18">${district.title.zh} ${district.title.en}</text>
  </svg>`
}

function around(site: Position, places: readonly Place[]): Html {
  const near = places.filter(({ position }) => metresBetween(site, position) < 20_000)
  const reach = Math.max(ON_SITE * 1.25, ...near.map(({ position }) => metresBetween(site, position) * 1.15))
  const degrees = reach / METRES_PER_DEGREE
  const wide = degrees / Math.cos((site[1] * Math.PI) / 180)
  const map = projection(
    [
      [site[0] - wide, site[1] - degrees],
      [site[0] + wide, site[1] + degrees],
    ],
    10,
  )
  return html`<svg class="map" viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label="Around the site">
    <rect class="ground" width="${SIZE}" height="${SIZE}" />
    <circle
      class="reach"
      cx="${px(map.x(site[0]))}"
      cy="${px(map.y(site[1]))}"
      r="${px(ON_SITE * map.scale)}"
    />
    ${pin(map, site)}
    ${near.map(
      ({ label, position, isAway }) =>
        html`<circle
            class="${isAway ? 'actor away' : 'actor'}"
            cx="${px(map.x(position[0]))}"
            cy="${px(map.y(position[1]))}"
            r="8"
          /><text
            class="actor"
            text-anchor="middle"
            x="${px(map.x(position[0]))}"
            y="${px(map.y(position[1]) + 3.5)}"
            >${label}</text
          >`,
    )}
    ${scaleBar(map)}
    <text class="caption" x="8" y="18">现场周边 around the site · ○ ${ON_SITE} m</text>
  </svg>`
}

/** Equirectangular around the middle of what is shown: true to scale over a city. */
function projection(points: readonly (readonly number[])[], margin: number): Projection {
  const lons = points.map(([lon]) => lon!)
  const lats = points.map(([, lat]) => lat!)
  const middle = {
    lon: (Math.min(...lons) + Math.max(...lons)) / 2,
    lat: (Math.min(...lats) + Math.max(...lats)) / 2,
  }
  const cos = Math.cos((middle.lat * Math.PI) / 180)
  const width = Math.max(
    (Math.max(...lons) - Math.min(...lons)) * cos,
    Math.max(...lats) - Math.min(...lats),
    1e-4,
  )
  const degree = (SIZE - 2 * margin) / width
  return {
    x: (lon) => SIZE / 2 + (lon - middle.lon) * cos * degree,
    y: (lat) => SIZE / 2 - (lat - middle.lat) * degree,
    scale: degree / METRES_PER_DEGREE,
  }
}

function outline(geometry: unknown, map: Projection): Html | null {
  const { type, coordinates } = (geometry ?? {}) as {
    type?: string
    coordinates?: number[][][] | number[][][][]
  }
  const polygons =
    type === 'Polygon'
      ? [coordinates as number[][][]]
      : type === 'MultiPolygon'
        ? (coordinates as number[][][][])
        : []
  if (polygons.length === 0) return null
  const rings = polygons
    .flat()
    .map((ring) => `M${ring.map(([lon, lat]) => `${px(map.x(lon!))} ${px(map.y(lat!))}`).join('L')}Z`)
  return html`<path class="area" d="${rings.join('')}" />`
}

function pin(map: Projection, [lon, lat]: Position): Html {
  const x = map.x(lon)
  const y = map.y(lat)
  return html`<path class="pin" d="M${px(x)} ${px(y)}l-7 -14a8 8 0 1 1 14 0z" />`
}

function scaleBar({ scale }: Projection): Html {
  const metres =
    [50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000].find((length) => length * scale >= 50) ?? 50_000
  const y = SIZE - 14
  return html`<path class="scale" d="M12 ${y - 4}v4h${px(metres * scale)}v-4" /><text
      class="scale"
      x="${px(18 + metres * scale)}"
      y="${y}"
      >${metres >= 1000 ? `${metres / 1000} km` : `${metres} m`}</text
    >
    <path class="scale" d="M${SIZE - 20} ${y}v-20l-4 7m4 -7l4 7" /><text
      class="scale"
      text-anchor="middle"
      x="${SIZE - 20}"
      y="${y - 24}"
      >N</text
    >`
}

function metresBetween(one: Position, other: Position): number {
  const cos = Math.cos((one[1] * Math.PI) / 180)
  return Math.hypot((other[0] - one[0]) * cos, other[1] - one[1]) * METRES_PER_DEGREE
}
