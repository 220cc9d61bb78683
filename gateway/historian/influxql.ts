import type { Point, Query } from '../model/pipeline.ts'

/** InfluxDB holds times as 64-bit nanoseconds: the years 1677 to 2262, here in milliseconds. */
const EARLIEST = -9_223_372_036_854
const LATEST = 9_223_372_036_854

/** The one query language that all three generations of InfluxDB answer, at `/query`. */
export function select(query: Query): string {
  const field = identifier(query.metric)
  const what = query.every === undefined ? field : `${query.agg ?? 'mean'}(${field})`
  const group = query.every === undefined ? '' : ` GROUP BY time(${count(query.every)}ms) fill(none)`
  return (
    `SELECT ${what} FROM ${identifier(query.kind)} WHERE "device" = ${literal(query.device)}` +
    ` AND ${stretchOf(query.from, query.to)}${group} ORDER BY time ASC LIMIT ${count(query.limit)}`
  )
}

/** `from` inclusive, `to` exclusive, epoch milliseconds. */
export function stretchOf(from: number, to: number): string {
  return `time >= ${time(from)}ms AND time < ${time(to)}ms`
}

/** Nothing in a name can end the quotes: InfluxQL escapes quote, backslash and line feed by a backslash. */
export function identifier(name: string): string {
  return `"${escape(name).replaceAll('"', '\\"')}"`
}

export function literal(text: string): string {
  return `'${escape(text).replaceAll("'", "\\'")}'`
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function time(ms: number): number {
  return Math.trunc(Math.min(Math.max(ms, EARLIEST), LATEST))
}

function count(value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${value} is not a whole number above 0`)
  return value
}

/** What stands in a column of an answer. */
type Cell = string | number | boolean | null

interface Series {
  readonly columns: readonly string[]
  readonly values: readonly (readonly Cell[])[]
}

interface Results {
  readonly error?: string
  readonly results?: readonly { readonly error?: string; readonly series?: readonly Series[] }[]
}

/** Points of a `/query` answer with `epoch=ms`; throws what InfluxDB complains of. */
export function pointsOf(answer: unknown): readonly Point[] {
  return rowsOf(answer).rows as readonly Point[]
}

/** All rows of an answer that is one series, and the names of their columns; throws what InfluxDB complains of. */
export function rowsOf(answer: unknown): {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
} {
  const { error, results } = answer as Results
  const problem = error ?? results?.[0]?.error
  if (problem === undefined) {
    const series = results?.[0]?.series?.[0]
    return { columns: series?.columns ?? [], rows: series?.values ?? [] }
  }
  // A store that nothing was written to yet, and the mean of a boolean, are empty rather than wrong.
  if (/database not found|unsupported \w+ iterator type/.test(problem)) return { columns: [], rows: [] }
  throw new Error(`InfluxDB refused the query: ${problem}`)
}
