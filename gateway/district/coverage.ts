import { DateTime } from 'luxon'
import { LEVELS, type District, type Level, type Team } from '../model/district.ts'
import type { DutyCalendar } from '../model/roster.ts'
import { DAYS } from '../model/rule.ts'
import { dateAfter, onDuty, shiftMinutes } from './duty.ts'
import { firstFew, listed, type Findings } from './finding.ts'
import type { Grids } from './grids.ts'
import { serves } from './routing.ts'

const DAY_MINUTES = 1440
/** A Monday: of a week without holidays and exceptions only the weekdays matter. */
const ORDINARY_MONDAY = '2024-01-01'
/** Dates that a calendar or an exception names and that are looked at; a span counts by its first days. */
const MOST_DATES = 400
const MOST_OF_A_SPAN = 62

/** The teams that one and the same case may be sent to at a level, and what such cases are. */
interface Post {
  readonly level: Level
  readonly teams: readonly Team[]
  readonly categories: Set<string>
}

/** Whether there is a team, and somebody of it on duty, for every category in every grid at every hour. */
export function checkCoverage(district: District, grids: Grids, found: Findings): void {
  const posts = new Map<string, Post>()
  for (const category of Object.keys(district.categories ?? {})) {
    const start = district.categories![category]!.starts ?? 'grid'
    const unserved: string[] = []
    for (const { place, ids } of kindsOfPlace(district, grids)) {
      for (const level of LEVELS.slice(LEVELS.indexOf(start))) {
        const teams = district.teams.filter(
          (team) => team.level === level && serves(team, { category, ...place }),
        )
        if (teams.length === 0 && level === start) unserved.push(...ids)
        if (teams.length === 0) continue
        const key = JSON.stringify(teams.map(({ id }) => id))
        const post = posts.get(key) ?? { level, teams, categories: new Set() }
        post.categories.add(category)
        posts.set(key, post)
      }
    }
    if (unserved.length > 0)
      found.warning(
        `categories.${category}`,
        `no team of level ${start} serves ${firstFew(unserved)}, where its cases start`,
        `a team for each grid, or another start than ${start}`,
      )
  }
  for (const post of posts.values()) checkPost(district, post, found)
}

/** Grids that the same teams serve need be looked at once: those that some team names, and the rest of each street. */
function* kindsOfPlace({ teams }: District, grids: Grids) {
  const named = new Set(teams.flatMap(({ grids = [] }) => grids))
  const rest = new Map<string, string[]>()
  for (const grid of grids.ids()) {
    const street = grids.streetOf(grid)!
    if (named.has(grid)) yield { place: { street, grid }, ids: [grid] }
    else rest.set(street, [...(rest.get(street) ?? []), grid])
  }
  for (const [street, ids] of rest) yield { place: { street, grid: ids[0]! }, ids }
}

function checkPost(district: District, { level, teams, categories }: Post, found: Findings): void {
  if (teams.some(({ roster }) => roster === undefined)) return
  const gaps = [...ordinaryGaps(teams), ...gapsOnDates(district, teams)]
  if (gaps.length === 0) return
  const index = district.teams.indexOf(teams[0]!)
  found.warning(
    `teams.${index}.roster.shifts`,
    `nobody of ${listed(teams.map(({ id }) => id))} is on duty ${firstFew(gaps, 7)}`,
    `somebody at every hour at level ${level} for ${firstFew([...categories])}`,
  )
}

/** `mon 00:00-08:00`: of a week without holidays and exceptions. */
function ordinaryGaps(teams: readonly Team[]): string[] {
  const ordinary = teams.map(withoutExceptions)
  return DAYS.flatMap((day, index) =>
    gapsOf(ordinary, {}, dateAfter(ORDINARY_MONDAY, index)).map((gap) => `${day} ${gap}`),
  )
}

/** `2026-10-01 00:00-24:00`: of the dates on which something is otherwise. */
function gapsOnDates({ calendar = {} }: District, teams: readonly Team[]): string[] {
  const spans = [
    ...(calendar.holidays ?? []),
    ...(calendar.workdays ?? []).map((date) => ({ from: date })),
    ...teams.flatMap(({ roster }) => roster!.exceptions ?? []),
  ]
  const dates = [...new Set(spans.flatMap(datesOf))].sort().slice(0, MOST_DATES)
  return dates.flatMap((date) => {
    const usual = new Set(gapsOf(teams.map(withoutExceptions), {}, date))
    // What is open every week has been told.
    return gapsOf(teams, calendar, date)
      .filter((gap) => !usual.has(gap))
      .map((gap) => `${date} ${gap}`)
  })
}

function withoutExceptions(team: Team): Team {
  const { members, shifts } = team.roster!
  return { ...team, roster: { members, shifts } }
}

function datesOf({ from, to = from }: { from: string; to?: string }): string[] {
  const days = DateTime.fromISO(to).diff(DateTime.fromISO(from), 'days').days
  return Array.from({ length: Math.min(Math.round(days) + 1, MOST_OF_A_SPAN) }, (_, index) =>
    dateAfter(from, index),
  )
}

/** Hours of a day, `00:00-08:00`, in which nobody of the teams is on duty. */
function gapsOf(teams: readonly Team[], calendar: DutyCalendar, date: string): string[] {
  const steps = new Set([0, DAY_MINUTES])
  for (const { roster } of teams) {
    const all = [...roster!.shifts, ...(roster!.exceptions ?? []).flatMap(({ shifts = [] }) => shifts)]
    for (const shift of all) {
      const { start, end } = shiftMinutes(shift)
      steps.add(start).add(end > DAY_MINUTES ? end - DAY_MINUTES : end)
    }
  }
  const minutes = [...steps].sort((a, b) => a - b)
  const gaps: [number, number][] = []
  for (const [index, minute] of minutes.slice(0, -1).entries()) {
    if (teams.some(({ roster }) => onDuty(roster!, calendar, { date, minute }).length > 0)) continue
    const end = minutes[index + 1]!
    const last = gaps.at(-1)
    if (last?.[1] === minute) last[1] = end
    else gaps.push([minute, end])
  }
  return gaps.map(([from, to]) => `${written(from)}-${written(to)}`)
}

function written(minute: number): string {
  const two = (number: number) => String(number).padStart(2, '0')
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`
}
