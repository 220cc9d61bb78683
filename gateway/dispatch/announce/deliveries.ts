import type { StatementSync } from 'node:sqlite'
import type { Database } from '../../registry/database.ts'
import type { Announcement } from './announcement.ts'

/**
 * The log of what was sent. A row is written before its first post and never changes its content, so what is sent
 * again is the same announcement with the same id. `open` has yet to be taken, `sent` was, `dead` will not be tried
 * again unless somebody asks for it.
 */
const TABLES = `
  CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL, announcement TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'sent', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    made_at INTEGER NOT NULL, tried_at INTEGER, next_at INTEGER NOT NULL,
    detail TEXT
  ) STRICT;
  CREATE INDEX deliveries_by_subscription ON deliveries (subscription, number);
  CREATE INDEX deliveries_open ON deliveries (subscription, number) WHERE state = 'open';
  CREATE INDEX deliveries_dead ON deliveries (subscription, number) WHERE state = 'dead';
`

const COLUMNS = `number, subscription, announcement, state, attempts, made_at AS madeAt, tried_at AS triedAt,
  next_at AS nextAt, detail`

/** Rows that are kept of each subscription beside the open ones. */
const KEPT = { sent: 1000, dead: 1000 } as const

export interface Delivery {
  readonly number: number
  readonly subscription: string
  readonly announcement: Announcement
  readonly state: 'open' | 'sent' | 'dead'
  /** Failed ones; times are epoch ms. */
  readonly attempts: number
  readonly madeAt: number
  readonly triedAt: number | null
  readonly nextAt: number
  /** What the receiver said last, or why it could not be asked. */
  readonly detail: string | null
}

export class Deliveries {
  readonly #database: Database
  readonly #insert: StatementSync
  readonly #due: StatementSync
  readonly #nextAt: StatementSync
  readonly #end: StatementSync
  readonly #postpone: StatementSync
  readonly #reopen: StatementSync
  readonly #hurry: StatementSync
  readonly #get: StatementSync
  readonly #triedSince: StatementSync
  readonly #trim: StatementSync
  readonly #remove: StatementSync
  readonly #totals: StatementSync

  constructor(database: Database) {
    database.migrate('deliveries-1', TABLES)
    this.#database = database
    const { sql } = database
    this.#insert = sql.prepare(
      `INSERT INTO deliveries (subscription, announcement, state, made_at, next_at, detail) VALUES (?, ?, ?, ?, ?, ?)`,
    )
    this.#due = sql.prepare(
      `SELECT ${COLUMNS} FROM deliveries WHERE subscription = ? AND state = 'open' AND next_at <= ?
        ORDER BY number LIMIT 1`,
    )
    this.#nextAt = sql.prepare(
      `SELECT min(next_at) AS at FROM deliveries WHERE subscription = ? AND state = 'open'`,
    )
    this.#end = sql.prepare(
      `UPDATE deliveries SET state = ?, attempts = attempts + ?, tried_at = ?, detail = ? WHERE number = ?`,
    )
    this.#postpone = sql.prepare(
      `UPDATE deliveries SET attempts = attempts + 1, tried_at = ?, next_at = ?, detail = ? WHERE number = ?`,
    )
    this.#reopen = sql.prepare(
      `UPDATE deliveries SET state = 'open', attempts = 0, made_at = ?1, next_at = ?1 WHERE number = ?2 AND state = 'dead'`,
    )
    this.#hurry = sql.prepare(`UPDATE deliveries SET next_at = ? WHERE subscription = ? AND state = 'open'`)
    this.#get = sql.prepare(`SELECT ${COLUMNS} FROM deliveries WHERE number = ?`)
    this.#triedSince = sql.prepare(
      `SELECT coalesce(tried_at, made_at) AS at FROM deliveries
        WHERE subscription = ? AND coalesce(tried_at, made_at) > ? ORDER BY number DESC LIMIT 200`,
    )
    this.#trim = sql.prepare(
      `DELETE FROM deliveries WHERE subscription = ?1 AND state = ?2 AND number <= (
        SELECT number FROM deliveries WHERE subscription = ?1 AND state = ?2 ORDER BY number DESC LIMIT 1 OFFSET ?3)`,
    )
    this.#totals = sql.prepare(
      `SELECT (SELECT count(*) FROM deliveries WHERE state = 'open') AS open,
        (SELECT count(*) FROM deliveries WHERE state = 'dead') AS dead,
        (SELECT count(DISTINCT subscription) FROM deliveries WHERE state = 'open' AND attempts > 0) AS failing`,
    )
    this.#remove = sql.prepare('DELETE FROM deliveries WHERE subscription = ?')
  }

  /** Joins the caller's transaction, which moves the cursor past what the announcement holds. */
  add(subscription: string, announcement: Announcement, now: number, dead?: string): void {
    const state = dead === undefined ? 'open' : 'dead'
    this.#insert.run(subscription, JSON.stringify(announcement), state, now, now, dead ?? null)
  }

  /** The oldest that may be tried now. */
  due(subscription: string, now: number): Delivery | undefined {
    const row = this.#due.get(subscription, now)
    return row === undefined ? undefined : deliveryOf(row)
  }

  /** When the next open one may be tried; null when none is open. */
  nextAt(subscription: string): number | null {
    return this.#nextAt.get(subscription)!['at'] as number | null
  }

  sent(delivery: Delivery, now: number): void {
    this.#database.derive(() => {
      this.#end.run('sent', 0, now, null, delivery.number)
      if (delivery.number % 100 === 0) this.#trim.run(delivery.subscription, 'sent', KEPT.sent)
    })
  }

  postponed(delivery: Delivery, now: number, nextAt: number, detail: string): void {
    this.#database.derive(() => this.#postpone.run(now, nextAt, detail, delivery.number))
  }

  died(delivery: Delivery, now: number, detail: string): void {
    this.#database.derive(() => {
      this.#end.run('dead', 1, now, detail, delivery.number)
      this.#trim.run(delivery.subscription, 'dead', KEPT.dead)
    })
  }

  /** A dead letter is tried again as if it were new; false when it is none. Joins the caller's transaction. */
  reopen(number: number, now: number): boolean {
    return this.#reopen.run(now, number).changes === 1
  }

  /** Nothing waits any longer: the receiver is another now. Joins the caller's transaction. */
  hurry(subscription: string, now: number): void {
    this.#hurry.run(now, subscription)
  }

  get(number: number): Delivery | undefined {
    const row = this.#get.get(number)
    return row === undefined ? undefined : deliveryOf(row)
  }

  /** Newest first, below `before`. */
  list(
    query: { readonly subscriptions: readonly string[]; readonly dead: boolean },
    limit: number,
    before = Number.MAX_SAFE_INTEGER,
  ): Delivery[] {
    const { subscriptions, dead } = query
    return this.#database.sql
      .prepare(
        `SELECT ${COLUMNS} FROM deliveries WHERE subscription IN (${subscriptions.map(() => '?').join(', ')})
          ${dead ? `AND state = 'dead'` : ''} AND number < ? ORDER BY number DESC LIMIT ?`,
      )
      .all(...subscriptions, before, limit)
      .map(deliveryOf)
  }

  /** Times of posts after `since`, so that a restart does not begin with a full allowance. */
  triedSince(subscription: string, since: number): number[] {
    return this.#triedSince.all(subscription, since).map((row) => row['at'] as number)
  }

  counts(subscription: string): Readonly<Record<Delivery['state'], number>> {
    const rows = this.#database.sql
      .prepare('SELECT state, count(*) AS count FROM deliveries WHERE subscription = ? GROUP BY state')
      .all(subscription) as unknown as { state: Delivery['state']; count: number }[]
    return { open: 0, sent: 0, dead: 0, ...Object.fromEntries(rows.map((row) => [row.state, row.count])) }
  }

  /** Of all subscriptions: what waits, what was given up, and how many receivers have not taken what they were sent. */
  totals(): { readonly open: number; readonly dead: number; readonly failing: number } {
    return this.#totals.get() as { open: number; dead: number; failing: number }
  }

  /** Joins the caller's transaction. */
  forget(subscription: string): void {
    this.#remove.run(subscription)
  }
}

function deliveryOf(row: Record<string, unknown>): Delivery {
  return {
    ...(row as unknown as Delivery),
    announcement: JSON.parse(row['announcement'] as string) as Announcement,
  }
}
