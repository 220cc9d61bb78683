import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Log } from '../log.ts'

/** What a caller has to write in the same transaction as the change it asks for, such as an audit entry. */
export type Along = () => void

/**
 * Pages that stay in memory, KiB at most: the upper parts of all indexes of a million cases, and what is open. SQLite's
 * own 2 MiB would read the file anew for every page of a list; what is not used is not taken.
 */
const CACHE_KIB = 65_536

/**
 * The second SQLite file (`registry.db`): devices, users, alarms, cases, rule state, audit. The repositories
 * beside this file own its tables; PostgreSQL can later stand behind them.
 *
 * One connection on the main thread, WAL, `synchronous=FULL`: a transaction that has returned is on disk.
 */
export class Database {
  readonly sql: DatabaseSync
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #log: Log | undefined
  /** It had tables before this start: bringing years of cases up to date may take minutes. */
  readonly #isOld: boolean
  #open = false
  #afterCommit: (() => void)[] = []

  /** `log` is told what is being changed in tables that are there already. */
  constructor(file: string, log?: Log) {
    this.#log = log
    this.sql = new DatabaseSync(file)
    this.sql.exec(
      `PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;
        PRAGMA cache_size=-${CACHE_KIB}`,
    )
    this.sql.exec('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY) STRICT')
    this.#isOld = this.sql.prepare('SELECT 1 FROM migrations LIMIT 1').get() !== undefined
    this.#begin = this.sql.prepare('BEGIN IMMEDIATE')
    this.#commit = this.sql.prepare('COMMIT')
  }

  /** Runs each statement list once, ever. Name it after the repository and number it: `cases-1`. */
  migrate(name: string, statements: string): void {
    this.transaction(() => {
      if (this.sql.prepare('SELECT 1 FROM migrations WHERE name = ?').get(name) !== undefined) return
      if (this.#isOld) this.#log?.info({ migration: name }, 'the registry is being brought up to date')
      this.sql.exec(statements)
      this.sql.prepare('INSERT INTO migrations (name) VALUES (?)').run(name)
    })
  }

  /** All or nothing, synchronous, on disk when it returns. A call inside another joins it. */
  transaction<T>(work: () => T): T {
    if (this.#open) return work()
    const result = this.#run(work)
    this.#tell()
    return result
  }

  /**
   * The same without the fsync, for what follows from the journal and is written together with the cursor up to
   * which it follows. It survives a kill at any moment; a power cut may take the last of it back, cursor and all,
   * and the next start derives the same again. The next {@link transaction} makes it durable too.
   */
  derive<T>(work: () => T): T {
    if (this.#open) return work()
    this.sql.exec('PRAGMA synchronous=NORMAL')
    let result: T
    try {
      result = this.#run(work)
    } finally {
      this.sql.exec('PRAGMA synchronous=FULL')
    }
    // With the fsync back on: whoever is told may store something of its own.
    this.#tell()
    return result
  }

  #run<T>(work: () => T): T {
    this.#begin.run()
    this.#open = true
    try {
      const result = work()
      this.#commit.run()
      return result
    } catch (error) {
      this.#afterCommit = []
      // A failed COMMIT (full disk) may have ended the transaction already.
      if (this.sql.isTransaction) this.sql.exec('ROLLBACK')
      throw error
    } finally {
      this.#open = false
    }
  }

  #tell(): void {
    const pending = this.#afterCommit
    this.#afterCommit = []
    for (const tell of pending) tell()
  }

  /** Runs once the surrounding transaction is on disk (at once outside of one): nothing is told that may yet roll back. */
  afterCommit(tell: () => void): void {
    if (this.#open) this.#afterCommit.push(tell)
    else tell()
  }

  close(): void {
    if (this.sql.isOpen) this.sql.close()
  }
}
