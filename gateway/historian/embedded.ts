import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Log } from '../log.ts'
import {
  AGGREGATES,
  type Aggregate,
  type Historian,
  type Point,
  type Query,
  type Reject,
} from '../model/pipeline.ts'
import type { Delivery, Origin, Reading } from '../model/reading.ts'
import { fieldsOf, type FieldValue } from './fields.ts'

/**
 * `history.db`, the embedded historian. Synchronous SQLite: it belongs in a worker thread.
 *
 *   fields(id, kind, name, type)                    the type never changes (contract §6)
 *   series(id, field, device, site, street, grid)   as in InfluxDB: a device that moves begins new ones
 *   points(series, ts, value)                       clustered by (series, ts), so a range is read as it lies on
 *                                                   disk; the same series and time replaces the old value
 *
 * Fields are those of `fields.ts`. Booleans are 0 and 1 in a field that says so. A write is one transaction with
 * `synchronous=FULL`: when it has returned, a power cut does not undo it, so the journal's cursor never runs
 * ahead of the store.
 *
 * Retention is by age behind the newest point of the same series, not behind the clock: a recording of past
 * years can be replayed and is kept whole, and a machine that wakes up with a wrong date deletes nothing.
 *
 * Alarms are not kept here: registry.db, one file further, has them and is where they are read.
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS fields (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
  UNIQUE (kind, name)
) STRICT;
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, field INTEGER NOT NULL REFERENCES fields (id),
  device TEXT NOT NULL, site TEXT NOT NULL, street TEXT NOT NULL, grid TEXT NOT NULL,
  UNIQUE (field, device, site, street, grid)
) STRICT;
CREATE TABLE IF NOT EXISTS points (
  series INTEGER NOT NULL, ts INTEGER NOT NULL, value ANY NOT NULL,
  PRIMARY KEY (series, ts)
) STRICT, WITHOUT ROWID;
`

/** Points deleted in one transaction: some milliseconds, so that writes and queries get their turn between. */
const SLICE = 2_000
const SWEEP_EVERY_MS = 10 * 60_000

const AGGREGATE_SQL: Record<Aggregate, string> = {
  mean: 'avg(value)',
  min: 'min(value)',
  max: 'max(value)',
  sum: 'sum(value)',
  count: 'count(*)',
}

type FieldType = 'number' | 'boolean' | 'string'

/** As InfluxQL has it. */
const AGGREGATES_OF: Record<FieldType, readonly Aggregate[]> = {
  number: AGGREGATES,
  boolean: ['count', 'min', 'max'],
  string: ['count'],
}

interface Field {
  readonly id: number
  readonly type: FieldType
}

/** The series of one origin, by field name. */
type SeriesOf = Map<string, { readonly id: number; readonly type: FieldType }>

export class EmbeddedHistorian implements Historian {
  readonly target: string
  readonly #file: string
  readonly #keepMs: number
  readonly #log: Log
  #sql: DatabaseSync | undefined
  #insert: StatementSync | undefined
  #fields = new Map<string, Field>()
  #series = new WeakMap<Origin, SeriesOf>()
  #sweeper: NodeJS.Timeout | undefined

  constructor(target: string, file: string, keepMs: number, log: Log) {
    this.target = target
    this.#file = file
    this.#keepMs = keepMs
    this.#log = log
  }

  async start(): Promise<void> {
    const sql = new DatabaseSync(this.#file)
    sql.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000')
    sql.exec(SCHEMA)
    this.#sql = sql
    this.#insert = sql.prepare('INSERT OR REPLACE INTO points (series, ts, value) VALUES (?, ?, ?)')
    this.#forget()
    this.#sweeper = setInterval(() => {
      this.sweep().catch((error: unknown) =>
        this.#log.error({ err: error }, 'old readings could not be deleted'),
      )
    }, SWEEP_EVERY_MS)
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweeper)
    this.#sql?.close()
    this.#sql = undefined
  }

  async write(deliveries: readonly Delivery[]): Promise<readonly Reject[]> {
    const sql = this.#open()
    const rejects: Reject[] = []
    sql.exec('BEGIN IMMEDIATE')
    try {
      for (const delivery of deliveries) {
        for (const reading of delivery.readings) {
          const reason = this.#store(delivery.origin, reading)
          if (reason !== undefined) rejects.push({ delivery, reading, reason })
        }
      }
      sql.exec('COMMIT')
    } catch (error) {
      // A full disk may have ended the transaction already; rows that the caches know are gone with it.
      if (sql.isTransaction) sql.exec('ROLLBACK')
      this.#forget()
      throw error
    }
    return rejects
  }

  async writeAlarms(): Promise<void> {}

  async query(query: Query): Promise<readonly Point[]> {
    const sql = this.#open()
    const field = this.#field(query.kind, query.metric)
    if (field === undefined) return []
    const agg = query.every === undefined ? undefined : (query.agg ?? 'mean')
    if (agg !== undefined && !AGGREGATES_OF[field.type].includes(agg)) return []
    const series = sql
      .prepare('SELECT id FROM series WHERE field = ? AND device = ?')
      .all(field.id, query.device)
      .map((row) => Number(row['id']))
    const where = `series IN (${series.join(',')}) AND ts >= ? AND ts < ?`
    const { from, to, limit, every } = query
    if (every === undefined) {
      const points = sql.prepare(`SELECT ts, value FROM points WHERE ${where} ORDER BY ts LIMIT ?`)
      points.setReturnArrays(true)
      const rows = points.all(from, to, limit) as unknown as [number, number | string][]
      return field.type === 'boolean' ? rows.map(asBoolean) : rows
    }
    // Rounded down also before 1970: SQLite's % takes the sign of the dividend.
    const points = sql.prepare(
      `SELECT ts - ((ts % :every) + :every) % :every AS start, ${AGGREGATE_SQL[agg ?? 'mean']} FROM points
       WHERE series IN (${series.join(',')}) AND ts >= :from AND ts < :to GROUP BY start ORDER BY start LIMIT :limit`,
    )
    points.setReturnArrays(true)
    const rows = points.all({ every, from, to, limit }) as unknown as [number, number][]
    return field.type === 'boolean' && agg !== 'count' ? rows.map(asBoolean) : rows
  }

  /** Deletes what has passed its age, a slice at a time; resolves with the number of points. */
  async sweep(): Promise<number> {
    let deleted = 0
    const ids = this.#open().prepare('SELECT id FROM series').all()
    for (const { id } of ids) {
      for (;;) {
        // The store may have been closed while others had their turn.
        if (this.#sql === undefined) return deleted
        const { changes } = this.#sql
          .prepare(
            `DELETE FROM points WHERE series = ?1 AND ts IN (
               SELECT ts FROM points
               WHERE series = ?1 AND ts < (SELECT max(ts) FROM points WHERE series = ?1) - ?2 LIMIT ${SLICE})`,
          )
          .run(id!, this.#keepMs)
        deleted += Number(changes)
        await yieldToOthers()
        if (Number(changes) < SLICE) break
      }
    }
    return deleted
  }

  #open(): DatabaseSync {
    if (this.#sql === undefined) throw new Error('the embedded historian is closed')
    return this.#sql
  }

  #forget(): void {
    this.#fields = new Map()
    this.#series = new WeakMap()
  }

  /** Stores all of the reading, or nothing and says why: InfluxDB does so with a point. */
  #store(origin: Origin, reading: Reading): string | undefined {
    const fields = fieldsOf(reading)
    const known = this.#seriesOf(origin)
    for (const [name, value] of fields) {
      const type = (known.get(name) ?? this.#field(origin.kind, name))?.type
      if (type !== undefined && type !== typeof value) {
        return `field type conflict: "${name}" of "${origin.kind}" is ${typeof value}, already exists as ${type}`
      }
    }
    for (const [name, value] of fields) {
      const { id } = known.get(name) ?? this.#openSeries(origin, name, value)
      this.#insert!.run(id, reading.ts, typeof value === 'boolean' ? Number(value) : value)
    }
    return undefined
  }

  #seriesOf(origin: Origin): SeriesOf {
    let known = this.#series.get(origin)
    if (known === undefined) {
      known = new Map()
      this.#series.set(origin, known)
    }
    return known
  }

  #openSeries(origin: Origin, name: string, value: FieldValue): { id: number; type: FieldType } {
    const field = this.#field(origin.kind, name) ?? this.#newField(origin.kind, name, value)
    const { device, site, street, grid } = origin
    const sql = this.#open()
    sql
      .prepare('INSERT OR IGNORE INTO series (field, device, site, street, grid) VALUES (?, ?, ?, ?, ?)')
      .run(field.id, device, site, street, grid)
    const row = sql
      .prepare(
        'SELECT id FROM series WHERE field = ? AND device = ? AND site = ? AND street = ? AND grid = ?',
      )
      .get(field.id, device, site, street, grid)
    const series = { id: Number(row!['id']), type: field.type }
    this.#seriesOf(origin).set(name, series)
    return series
  }

  #field(kind: string, name: string): Field | undefined {
    const key = JSON.stringify([kind, name])
    const cached = this.#fields.get(key)
    if (cached !== undefined) return cached
    const row = this.#open()
      .prepare('SELECT id, type FROM fields WHERE kind = ? AND name = ?')
      .get(kind, name)
    if (row === undefined) return undefined
    const field = { id: Number(row['id']), type: row['type'] as FieldType }
    this.#fields.set(key, field)
    return field
  }

  #newField(kind: string, name: string, value: FieldValue): Field {
    this.#open()
      .prepare('INSERT INTO fields (kind, name, type) VALUES (?, ?, ?)')
      .run(kind, name, typeof value)
    return this.#field(kind, name)!
  }
}

function asBoolean([ts, value]: readonly [number, number | string]): Point {
  return [ts, value === 1]
}
