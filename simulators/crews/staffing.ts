import { Chance } from '../chance.ts'
import { metres } from '../devices/course.ts'
import { MINUTE } from '../devices/model.ts'
import type { Position } from '../reading.ts'
import type { TrueEpisode } from '../truth.ts'
import { effortOf } from './conduct.ts'

/** Somebody has to go there. */
export interface Incident {
  readonly at: number
  readonly site: string
  readonly position: Position
}

/** One for each place and time at which alarms must come. */
export function incidentsOf(truth: readonly TrueEpisode[]): Incident[] {
  const incidents = new Map<string, Incident>()
  for (const { from, site, position, expected } of truth) {
    if (expected.some(({ may }) => !may)) incidents.set(`${site} ${from}`, { at: from, site, position })
  }
  return [...incidents.values()].sort((a, b) => a.at - b.at)
}

export interface Staffing {
  readonly crews: number
  /** Of the incidents: a crew was there in time. */
  readonly inTime: number
  /** From the incident to the arrival, ms. */
  readonly median: number
  readonly p95: number
}

/**
 * A discrete-event run of so many crews over the incidents, many times over with other reaction times, traffic and
 * work: the crew that can be there first goes, and is free again when it is done. Crews wait where they are farthest from each
 * other among the places that may need them, and go back there.
 */
export function staffed(
  incidents: readonly Incident[],
  places: readonly Position[],
  crews: number,
  { within, runs, seed }: { readonly within: number; readonly runs: number; readonly seed: number },
): Staffing {
  const bases = spread(places, crews)
  const arrivals: number[] = []
  for (let run = 0; run < runs; run++) {
    const chance = new Chance(seed, `staffing ${run}`)
    const freeAt = bases.map(() => -Infinity)
    incidents.forEach(({ at, position }, number) => {
      // Not all at the very same instant, as in a drawing; and not the same in every run.
      const known = at + chance.at('known', number) * MINUTE
      const options = bases.map((base, crew) => {
        const effort = effortOf(chance, `${number} ${crew}`, base, position)
        const arrival = Math.max(known, freeAt[crew]!) + effort.react + effort.travel
        return { crew, arrival, done: arrival + effort.handle }
      })
      const first = options.reduce((best, option) => (option.arrival < best.arrival ? option : best))
      freeAt[first.crew] = first.done
      arrivals.push(first.arrival - known)
    })
  }
  arrivals.sort((a, b) => a - b)
  const quantile = (share: number): number =>
    arrivals[Math.min(arrivals.length - 1, Math.floor(share * arrivals.length))]!
  const inTime = arrivals.filter((arrival) => arrival <= within).length / arrivals.length
  return { crews, inTime, median: quantile(0.5), p95: quantile(0.95) }
}

/** So many of the places, each as far from those before it as can be; the first is the most central. */
export function spread(places: readonly Position[], count: number): Position[] {
  const total = (from: Position): number => places.reduce((sum, to) => sum + metres(from, to), 0)
  const bases = [places.reduce((best, place) => (total(place) < total(best) ? place : best))]
  while (bases.length < count) {
    const away = (place: Position): number => Math.min(...bases.map((base) => metres(base, place)))
    bases.push(places.reduce((best, place) => (away(place) > away(best) ? place : best)))
  }
  return bases
}
