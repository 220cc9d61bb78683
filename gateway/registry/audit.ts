import { AsyncLocalStorage } from 'node:async_hooks'
import type { StatementSync } from 'node:sqlite'
import type { Clock } from '../model/clock.ts'
import { BEGINNING, COLUMNS, link, type AuditRow } from './audit-chain.ts'
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
  /** Where it came from; null when the gateway did it by itself, and in entries of earlier versions. */
  readonly address: string | null
}

/** Somebody has looked at personal data: such entries are as sure as the data is secret, but cost no fsync each. */
export const PERSONAL_READ = 'personal.read'

export interface AuditQuery {
  readonly actor?: string | undefined
  /** An action, or with a dot at its end all that begin with it: `user.`. */
  readonly action?: string | undefined
  readonly subject?: string | undefined
  /** Epoch ms, inclusive. */
  readonly from?: number | undefined
  /** Epoch ms, exclusive. */
  readonly to?: number | undefined
}

/** Of an entry's texts, characters kept: what devices and people send ends up in them. */
const LONGEST = 1000

/**
 * Who changed what or saw whose data, when, and from where. Entries are only ever added: the table itself refuses
 * anything else, and each is chained to the one before (audit-chain.ts), for whoever goes around the table.
 */
export class Audit {
  readonly #database: Database
  readonly #clock: Clock
  readonly #origin = new AsyncLocalStorage<string>()
  #statements: { readonly last: StatementSync; readonly add: StatementSync } | undefined

  constructor(database: Database, clock: Clock) {
    this.#database = database
    this.#clock = clock
  }

  load(): void {
    const database = this.#database
    database.migrate(
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
    database.migrate(
      'audit-2',
      `ALTER TABLE audit ADD COLUMN address TEXT;
       ALTER TABLE audit ADD COLUMN hash BLOB;
       CREATE INDEX audit_by_time ON audit (at);
       CREATE INDEX audit_by_actor ON audit (actor, at);
       CREATE INDEX audit_by_action ON audit (action, at);
       CREATE INDEX audit_by_subject ON audit (subject, at);`,
    )
    const { sql } = database
    this.#statements = {
      last: sql.prepare('SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1'),
      add: sql.prepare(
        'INSERT INTO audit (id, at, actor, action, subject, detail, address, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      ),
    }
  }

  /** Everything that `work` notes, now and later, came from that address. */
  from<T>(address: string, work: () => T): T {
    return this.#origin.run(address, work)
  }

  /**
   * On disk when it returns; inside a transaction, together with what it tells of. A look at personal data waits for
   * no disk by itself: it survives a kill, and is on disk with the next change. Never put secrets in it.
   */
  note(actor: string, action: string, subject: string, detail: string | null = null): void {
    const write = () => this.#write(cut(actor), action, cut(subject), detail === null ? null : cut(detail))
    if (action === PERSONAL_READ) this.#database.derive(write)
    else this.#database.transaction(write)
  }

  #write(actor: string, action: string, subject: string, detail: string | null): void {
    const { last, add } = this.#statements!
    const before = last.get() as { id: number; hash: Uint8Array | null } | undefined
    // Asked of the table each time: what a transaction took back was never there.
    const id = (before?.id ?? 0) + 1
    const at = this.#clock.now()
    const address = this.#origin.getStore() ?? null
    const chained = before === undefined ? BEGINNING : (before.hash ?? this.#unchained())
    const hash = link(chained, { id, at, actor, action, subject, detail, address })
    add.run(id, at, actor, action, subject, detail, address, hash)
  }

  /** What the first row of the chain follows on, where there are rows from before it. */
  #unchained(): Uint8Array {
    let hash: Uint8Array = BEGINNING
    const rows = this.#database.sql.prepare(`SELECT ${COLUMNS}, hash FROM audit ORDER BY id`).iterate()
    for (const row of rows as unknown as Iterable<AuditRow>) hash = link(hash, row)
    return hash
  }

  /** Number and hash of the newest entry, which stand for all before it; undefined while there is none. */
  head(): { readonly id: number; readonly hash: string } | undefined {
    const row = this.#statements!.last.get() as { id: number; hash: Uint8Array | null } | undefined
    if (row === undefined) return undefined
    return { id: row.id, hash: Buffer.from(row.hash ?? this.#unchained()).toString('hex') }
  }

  /** Newest first; `cursor` is time and id of the last entry of the page before. */
  list(
    query: AuditQuery & {
      readonly limit: number
      readonly cursor?: readonly [at: number, id: number] | undefined
    },
  ): { items: AuditEntry[]; cursor?: readonly [at: number, id: number] } {
    const { limit, cursor } = query
    const terms: string[] = []
    const values: (string | number)[] = []
    const add = (term: string, ...operands: (string | number)[]) => {
      terms.push(term)
      values.push(...operands)
    }
    if (query.actor !== undefined) add('actor = ?', query.actor)
    if (query.subject !== undefined) add('subject = ?', query.subject)
    // The character after the dot is the slash.
    if (query.action?.endsWith('.') === true)
      add('action > ? AND action < ?', query.action, `${query.action.slice(0, -1)}/`)
    else if (query.action !== undefined) add('action = ?', query.action)
    if (query.from !== undefined) add('at >= ?', query.from)
    if (query.to !== undefined) add('at < ?', query.to)
    if (cursor !== undefined) add('at <= ? AND (at, id) < (?, ?)', cursor[0], cursor[0], cursor[1])
    const where = terms.length === 0 ? '' : `WHERE ${terms.join(' AND ')}`
    const items = this.#database.sql
      .prepare(`SELECT ${COLUMNS} FROM audit ${where} ORDER BY at DESC, id DESC LIMIT ?`)
      .all(...values, limit) as unknown as AuditEntry[]
    const end = items.at(-1)
    return items.length < limit || end === undefined ? { items } : { items, cursor: [end.at, end.id] }
  }
}

/** Half a character would come back from the table as another one, and the hash would not hold. */
function cut(text: string): string {
  return text.slice(0, LONGEST).toWellFormed()
}
