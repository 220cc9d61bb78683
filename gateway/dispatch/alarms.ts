import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { SEVERITIES, type Alarm, type AlarmEnd, type AlarmState, type Severity } from '../model/alarm.ts'
import type { AlarmChange, AlarmFeed } from '../model/pipeline.ts'
import type { Database } from '../registry/database.ts'
import { Selection, type Page, type Place } from './selection.ts'

export interface AlarmFilter {
  readonly state?: AlarmState | undefined
  readonly severity?: Severity | undefined
  readonly rule?: string | undefined
  readonly device?: string | undefined
  readonly site?: string | undefined
  readonly kind?: string | undefined
  /** Any of these; for who may see only a part of the district. */
  readonly streets?: readonly string[] | undefined
  readonly grids?: readonly string[] | undefined
  /** All that ever belonged to the case, also those that have another one by now. */
  readonly case?: string | undefined
  /** By `startedAt`, epoch milliseconds: `from` inclusive, `to` exclusive. */
  readonly from?: number | undefined
  readonly to?: number | undefined
}

const TABLES = `
  CREATE TABLE alarms (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL, rule_version INTEGER NOT NULL,
    device TEXT NOT NULL, kind TEXT NOT NULL, site TEXT NOT NULL, street TEXT NOT NULL, grid TEXT NOT NULL,
    severity TEXT NOT NULL, state TEXT NOT NULL, stale INTEGER NOT NULL,
    started_at INTEGER NOT NULL, cleared_at INTEGER,
    peak REAL, value REAL,
    case_id TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX alarms_by_start ON alarms (started_at, id);
  CREATE INDEX alarms_by_street ON alarms (street, started_at, id);
  CREATE INDEX alarms_by_device ON alarms (device, started_at, id);
  CREATE INDEX alarms_firing ON alarms (id) WHERE state = 'firing';
  CREATE TABLE alarm_changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, alarm TEXT NOT NULL
  ) STRICT;
`

const COLUMNS = `id, rule, rule_version AS ruleVersion, device, kind, site, street, grid, severity, state, stale,
  started_at AS startedAt, cleared_at AS clearedAt, peak, value, case_id AS "case", reason, simulated`

type Row = Omit<Alarm, 'stale' | 'reason' | 'simulated'> & {
  readonly stale: 0 | 1
  readonly reason: AlarmEnd | null
  readonly simulated: 0 | 1
}

/**
 * Alarms as they are now, and an append-only log of how they came to be: one entry for each change of
 * anything but `value` and `peak`, which move with every reading.
 */
export class Alarms implements AlarmFeed {
  readonly #database: Database
  readonly #get: StatementSync
  readonly #put: StatementSync
  readonly #log: StatementSync
  readonly #after: StatementSync
  readonly #firesElse: StatementSync
  readonly #firingOf: StatementSync

  constructor(database: Database) {
    database.migrate('alarms-1', TABLES)
    database.migrate('alarms-2', 'CREATE INDEX alarms_by_case ON alarms (case_id)')
    database.migrate('alarms-3', 'ALTER TABLE alarms ADD COLUMN reason TEXT')
    database.migrate('alarms-4', 'ALTER TABLE alarms ADD COLUMN simulated INTEGER NOT NULL DEFAULT 0')
    this.#database = database
    this.#get = database.sql.prepare(`SELECT ${COLUMNS} FROM alarms WHERE id = ?`)
    this.#put = database.sql.prepare(
      `INSERT OR REPLACE INTO alarms (id, rule, rule_version, device, kind, site, street, grid, severity, state,
        stale, started_at, cleared_at, peak, value, case_id, reason, simulated)
        VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
    )
    this.#log = database.sql.prepare('INSERT INTO alarm_changes (at, alarm) VALUES (?, ?)')
    this.#firingOf = database.sql.prepare(
      `SELECT ${COLUMNS} FROM alarms WHERE case_id = ? AND state = 'firing'`,
    )
    this.#firesElse = database.sql.prepare(
      `SELECT 1 FROM alarms WHERE case_id = ? AND state = 'firing' AND id <> ? LIMIT 1`,
    )
    this.#after = database.sql.prepare(
      'SELECT seq, at, alarm FROM alarm_changes WHERE seq > ? ORDER BY seq LIMIT ?',
    )
  }

  get(id: string): Alarm | undefined {
    const row = this.#get.get(id)
    return row === undefined ? undefined : alarmOf(row)
  }

  /**
   * Stores the alarm; `now` is the gateway's time. True when the change is one for the log: storing what is
   * there already changes nothing.
   */
  upsert(alarm: Alarm, now: number): boolean {
    const before = this.get(alarm.id)
    if (before !== undefined && isSame(before, alarm)) {
      if (before.value !== alarm.value || before.peak !== alarm.peak) this.#put.run(...valuesOf(alarm))
      return false
    }
    this.#put.run(...valuesOf(alarm))
    this.#log.run(changedAt(alarm, before, now), JSON.stringify(alarm))
    return true
  }

  /** Newest first. */
  list(filter: AlarmFilter, limit: number, after?: Place): Page<Alarm> {
    const selection = new Selection()
      .and('state = ?', filter.state)
      .and('severity = ?', filter.severity)
      .and('rule = ?', filter.rule)
      .and('device = ?', filter.device)
      .and('site = ?', filter.site)
      .and('kind = ?', filter.kind)
      .and(
        '(case_id = ? OR id IN (SELECT alarm_id FROM case_alarms WHERE case_id = ?))',
        filter.case,
        filter.case,
      )
      .among('street', filter.streets)
      .among('grid', filter.grids)
      .and('started_at >= ?', filter.from)
      .and('started_at < ?', filter.to)
      .and('(started_at, id) < (?, ?)', after?.at, after?.id)
    const items = this.#database.sql
      .prepare(`SELECT ${COLUMNS} FROM alarms ${selection.where} ORDER BY started_at DESC, id DESC LIMIT ?`)
      .all(...selection.values, limit + 1)
      .map(alarmOf)
    const last = items[limit - 1]
    if (items.length <= limit || last === undefined) return { items }
    return { items: items.slice(0, limit), next: { at: last.startedAt, id: last.id } }
  }

  /** Whether an alarm of the case fires, apart from this one. */
  firesElse(caseId: string, alarmId: string): boolean {
    return this.#firesElse.get(caseId, alarmId) !== undefined
  }

  /** Whether an alarm of the case was true and is over. */
  hasCleared(caseId: string): boolean {
    return (
      this.#database.sql
        .prepare(`SELECT 1 FROM alarms WHERE case_id = ? AND state = 'cleared' LIMIT 1`)
        .get(caseId) !== undefined
    )
  }

  firingOf(caseId: string): readonly Alarm[] {
    return this.#firingOf.all(caseId).map(alarmOf)
  }

  *firing(): Iterable<Alarm> {
    const rows = this.#database.sql.prepare(`SELECT ${COLUMNS} FROM alarms WHERE state = 'firing'`).all()
    for (const row of rows) yield alarmOf(row)
  }

  firingBySeverity(): Readonly<Record<Severity, number>> {
    const rows = this.#database.sql
      .prepare(`SELECT severity, count(*) AS count FROM alarms WHERE state = 'firing' GROUP BY severity`)
      .all() as unknown as { severity: Severity; count: number }[]
    const counted = new Map(rows.map((row) => [row.severity, row.count]))
    const counts = SEVERITIES.map((severity) => [severity, counted.get(severity) ?? 0])
    return Object.fromEntries(counts) as Record<Severity, number>
  }

  /** Changes after `seq` (0: from the first one), in order. */
  after(seq: number, limit: number): readonly AlarmChange[] {
    return this.#after.all(seq, limit).map((row) => ({
      seq: row['seq'] as number,
      at: row['at'] as number,
      alarm: JSON.parse(row['alarm'] as string) as Alarm,
    }))
  }
}

/** Alarms over any connection, by start: `from` inclusive, `to` exclusive, epoch milliseconds. */
export function alarmsBetween(sql: DatabaseSync, from: number, to: number): readonly Alarm[] {
  return sql
    .prepare(`SELECT ${COLUMNS} FROM alarms WHERE started_at >= ? AND started_at < ? ORDER BY started_at, id`)
    .all(from, to)
    .map(alarmOf)
}

function alarmOf(row: Record<string, unknown>): Alarm {
  const { stale, reason, simulated, ...alarm } = row as unknown as Row
  return {
    ...alarm,
    ...(stale === 1 && { stale: true }),
    ...(reason !== null && { reason }),
    ...(simulated === 1 && { simulated: true }),
  }
}

function valuesOf(alarm: Alarm): SQLInputValue[] {
  return [
    alarm.id,
    alarm.rule,
    alarm.ruleVersion,
    alarm.device,
    alarm.kind,
    alarm.site,
    alarm.street,
    alarm.grid,
    alarm.severity,
    alarm.state,
    alarm.stale === true ? 1 : 0,
    alarm.startedAt,
    alarm.clearedAt,
    alarm.peak,
    alarm.value,
    alarm.case,
    alarm.reason ?? null,
    alarm.simulated === true ? 1 : 0,
  ]
}

/** Event time of a change: an alarm knows when it began and ended; anything in between happens as it is noted. */
function changedAt(alarm: Alarm, before: Alarm | undefined, now: number): number {
  if (alarm.state !== 'firing') return alarm.clearedAt ?? alarm.startedAt
  return before === undefined ? alarm.startedAt : now
}

/** Apart from `value` and `peak`. */
function isSame(one: Alarm, other: Alarm): boolean {
  return (
    one.state === other.state &&
    one.severity === other.severity &&
    one.startedAt === other.startedAt &&
    one.clearedAt === other.clearedAt &&
    one.case === other.case &&
    one.stale === other.stale &&
    one.reason === other.reason &&
    one.ruleVersion === other.ruleVersion &&
    one.site === other.site &&
    one.street === other.street &&
    one.grid === other.grid
  )
}
