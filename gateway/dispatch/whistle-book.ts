import type { SQLInputValue, StatementSync } from 'node:sqlite'
import type { Position } from '../model/reading.ts'
import type { Database } from '../registry/database.ts'
import { nextWhistleColour, type WhistleRecord } from './whistle-record.ts'

/** At most one open whistle for each case and department: the database itself refuses a second. */
const TABLES = `
  CREATE TABLE whistles (
    number INTEGER PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES cases (id), department TEXT NOT NULL,
    state TEXT NOT NULL, blown_by TEXT NOT NULL, at INTEGER NOT NULL, note TEXT NOT NULL,
    report_ms INTEGER NOT NULL, resolve_ms INTEGER NOT NULL,
    deadline_colour TEXT NOT NULL, next_colour_at INTEGER,
    reported_at INTEGER, position TEXT, ended_at INTEGER, overseer TEXT
  ) STRICT;
  CREATE INDEX whistles_of_case ON whistles (case_id, number);
  CREATE UNIQUE INDEX whistles_one_open ON whistles (case_id, department)
    WHERE state IN ('blown', 'reported_in');
  CREATE INDEX whistles_due ON whistles (next_colour_at) WHERE next_colour_at IS NOT NULL;
`

/** Whistles of cases that are suspended by now stand still from now on. */
const SUSPENSION = `
  ALTER TABLE whistles ADD COLUMN suspended_at INTEGER;
  ALTER TABLE whistles ADD COLUMN suspended_ms INTEGER NOT NULL DEFAULT 0;
  UPDATE whistles SET next_colour_at = NULL, suspended_at =
      (SELECT max(cases.suspended_at, whistles.at) FROM cases WHERE cases.id = whistles.case_id)
    WHERE state IN ('blown', 'reported_in')
      AND case_id IN (SELECT id FROM cases WHERE state = 'suspended')`

const COLUMNS = `number, case_id AS caseId, department, state, blown_by AS "by", at, note, report_ms AS reportMs,
  resolve_ms AS resolveMs, deadline_colour AS deadlineColour, reported_at AS reportedAt, position,
  ended_at AS endedAt, overseer, suspended_at AS suspendedAt, suspended_ms AS suspendedMs`

/** Whistles of all cases. */
export class WhistleBook {
  readonly #insert: StatementSync
  readonly #update: StatementSync
  readonly #of: StatementSync
  readonly #ofAll: StatementSync
  readonly #due: StatementSync
  readonly #nextDue: StatementSync

  /** After the table of cases. */
  constructor(database: Database) {
    database.migrate('whistles-1', TABLES)
    database.migrate('whistles-2', SUSPENSION)
    const { sql } = database
    this.#insert = sql.prepare(
      `INSERT INTO whistles (state, deadline_colour, next_colour_at, reported_at, position, ended_at, overseer,
        suspended_at, suspended_ms, case_id, department, blown_by, at, note, report_ms, resolve_ms)
        VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
    )
    this.#update = sql.prepare(
      `UPDATE whistles SET state = ?, deadline_colour = ?, next_colour_at = ?, reported_at = ?, position = ?,
        ended_at = ?, overseer = ?, suspended_at = ?, suspended_ms = ? WHERE number = ?`,
    )
    this.#of = sql.prepare(`SELECT ${COLUMNS} FROM whistles WHERE case_id = ? ORDER BY number`)
    this.#ofAll = sql.prepare(
      `SELECT ${COLUMNS} FROM json_each(?) AS p CROSS JOIN whistles ON case_id = p.value ORDER BY case_id, number`,
    )
    this.#due = sql.prepare(
      `SELECT ${COLUMNS} FROM whistles WHERE next_colour_at <= ? ORDER BY next_colour_at LIMIT ?`,
    )
    this.#nextDue = sql.prepare(
      'SELECT min(next_colour_at) AS at FROM whistles WHERE next_colour_at IS NOT NULL',
    )
  }

  /** In the order in which they were blown. */
  of(caseId: string): readonly WhistleRecord[] {
    return this.#of.all(caseId).map(recordOf)
  }

  /** Of several cases, whose ids come as a JSON array; by case. */
  ofAll(caseIds: string): ReadonlyMap<string, readonly WhistleRecord[]> {
    return Map.groupBy(this.#ofAll.all(caseIds).map(recordOf), ({ caseId }) => caseId)
  }

  insert(whistle: Omit<WhistleRecord, 'number'>): void {
    this.#insert.run(
      ...changing({ ...whistle, number: 0 }),
      whistle.caseId,
      whistle.department,
      whistle.by,
      whistle.at,
      whistle.note,
      whistle.reportMs,
      whistle.resolveMs,
    )
  }

  save(whistle: WhistleRecord): void {
    this.#update.run(...changing(whistle), whistle.number)
  }

  due(now: number, limit: number): readonly WhistleRecord[] {
    return this.#due.all(now, limit).map(recordOf)
  }

  nextDue(): number | null {
    return this.#nextDue.get()!['at'] as number | null
  }
}

function recordOf(row: Record<string, unknown>): WhistleRecord {
  const position = row['position'] === null ? null : (JSON.parse(row['position'] as string) as Position)
  return { ...(row as unknown as WhistleRecord), position }
}

/** In the order of both statements above. */
function changing(whistle: WhistleRecord): SQLInputValue[] {
  return [
    whistle.state,
    whistle.deadlineColour,
    nextWhistleColour(whistle)?.at ?? null,
    whistle.reportedAt,
    whistle.position === null ? null : JSON.stringify(whistle.position),
    whistle.endedAt,
    whistle.overseer,
    whistle.suspendedAt,
    whistle.suspendedMs,
  ]
}
