import type { District } from '../model/district.ts'
import type { Site } from '../model/site.ts'
import type { Findings } from './finding.ts'
import { listed } from './finding.ts'
import type { Grids } from './grids.ts'
import { flows, kitchenSize, LEAST_EFFICIENCY } from './sites.ts'

/** Sites: where they say that they are, what they say of themselves, and rivers that run downhill. */
export function checkSites(district: District, grids: Grids, found: Findings): void {
  const { sites = [], streets } = district
  const known = new Set(streets.map(({ id }) => id))
  const byId = new Map(sites.map((site) => [site.id, site]))
  for (const [index, site] of sites.entries()) {
    const path = `sites.${index}`
    if (!known.has(site.street))
      found.error(`${path}.street`, `"${site.street}" is no street of the district`, 'one that is')
    const street = grids.streetOf(site.grid)
    if (street === undefined)
      found.error(`${path}.grid`, `"${site.grid}" is no grid of the district`, 'one that is')
    else if (street !== site.street)
      found.error(`${path}.grid`, `"${site.grid}" is in ${street}`, `a grid of ${site.street}`)
    checkPosition(path, site, found)
    checkKitchen(path, site, found)
    checkGauge(path, site, found)
    checkNeighbours(path, site, byId, found)
    checkReports(path, site, district, found)
  }
  for (const loop of loops(flows(district))) {
    const index = sites.findIndex(({ id }) => id === loop[0])
    found.error(
      `sites.${index}.section`,
      `the water runs in a circle: ${[...loop, loop[0]].join(' → ')}`,
      'a river that ends somewhere else than it begins',
    )
  }
}

function checkPosition(path: string, { position }: Site, found: Findings): void {
  const [longitude, latitude] = position as [number, number]
  if (Math.abs(longitude) > 180 || Math.abs(latitude) > 90)
    found.error(
      `${path}.position`,
      `[${listed(position.map(String))}] is not on the globe`,
      '[longitude, latitude] in WGS-84',
    )
}

function checkKitchen(path: string, { kitchen }: Site, found: Findings): void {
  if (kitchen?.purifier === undefined) return
  const size = kitchenSize(kitchen.stoves)
  const least = LEAST_EFFICIENCY[size]
  if (kitchen.purifier.efficiency < least)
    found.warning(
      `${path}.kitchen.purifier.efficiency`,
      `${kitchen.purifier.efficiency} % is too little for a ${size} kitchen (${kitchen.stoves} stoves)`,
      `at least ${least} %, GB 18483-2001 table 2`,
    )
}

function checkGauge(path: string, { gauge }: Site, found: Findings): void {
  if (gauge !== undefined && gauge.guarantee <= gauge.warning)
    found.error(
      `${path}.gauge.guarantee`,
      `${gauge.guarantee} m is not above the warning level of ${gauge.warning} m`,
      `more than ${gauge.warning}`,
    )
}

function checkNeighbours(
  path: string,
  { id, section }: Site,
  byId: ReadonlyMap<string, Site>,
  found: Findings,
): void {
  for (const role of ['upstream', 'downstream'] as const) {
    for (const [index, name] of (section?.[role] ?? []).entries()) {
      const at = `${path}.section.${role}.${index}`
      if (!byId.has(name)) found.error(at, `"${name}" is no site of the district`, 'one that is')
      else if (byId.get(name)!.section === undefined)
        found.error(at, `"${name}" is no section of a river`, 'a site with a section')
      else if (name === id) found.error(at, `"${name}" is the site itself`, 'another one')
    }
  }
}

function checkReports(path: string, { reports }: Site, { categories }: District, found: Findings): void {
  if (categories === undefined) return
  for (const [index, category] of (reports?.categories ?? []).entries()) {
    if (!Object.hasOwn(categories, category))
      found.error(
        `${path}.reports.categories.${index}`,
        `"${category}" is no category of the district`,
        `one of ${listed(Object.keys(categories))}`,
      )
  }
}

/** Every way round, each told once, from the first of its sites that was met. */
export function loops(below: ReadonlyMap<string, ReadonlySet<string>>): readonly (readonly string[])[] {
  const found: string[][] = []
  const done = new Set<string>()
  for (const start of below.keys()) {
    if (done.has(start)) continue
    // Down the water without recursion: rivers may be as long as the file.
    const way: { readonly id: string; readonly next: Iterator<string> }[] = []
    const onWay = new Map<string, number>()
    const enter = (id: string): void => {
      onWay.set(id, way.length)
      way.push({ id, next: (below.get(id) ?? new Set<string>()).values() })
    }
    enter(start)
    while (way.length > 0) {
      const here = way.at(-1)!
      const { value, done: isEnd } = here.next.next()
      if (isEnd === true) {
        way.pop()
        onWay.delete(here.id)
        done.add(here.id)
      } else if (onWay.has(value)) {
        const loop = way.slice(onWay.get(value)).map(({ id }) => id)
        // Of itself alone is told where the site names itself.
        if (loop.length > 1) found.push(loop)
      } else if (!done.has(value)) enter(value)
    }
  }
  return found
}
