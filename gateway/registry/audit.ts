import type { Clock } from '../model/clock.ts'
import type { Database } from './database.ts'

export interface AuditEntry {
  readonly id: number
  readonly at: number
  /** User name, or `gateway`. */
  readonly actor: string
  /** What was done, such as `device.create`. */
  readonly action: string
  /** What it was done to. */
  readonly subject: string
  readonly detail: string | null
}

/** Who changed what, and when. Entries are only ever added: the table itself refuses anything else. */
export class Audit {
  readonly #database: Database
  readonly #clock: Clock

  constructor(database: Database, clock: Clock) {
    this.#database = database
    this.#clock = clock
  }

  load(): void {
    this.#database.migrate(
      'audit-1',
      `CREATE TABLE audit (
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         at INTEGER NOT NULL,
         actor TEXT NOT NULL,
         action TEXT NOT NULL,
         subject TEXT NOT NULL,
         detail TEXT
       ) STRICT;
       CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
       CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;`,
    )
  }

  /** On disk when it returns; inside a transaction, together with what it tells of. Never put secrets in it. */
  note(actor: string, action: string, subject: string, detail: string | null = null): void {
    this.#database.transaction(() => {
      this.#database.sql
        .prepare('INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)')
        .run(this.#clock.now(), actor, action, subject, detail)
    })
  }

  /** Newest first; `cursor` is the id of the last entry of the page before. */
  list(query: { readonly limit: number; readonly cursor?: number | undefined }): {
    items: AuditEntry[]
    cursor?: number
  } {
    const { limit, cursor = Number.MAX_SAFE_INTEGER } = query
    const items = this.#database.sql
      .prepare(
        'SELECT id, at, actor, action, subject, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?',
      )
      .all(cursor, limit) as unknown as AuditEntry[]
    return items.length < limit ? { items } : { items, cursor: items.at(-1)!.id }
  }
}
