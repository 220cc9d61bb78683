import {
  LEVELS,
  type Category,
  type District,
  type LadderTeam,
  type Level,
  type Team,
} from '../model/district.ts'

/** Where a case happened and what it is about: all that routing looks at. */
export interface Place {
  readonly category: string
  readonly street: string
  readonly grid: string
}

/** The level at which cases of a category start: `grid` unless the district file says otherwise. */
export function startLevel(district: District, category: string): Level {
  return categoryOf(district, category)?.starts ?? 'grid'
}

/** What the district file says of a category, if anything. */
export function categoryOf({ categories = {} }: District, category: string): Category | undefined {
  return Object.hasOwn(categories, category) ? categories[category] : undefined
}

/** One level up; the district is the top. */
export function levelAbove(level: Level): Level {
  return LEVELS[Math.min(LEVELS.indexOf(level) + 1, LEVELS.length - 1)]!
}

/**
 * The team for a case at a level, or at the next one up that has any: category × grid → street → district.
 * At one level a team that names the category comes before one that takes everything, then the file's order
 * decides. Always finds one: `loadDistrict` demands a district team that takes everything everywhere.
 */
export function teamFor(district: District, place: Place, from: Level): LadderTeam {
  for (const level of LEVELS.slice(LEVELS.indexOf(from))) {
    const able = district.teams.filter(
      (team): team is LadderTeam => team.level === level && serves(team, place),
    )
    const team = able.find((team) => team.categories !== undefined) ?? able[0]
    if (team !== undefined) return team
  }
  throw new Error(`district ${district.id} has no team that takes every case`)
}

export function serves(team: Team, place: Place): boolean {
  return (
    servesStreet(team, place.street) &&
    (team.grids?.includes(place.grid) ?? true) &&
    (team.categories?.includes(place.category) ?? true)
  )
}

export function servesStreet(team: Team, street: string): boolean {
  return team.streets?.includes(street) ?? true
}

export function teamOf(district: District, id: string): Team | undefined {
  return district.teams.find((team) => team.id === id)
}

/** Streets that a team may know of; none for a team that the district does not have. */
export function streetsOf(district: District, id: string): readonly string[] {
  const team = teamOf(district, id)
  return team === undefined ? [] : (team.streets ?? district.streets.map((street) => street.id))
}
