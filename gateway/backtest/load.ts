import type { ForeseenCase } from './crews.ts'

const HOUR = 3_600_000

/** What a team would have had to do in an hour in which anything changed for it. */
export interface HourOfWork {
  readonly team: string
  /** Beginning of the hour, epoch milliseconds. */
  readonly hour: number
  /** Cases that came in. */
  readonly cases: number
  /** Cases that were open at once, at most. */
  readonly open: number
}

/** By hour, then by team. Hours in which no case came or went are left out. */
export function loadOf(cases: readonly ForeseenCase[]): readonly HourOfWork[] {
  const load: HourOfWork[] = []
  for (const [team, ofTeam] of Map.groupBy(cases, (record) => record.team))
    load.push(...loadOfTeam(team, ofTeam))
  return load.sort((a, b) => a.hour - b.hour || (a.team < b.team ? -1 : 1))
}

function loadOfTeam(team: string, cases: readonly ForeseenCase[]): HourOfWork[] {
  const steps = [
    ...cases.map(({ queuedAt }) => ({ at: queuedAt, change: 1 })),
    ...cases.map(({ handledAt, endedAt }) => ({ at: (handledAt ?? endedAt)!, change: -1 })),
  ].sort((a, b) => a.at - b.at || a.change - b.change)
  const hours = new Map<number, { cases: number; open: number }>()
  let open = 0
  for (const { at, change } of steps) {
    const hour = Math.floor(at / HOUR) * HOUR
    const known = hours.get(hour) ?? { cases: 0, open }
    open += change
    if (change > 0) known.cases++
    known.open = Math.max(known.open, open)
    hours.set(hour, known)
  }
  return [...hours].map(([hour, counted]) => ({ team, hour, ...counted }))
}
