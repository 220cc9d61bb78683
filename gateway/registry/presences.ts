import type { Presence } from '../model/device.ts'
import type { Database } from './database.ts'

/** Changes are written together this long after the first of them, ms: a thousand reconnects cost one fsync. */
const WRITE_AFTER_MS = 1000

/** Which devices are there. After a crash the last second may be missing; the devices say it again. */
export class Presences {
  readonly #database: Database
  readonly #known = new Map<string, Presence>()
  readonly #unwritten = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(database: Database) {
    this.#database = database
  }

  /** Nobody is connected when the gateway starts, so everybody is away until it says otherwise. */
  load(): void {
    this.#database.migrate(
      'presences-1',
      `CREATE TABLE presences (
         device TEXT PRIMARY KEY,
         online INTEGER NOT NULL,
         at INTEGER NOT NULL
       ) STRICT, WITHOUT ROWID`,
    )
    for (const row of this.#database.sql.prepare('SELECT device, at FROM presences').iterate()) {
      const { device, at } = row as { device: string; at: number }
      this.#known.set(device, { online: false, at })
    }
  }

  of(device: string): Presence | undefined {
    return this.#known.get(device)
  }

  set(device: string, online: boolean, at: number): void {
    this.#known.set(device, { online, at })
    this.#unwritten.add(device)
    this.#timer ??= setTimeout(() => this.#writeInTime(), WRITE_AFTER_MS).unref()
  }

  /** Joins the caller's transaction. */
  remove(device: string): void {
    this.#database.sql.prepare('DELETE FROM presences WHERE device = ?').run(device)
    this.#database.afterCommit(() => {
      this.#known.delete(device)
      this.#unwritten.delete(device)
    })
  }

  /** Writes what is not yet written. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#write()
  }

  #writeInTime(): void {
    this.#timer = undefined
    try {
      this.#write()
    } catch {
      // A full disk, which the journal reports: whether a device is there is not worth a second alarm. It
      // stays unwritten until the next change.
    }
  }

  #write(): void {
    if (this.#unwritten.size === 0) return
    this.#database.transaction(() => {
      const write = this.#database.sql.prepare(
        'INSERT OR REPLACE INTO presences (device, online, at) VALUES (?, ?, ?)',
      )
      for (const device of this.#unwritten) {
        const { online, at } = this.#known.get(device)!
        write.run(device, online ? 1 : 0, at)
      }
    })
    this.#unwritten.clear()
  }
}
