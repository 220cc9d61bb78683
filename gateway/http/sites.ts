import { Type } from 'typebox'
import { converted } from '../district/coordinates.ts'
import { lookoutsAt } from '../district/lookouts.ts'
import { kitchenSize } from '../district/sites.ts'
import { mapLinks } from '../dispatch/links.ts'
import type { Position } from '../model/reading.ts'
import { KITCHEN_SIZES, KitchenSchema, SiteSchema, type Site } from '../model/site.ts'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const Text = Type.Optional(Type.String({ maxLength: 64 }))
/** What a site may be, by the part of it that makes it one. */
const PARTS = ['kitchen', 'section', 'gauge', 'reports'] as const

const SiteShape = Type.Object({
  ...SiteSchema.properties,
  kitchen: Type.Optional(
    Type.Object({
      ...KitchenSchema.properties,
      size: Type.Enum([...KITCHEN_SIZES], { description: 'by its stoves, GB 18483-2001 table 1' }),
    }),
  ),
})
const LookoutShape = Type.Array(
  Type.Object({
    device: Type.String(),
    metres: Nullable(
      Type.Integer({ description: 'from the site; null where one of the two has no position' }),
    ),
  }),
)
const PairShape = Type.Array(Type.Number(), {
  minItems: 2,
  maxItems: 2,
  description: '[longitude, latitude]',
})
const OneSiteShape = Type.Object({
  ...SiteShape.properties,
  nearest: Type.Object(
    { cameras: LookoutShape, loudspeakers: LookoutShape, drones: LookoutShape },
    {
      description:
        'Registered devices: those that the district file names, else those at the site, else the nearest three',
    },
  ),
  coordinates: Type.Object(
    { gcj02: PairShape, bd09: PairShape },
    { description: 'for maps of Amap and Tencent (GCJ-02) and of Baidu (BD-09)' },
  ),
  maps: Type.Object({
    amap: Type.String(),
    tencent: Type.String(),
    baidu: Type.String(),
    geo: Type.String(),
  }),
})

/** Places of the district file: kitchens, sections of rivers, gauges, places where people report. */
export function sites(api: Api, { district, devices }: HttpParts): void {
  const all = [...(district.sites ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1))
  const byId = new Map(all.map((site) => [site.id, site]))

  api.get(
    '/api/v1/sites',
    {
      config: { access: READERS },
      schema: {
        tags: ['cases'],
        summary: 'Sites of the district file, by id',
        querystring: Type.Object({
          street: Text,
          grid: Text,
          has: Type.Optional(Type.Enum([...PARTS], { description: 'only sites that are one' })),
          ...pageQuery(100, 1000),
        }),
        response: { 200: Page(SiteShape) },
      },
    },
    (request) => {
      const { limit = 100, cursor, street, grid, has } = request.query
      const { scope } = userOf(request)
      const after = cursor === undefined ? '' : readCursor('sites', cursor, ['string'])[0]
      const found = all.filter(
        (site) =>
          site.id > after &&
          scope.sees(site) &&
          (street ?? site.street) === site.street &&
          (grid ?? site.grid) === site.grid &&
          (has === undefined || site[has] !== undefined),
      )
      const items = found.slice(0, limit).map(view)
      const last = items.at(-1)
      return found.length > limit && last !== undefined
        ? { items, cursor: writeCursor('sites', [last.id]) }
        : { items }
    },
  )
  api.get(
    '/api/v1/sites/:id',
    {
      config: { access: READERS },
      schema: {
        tags: ['cases'],
        summary: 'A site, what can see it or be heard there, and where it is on the maps people use',
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        response: { 200: OneSiteShape },
      },
    },
    (request) => {
      const { scope } = userOf(request)
      const site = byId.get(request.params.id)
      // Outside of the caller's part of the district a site does not exist.
      if (site === undefined || !scope.sees(site))
        throw new Problem('not_found', `site "${request.params.id}" is not in the district file`)
      const position = site.position as unknown as Position
      return {
        ...view(site),
        nearest: lookoutsAt({ site: site.id, position }, district, devices.all()),
        coordinates: {
          gcj02: converted(position, 'wgs84', 'gcj02'),
          bd09: converted(position, 'wgs84', 'bd09'),
        },
        maps: mapLinks(position, site.title.zh),
      }
    },
  )
}

function view(site: Site) {
  const { kitchen, ...rest } = site
  return kitchen === undefined
    ? rest
    : { ...rest, kitchen: { ...kitchen, size: kitchenSize(kitchen.stoves) } }
}
