import type { StatementSync } from 'node:sqlite'
import type { Database } from '../../registry/database.ts'
import type { Subscription } from './subscription.ts'

/**
 * `cursor` is the number of the last notice that the subscription has dealt with. `url` and `secret` stand here as
 * they are, since signing needs them: the file is the gateway's own user's alone (umask 077).
 */
const TABLES = `
  CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY, type TEXT NOT NULL, url TEXT NOT NULL, secret TEXT, language TEXT NOT NULL,
    filter TEXT NOT NULL, rate INTEGER, created_by TEXT NOT NULL, created_at INTEGER NOT NULL,
    cursor INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`

/** Subscriptions and how far each has read. All of them are in memory: there are a hundred at most. */
export class Subscriptions {
  readonly #database: Database
  readonly #byId = new Map<string, Subscription>()
  readonly #cursors = new Map<string, number>()
  readonly #put: StatementSync
  readonly #remove: StatementSync
  readonly #move: StatementSync

  constructor(database: Database) {
    database.migrate('subscriptions-1', TABLES)
    this.#database = database
    const { sql } = database
    this.#put = sql.prepare(
      `INSERT OR REPLACE INTO subscriptions
        (id, type, url, secret, language, filter, rate, created_by, created_at, cursor)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#remove = sql.prepare('DELETE FROM subscriptions WHERE id = ?')
    this.#move = sql.prepare('UPDATE subscriptions SET cursor = ? WHERE id = ?')
    const rows = sql.prepare(
      `SELECT id, type, url, secret, language, filter, rate, created_by AS createdBy, created_at AS createdAt, cursor
        FROM subscriptions ORDER BY created_at, id`,
    )
    for (const { cursor, ...row } of rows.all()) {
      const subscription = {
        ...(row as unknown as Subscription),
        filter: JSON.parse(row['filter'] as string) as Subscription['filter'],
      }
      this.#byId.set(subscription.id, subscription)
      this.#cursors.set(subscription.id, cursor as number)
    }
  }

  /** In the order in which they were made. */
  all(): readonly Subscription[] {
    return [...this.#byId.values()]
  }

  get(id: string): Subscription | undefined {
    return this.#byId.get(id)
  }

  get size(): number {
    return this.#byId.size
  }

  /** A new one, or another version of one. Joins the caller's transaction. */
  put(subscription: Subscription, cursor: number): void {
    const { id, type, url, secret, language, filter, rate, createdBy, createdAt } = subscription
    this.#put.run(id, type, url, secret, language, JSON.stringify(filter), rate, createdBy, createdAt, cursor)
    this.#database.afterCommit(() => {
      this.#byId.set(id, subscription)
      this.#cursors.set(id, cursor)
    })
  }

  /** Joins the caller's transaction. */
  remove(id: string): void {
    this.#remove.run(id)
    this.#database.afterCommit(() => {
      this.#byId.delete(id)
      this.#cursors.delete(id)
    })
  }

  cursor(id: string): number {
    return this.#cursors.get(id)!
  }

  /** Joins the caller's transaction. */
  move(id: string, cursor: number): void {
    this.#move.run(cursor, id)
    this.#database.afterCommit(() => this.#cursors.set(id, cursor))
  }

  /** What all of them have dealt with; everything when there are none. */
  lowest(): number {
    return Math.min(Number.MAX_SAFE_INTEGER, ...this.#cursors.values())
  }
}
