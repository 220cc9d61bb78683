import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Flag, MetricValue } from '../model/reading.ts'
import type { Window } from './windows.ts'

/** Columns of a chart: what lies in one of them is drawn as its least, its greatest and their mean. */
export const COLUMNS = 640
/** Marked values of one series that are drawn one by one. */
const MARKS = 200
/** Series of one case that are drawn. */
const SERIES = 24

export interface Column {
  count: number
  sum: number
  least: number
  greatest: number
}

/** Readings of one metric of one device, as much of them as can be seen. */
export interface Series {
  readonly device: string
  readonly metric: string
  readonly isBoolean: boolean
  /** By number of the column; those without a normal value are missing. */
  readonly columns: ReadonlyMap<number, Column>
  readonly marks: readonly { readonly ts: number; readonly value: number; readonly flag: Flag }[]
}

/** One line of the part `readings`. */
export interface ReadingLine {
  readonly device: string
  readonly ts: number
  readonly metrics: Readonly<Record<string, MetricValue>>
  readonly flags?: Readonly<Record<string, Flag>>
}

/** The readings of the part, one after another, without its head and its foot. */
export async function* readingsIn(part: Readable): AsyncGenerator<ReadingLine> {
  for await (const line of createInterface({ input: part, crlfDelay: Infinity })) {
    const reading = JSON.parse(line) as Partial<ReadingLine>
    if (reading.metrics !== undefined) yield reading as ReadingLine
  }
}

/** Reads a part of any length into so many columns; `span` is what the chart shows. */
export async function seriesOf(part: Readable, span: Window): Promise<readonly Series[]> {
  const series = new Map<
    string,
    Series & { columns: Map<number, Column>; marks: Series['marks'][number][] }
  >()
  for await (const { device, ts, metrics, flags } of readingsIn(part)) {
    for (const [metric, raw] of Object.entries(metrics)) {
      const key = `${device}\n${metric}`
      let found = series.get(key)
      if (found === undefined) {
        if (series.size === SERIES) continue
        found = { device, metric, isBoolean: typeof raw === 'boolean', columns: new Map(), marks: [] }
        series.set(key, found)
      }
      const value = Number(raw)
      const flag = flags?.[metric] ?? 'N'
      if (flag !== 'N') {
        if (found.marks.length < MARKS) found.marks.push({ ts, value, flag })
        continue
      }
      const at = Math.floor(((ts - span.from) / Math.max(1, span.to - span.from)) * COLUMNS)
      const column = found.columns.get(at)
      if (column === undefined) found.columns.set(at, { count: 1, sum: value, least: value, greatest: value })
      else {
        column.count++
        column.sum += value
        column.least = Math.min(column.least, value)
        column.greatest = Math.max(column.greatest, value)
      }
    }
  }
  return [...series.values()]
}
