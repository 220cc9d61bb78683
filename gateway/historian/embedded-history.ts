import { existsSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { History, Recorded, Stretch } from '../model/pipeline.ts'
import type { Origin } from '../model/reading.ts'
import { ReadingBuilder, type FieldValue } from './fields.ts'

/** Points of a series that are read at once, and readings in a chunk. */
const ROWS = 4096
const CHUNK = 2048

/**
 * `history.db` (see `embedded.ts`), read device by device over a connection of its own. A device's series are
 * each read as they lie on disk and merged by time.
 */
export class EmbeddedHistory implements History {
  readonly #sql: DatabaseSync
  #scans = 0

  constructor(file: string) {
    if (!existsSync(file)) throw new Error(`${file} is not there: no reading has been stored in this dataDir`)
    this.#sql = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  }

  devices(kind: string): Promise<readonly string[]> {
    const rows = this.#sql
      .prepare(
        `SELECT DISTINCT series.device AS device FROM series JOIN fields ON fields.id = series.field
         WHERE fields.kind = ? ORDER BY device`,
      )
      .all(kind)
    return Promise.resolve(rows.map((row) => row['device'] as string))
  }

  // oxlint-disable-next-line require-await -- SQLite answers at once; the interface is for those that do not
  async *scan({ device, kind, from, to }: Stretch): AsyncIterable<readonly Recorded[]> {
    this.#begin()
    try {
      const origins = this.#origins(device, kind, from, to)
      let chunk: Recorded[] = []
      for (;;) {
        const ts = earliest(origins)
        if (ts === Infinity) break
        for (const { origin, builder, columns } of origins) {
          if (earliestOf(columns) !== ts) continue
          for (const column of columns) if (column.ts === ts) column.put()
          chunk.push({ origin, reading: builder.take(ts) })
        }
        if (chunk.length < CHUNK) continue
        yield chunk
        chunk = []
      }
      if (chunk.length > 0) yield chunk
    } finally {
      this.#end()
    }
  }

  close(): void {
    if (this.#sql.isOpen) this.#sql.close()
  }

  /** One picture of all series: what is written meanwhile is seen in none of them. */
  #begin(): void {
    if (this.#scans++ === 0) this.#sql.exec('BEGIN')
  }

  #end(): void {
    if (--this.#scans === 0 && this.#sql.isTransaction) this.#sql.exec('COMMIT')
  }

  #origins(device: string, kind: string, from: number, to: number): OriginColumns[] {
    const points = this.#sql.prepare(
      `SELECT ts, value FROM points WHERE series = ? AND ts >= ? AND ts < ? ORDER BY ts LIMIT ${ROWS}`,
    )
    points.setReturnArrays(true)
    const series = this.#sql
      .prepare(
        `SELECT series.id AS id, name, type, site, street, grid FROM series JOIN fields ON fields.id = series.field
         WHERE device = ? AND kind = ? ORDER BY site, street, grid, series.id`,
      )
      .all(device, kind) as unknown as SeriesRow[]
    const origins = Map.groupBy(series, ({ site, street, grid }) => JSON.stringify([site, street, grid]))
    return [...origins.values()].map((rows) => {
      const { site, street, grid } = rows[0]!
      const builder = new ReadingBuilder()
      const columns = rows.map(({ id, name, type }) => {
        const put = builder.putter(name)
        return new Column(
          points,
          id,
          from,
          to,
          type === 'boolean' ? (value: FieldValue) => put(value === 1) : put,
        )
      })
      return { origin: { device, kind, site, street, grid }, builder, columns }
    })
  }
}

interface SeriesRow {
  readonly id: number
  readonly name: string
  readonly type: string
  readonly site: string
  readonly street: string
  readonly grid: string
}

interface OriginColumns {
  readonly origin: Origin
  readonly builder: ReadingBuilder
  readonly columns: readonly Column[]
}

/** One series on its way: its next point, and some of those behind it. */
class Column {
  /** Time of the next point; Infinity when there is none. */
  ts = Infinity
  readonly #points: StatementSync
  readonly #series: number
  readonly #to: number
  readonly #put: (value: FieldValue) => void
  #rows: [number, number | string][] = []
  #at = 0

  constructor(
    points: StatementSync,
    series: number,
    from: number,
    to: number,
    put: (value: FieldValue) => void,
  ) {
    this.#points = points
    this.#series = series
    this.#to = to
    this.#put = put
    this.#read(from)
  }

  /** Puts the next point into the reading, and goes on. */
  put(): void {
    const row = this.#rows[this.#at++]!
    this.#put(row[1])
    if (this.#at < this.#rows.length) this.ts = this.#rows[this.#at]![0]
    else if (this.#rows.length === ROWS) this.#read(row[0] + 1)
    else this.ts = Infinity
  }

  #read(from: number): void {
    this.#rows = this.#points.all(this.#series, from, this.#to) as unknown as [number, number | string][]
    this.#at = 0
    this.ts = this.#rows[0]?.[0] ?? Infinity
  }
}

function earliest(origins: readonly OriginColumns[]): number {
  let first = Infinity
  for (const { columns } of origins) first = Math.min(first, earliestOf(columns))
  return first
}

function earliestOf(columns: readonly Column[]): number {
  let first = Infinity
  for (const { ts } of columns) if (ts < first) first = ts
  return first
}
