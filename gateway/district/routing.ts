import {
  LEVELS,
  type Category,
  type District,
  type LadderTeam,
  type Level,
  type Team,
} from '../model/district.ts'
import { dutyStrength, localMinute } from './duty.ts'

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

/** Cases that a team has to work on now. */
export type Load = (team: string) => number

/** {@link teamFor} with everything but the case: what the queue routes by. */
export type Route = (place: Place, from: Level) => LadderTeam

/**
 * The team for a case at a level, or at the next one up that has any on duty: category × grid → street → district.
 * At one level a team with somebody on duty `now` (epoch ms) comes before one without, one that names the category
 * before one that takes everything, then the one with the fewest cases for each person on duty, then the file's
 * order. When nobody is on duty up to the top, the district's answers for it all the same. Departments are never
 * sent to: they are whistled for. Pure, and always finds one: `loadDistrict` demands a district team that takes
 * everything everywhere.
 */
export function teamFor(
  district: District,
  place: Place,
  from: Level,
  now: number,
  load: Load = () => 0,
): LadderTeam {
  const at = localMinute(now)
  let asleep: readonly LadderTeam[] = []
  for (const level of LEVELS.slice(LEVELS.indexOf(from))) {
    const able = district.teams.filter(
      (team): team is LadderTeam => team.level === level && serves(team, place),
    )
    const strength = new Map(able.map((team) => [team, dutyStrength(team, district, at)]))
    const awake = able.filter((team) => strength.get(team)! > 0)
    if (awake.length > 0) return leastLoaded(named(awake), (team) => load(team.id) / strength.get(team)!)
    if (able.length > 0) asleep = able
  }
  const team = named(asleep)[0]
  if (team === undefined) throw new Error(`district ${district.id} has no team that takes every case`)
  return team
}

/** Those that name their categories, if there are any. */
function named(teams: readonly LadderTeam[]): readonly LadderTeam[] {
  const specialists = teams.filter((team) => team.categories !== undefined)
  return specialists.length > 0 ? specialists : teams
}

function leastLoaded(teams: readonly LadderTeam[], loadOf: (team: LadderTeam) => number): LadderTeam {
  let [best] = teams as [LadderTeam]
  // Most often there is no choice, and nothing is counted.
  if (teams.length === 1) return best
  let least = Infinity
  for (const team of teams) {
    const load = loadOf(team)
    if (load < least) [best, least] = [team, load]
  }
  return best
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
