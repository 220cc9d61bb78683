import type { StatementSync } from 'node:sqlite'
import type { Database } from '../../registry/database.ts'
import type { Notice } from './notice.ts'

/**
 * What there is to tell, in the order in which it happened, written in the transaction of the change itself. Each
 * subscription reads it behind a cursor of its own, as consumers do the journal. Numbers are never used twice.
 */
const TABLES = `
  CREATE TABLE announce_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, notice TEXT NOT NULL) STRICT;
`

/** A receiver that has been out of reach for longer than so many notices loses the oldest. */
const KEPT = 100_000

export interface Logged {
  readonly seq: number
  readonly notice: Notice
}

export class NoticeLog {
  readonly #append: StatementSync
  readonly #after: StatementSync
  readonly #head: StatementSync
  readonly #prune: StatementSync

  constructor(database: Database) {
    database.migrate('announce-log-1', TABLES)
    const { sql } = database
    this.#append = sql.prepare('INSERT INTO announce_log (notice) VALUES (?)')
    this.#after = sql.prepare('SELECT seq, notice FROM announce_log WHERE seq > ? ORDER BY seq LIMIT ?')
    this.#head = sql.prepare(
      `SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name = 'announce_log'`,
    )
    this.#prune = sql.prepare('DELETE FROM announce_log WHERE seq <= ?')
  }

  /** Joins the transaction of the change. */
  append(notice: Notice): void {
    this.#append.run(JSON.stringify(notice))
  }

  /** Row by row: whoever wants the first one only, reads no more. */
  *after(seq: number, limit: number): Generator<Logged> {
    for (const row of this.#after.iterate(seq, limit)) {
      yield { seq: row['seq'] as number, notice: JSON.parse(row['notice'] as string) as Notice }
    }
  }

  /** Number of the newest. */
  head(): number {
    return this.#head.get()!['seq'] as number
  }

  /** Removes what everybody has read, and what nobody may wait for any longer. Joins the caller's transaction. */
  prune(read: number): void {
    this.#prune.run(Math.max(read, this.head() - KEPT))
  }
}
