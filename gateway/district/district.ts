import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { parse, YAMLParseError } from 'yaml'
import { ConfigError } from '../config.ts'
import { areaFault, type AreaGeometry } from '../model/area.ts'
import { DistrictSchema, type District } from '../model/district.ts'
import { isIdentifier } from '../model/identifier.ts'

const BUILT_IN = new URL('districts/chongchuan.yaml', import.meta.url)

const validate = new Ajv({ strict: false, strictNumbers: true, verbose: true }).compile<District>(
  DistrictSchema,
)

/** Reads and checks a district file, the built-in Chongchuan when none is given; throws {@link ConfigError}. */
export function loadDistrict(file?: string): District {
  const name = file ?? 'chongchuan.yaml'
  const district = read(file ?? BUILT_IN, name)
  if (!validate(district)) {
    const error = validate.errors![0]!
    const where = error.instancePath.slice(1).replaceAll('/', '.')
    const extra = error.params['additionalProperty']
    const value = typeof error.data === 'object' ? '' : `${JSON.stringify(error.data)} `
    throw new ConfigError(
      `${name}: ${where || 'the file'}: ${value}${error.message}${typeof extra === 'string' ? ` (${extra})` : ''}`,
    )
  }
  const problem = inconsistency(district)
  if (problem !== null) throw new ConfigError(`${name}: ${problem}`)
  return district
}

/** Areas that rules may name. */
export function areasOf({ areas = [] }: District): ReadonlyMap<string, AreaGeometry> {
  return new Map(areas.map(({ id, geometry }) => [id, geometry]))
}

function read(file: string | URL, name: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error instanceof YAMLParseError) throw new ConfigError(`${name}: ${error.message.split(/:?\n/)[0]}`)
    throw new ConfigError(`${name}: cannot be read: ${(error as Error).message}`)
  }
}

/** What a schema cannot say: names that must be unique, names that must exist, a team for whatever comes. */
function inconsistency(district: District): string | null {
  const streets = new Map(district.streets.map((street) => [street.id, street]))
  const ids = [...district.streets, ...district.teams].map((entry) => entry.id)
  const reserved = ids.find((id) => !isIdentifier(id))
  if (reserved !== undefined) return `"${reserved}" is reserved and cannot name a street or a team`
  const twice =
    repeated(district.streets.map((street) => street.id)) ??
    repeated(district.teams.map((team) => team.id)) ??
    repeated((district.areas ?? []).map((area) => area.id))
  if (twice !== undefined) return `"${twice}" is there twice`
  for (const team of district.teams) {
    const street = team.streets?.find((id) => !streets.has(id))
    if (street !== undefined) return `team ${team.id} serves street "${street}", which the district has not`
    const grid = team.grids?.find((id) => !hasGrid(streets, id))
    if (grid !== undefined) return `team ${team.id} serves grid "${grid}", which the district has not`
  }
  for (const { id, geometry } of district.areas ?? []) {
    const fault = areaFault(geometry)
    if (fault !== null) return `area ${id}: ${fault}`
  }
  const catchAll = district.teams.some(
    (team) =>
      team.level === 'district' &&
      team.streets === undefined &&
      team.grids === undefined &&
      team.categories === undefined,
  )
  return catchAll
    ? null
    : 'no team of level district takes every case: leave streets, grids and categories out of one'
}

function hasGrid(streets: ReadonlyMap<string, { grids: number }>, grid: string): boolean {
  const match = /^(.+)-(\d{3})$/.exec(grid)
  const street = match === null ? undefined : streets.get(match[1]!)
  const number = Number(match?.[2])
  return street !== undefined && number >= 1 && number <= street.grids
}

function repeated(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index)
}
