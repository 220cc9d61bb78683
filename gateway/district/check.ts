import { areaFault, type AreaGeometry } from '../model/area.ts'
import { LEVELS, type District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import { isIdentifier } from '../model/identifier.ts'
import { checkGeography } from './check-geography.ts'
import { checkRosters } from './check-rosters.ts'
import { checkSites } from './check-sites.ts'
import { checkCoverage } from './coverage.ts'
import { Findings, type Finding } from './finding.ts'
import { Grids } from './grids.ts'

/**
 * What the schema of a district cannot say: names that must be unique, names that must exist, numbers that must be in
 * order. Errors are what the gateway cannot run with; warnings are what it would run badly with. The district has
 * passed its schema.
 */
export function checkDistrict(district: District): readonly Finding[] {
  const found = new Findings()
  const grids = new Grids(district)
  checkNames(district, found)
  checkGrids(district, found)
  checkCategories(district, found)
  checkTeams(district, grids, found)
  checkAreas(district, found)
  checkRosters(district, found)
  checkSites(district, grids, found)
  return found.all
}

/** Warnings only, about a district without errors: where things lie, and whether somebody is there for every case. */
export function surveyDistrict(district: District): readonly Finding[] {
  const found = new Findings()
  checkGeography(district, found)
  checkCoverage(district, new Grids(district), found)
  return found.all
}

function checkNames(district: District, found: Findings): void {
  const { streets, teams, grids = [], areas = [], sites = [] } = district
  const lists = { streets, grids, teams, areas, sites }
  for (const [list, entries] of Object.entries(lists)) {
    const seen = new Set<string>()
    for (const [index, { id }] of entries.entries()) {
      const path = `${list}.${index}.id`
      if (!isIdentifier(id)) found.error(path, `"${id}" is reserved`, 'another name')
      if (seen.has(id)) found.error(path, `"${id}" is there twice`, 'each once')
      seen.add(id)
    }
  }
}

function checkGrids({ streets, grids = [] }: District, found: Findings): void {
  const known = new Map(streets.map((street) => [street.id, street]))
  for (const [index, { id, street }] of grids.entries()) {
    if (!known.has(street))
      found.error(`grids.${index}.street`, `"${street}" is no street of the district`, 'one that is')
    // A numbered grid that is described must be described under its own street.
    const numbered = /^(.+)-\d{3}$/.exec(id)?.[1]
    if (numbered !== undefined && numbered !== street && known.has(numbered))
      found.error(`grids.${index}.street`, `"${street}" is not the street of grid "${id}"`, `"${numbered}"`)
  }
  for (const [index, { id, grids: count }] of streets.entries()) {
    if (count === 0 && !grids.some(({ street }) => street === id))
      found.error(
        `streets.${index}.grids`,
        `street "${id}" has no grid`,
        'a number of grids, or grids with names',
      )
  }
}

function checkCategories({ categories = {}, teams }: District, found: Findings): void {
  const levels = new Map(teams.map(({ id, level }) => [id, level]))
  for (const [id, category] of Object.entries(categories)) {
    const path = `categories.${id}`
    for (const [index, department] of (category.departments ?? []).entries()) {
      if (levels.get(department) !== 'department')
        found.error(
          `${path}.departments.${index}`,
          `"${department}" is no department`,
          'a team of level department',
        )
    }
    const clocks = (['respond', 'arrive', 'resolve'] as const).filter((name) => category[name] !== undefined)
    for (const [index, name] of clocks.slice(1).entries()) {
      const before = clocks[index]!
      if (durationMs(category[name]!) < durationMs(category[before]!))
        found.error(
          `${path}.${name}`,
          `${category[name]} is shorter than ${before}`,
          `${category[before]} or more`,
        )
    }
  }
}

function checkTeams(district: District, grids: Grids, found: Findings): void {
  const { teams, categories } = district
  const streets = new Set(district.streets.map(({ id }) => id))
  for (const [index, team] of teams.entries()) {
    for (const [at, street] of (team.streets ?? []).entries()) {
      if (!streets.has(street))
        found.error(
          `teams.${index}.streets.${at}`,
          `team ${team.id} serves street "${street}", which the district has not`,
          'a street of the district',
        )
    }
    for (const [at, grid] of (team.grids ?? []).entries()) {
      const street = grids.streetOf(grid)
      if (street === undefined)
        found.error(
          `teams.${index}.grids.${at}`,
          `team ${team.id} serves grid "${grid}", which the district has not`,
          'a grid of the district',
        )
      else if (team.streets?.includes(street) === false)
        found.error(
          `teams.${index}.grids.${at}`,
          `grid "${grid}" is in ${street}, which is none of the team's streets`,
          'a grid of its streets',
        )
    }
    if (categories === undefined) continue
    for (const [at, category] of (team.categories ?? []).entries()) {
      if (!Object.hasOwn(categories, category))
        found.warning(
          `teams.${index}.categories.${at}`,
          `"${category}" is no category of the district`,
          'one of its categories',
        )
    }
  }
  const takesEverything = teams.some(
    ({ level, streets, grids, categories }) =>
      level === 'district' && streets === undefined && grids === undefined && categories === undefined,
  )
  if (!takesEverything)
    found.error(
      'teams',
      `no team of level ${LEVELS.at(-1)!} takes every case`,
      'one without streets, grids and categories',
    )
}

function checkAreas({ geometry, streets, grids = [], areas = [] }: District, found: Findings): void {
  const check = (path: string, geometry: AreaGeometry | undefined): void => {
    const fault = geometry === undefined ? null : areaFault(geometry)
    if (fault !== null) found.error(path, fault, 'closed rings of WGS-84 positions')
  }
  check('geometry', geometry)
  for (const [list, entries] of Object.entries({ streets, grids, areas })) {
    for (const [index, { geometry }] of entries.entries()) check(`${list}.${index}.geometry`, geometry)
  }
}
