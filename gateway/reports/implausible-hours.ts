import { Credibility, MEMORY } from '../../rules/credibility.ts'
import { millionths } from '../../rules/millionths.ts'
import type { Plausible } from '../model/kind.ts'
import type { Point, Query } from '../model/pipeline.ts'
import { DAY, HOUR } from './month.ts'

/** Points that are read at once. */
const PAGE = 10_000

/** A metric of a device, from one hour to another, epoch milliseconds. */
export type Series = Pick<Query, 'device' | 'kind' | 'metric' | 'from' | 'to'>

type Ask = (query: Query) => Promise<readonly Point[]>

/**
 * Beginnings of the hours, epoch milliseconds, with a normal reading that rules would not believe. Bounds are asked of
 * the store by the hour, two questions at once; where there are steps too, the readings are read one by one, from a
 * day before on, for a step is held against what was believed last. Rejects with what the store rejects with, and when
 * `signal` aborts.
 */
export async function implausibleHours(
  ask: Ask,
  series: Series,
  plausible: Plausible,
  signal: AbortSignal,
): Promise<Set<number>> {
  signal.throwIfAborted()
  const credibility = new Credibility(plausible)
  return credibility.remembers
    ? await readOneByOne(ask, series, credibility, signal)
    : await askForExtremes(ask, series, plausible, credibility)
}

async function askForExtremes(
  ask: Ask,
  series: Series,
  { minimum, maximum }: Plausible,
  credibility: Credibility,
): Promise<Set<number>> {
  const hourly = { ...series, every: HOUR, limit: Math.ceil((series.to - series.from) / HOUR) }
  const extremes = await Promise.all([
    minimum === undefined ? [] : ask({ ...hourly, agg: 'min' }),
    maximum === undefined ? [] : ask({ ...hourly, agg: 'max' }),
  ])
  const memory = new Float64Array(MEMORY.length)
  const doubted = extremes
    .flat()
    .filter(([hour, value]) => !credibility.believes(memory, 0, hour, millionths(Number(value))))
  return new Set(doubted.map(([hour]) => hour))
}

async function readOneByOne(
  ask: Ask,
  series: Series,
  credibility: Credibility,
  signal: AbortSignal,
): Promise<Set<number>> {
  const hours = new Set<number>()
  const memory = new Float64Array(MEMORY.length).fill(NaN)
  for await (const page of pages(ask, { ...series, from: series.from - DAY }, signal)) {
    const marked = new Set<number>()
    // Only marks other than N are stored.
    const marks = {
      ...series,
      metric: `${series.metric}_flag`,
      from: page[0]![0],
      to: page.at(-1)![0] + 1,
    }
    for await (const some of pages(ask, marks, signal)) for (const [ts] of some) marked.add(ts)
    for (const [ts, value] of page) {
      if (marked.has(ts) || credibility.believes(memory, 0, ts, millionths(Number(value)))) continue
      if (ts >= series.from) hours.add(ts - (ts % HOUR))
    }
  }
  return hours
}

/** All points of a series in order of time; no page is empty. */
async function* pages(ask: Ask, series: Series, signal: AbortSignal): AsyncGenerator<readonly Point[]> {
  for (let from = series.from; from < series.to;) {
    signal.throwIfAborted()
    const page = await ask({ ...series, from, limit: PAGE })
    if (page.length > 0) yield page
    if (page.length < PAGE) return
    from = page.at(-1)![0] + 1
  }
}
