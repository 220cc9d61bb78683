import { statSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { RAW_LIMIT, type Refusal } from '../model/reading.ts'
import { FORMAT_VERSION, FRAMES, PRAGMAS, SCHEMA, type OriginRow } from './format.ts'
import type { Commit, CursorMove, Filled, Found, Retention, WriterSettings } from './protocol.ts'

/** Longest stretch that tidying may hold up a commit, ms; a single large batch may take a little more. */
const SLICE_MS = 2
/** Rows of the quarantine that go at once. */
const PRUNE_ROWS = 50
/** Newest rows of the quarantine that are looked at for who fills it. */
const NEWEST_ROWS = 1000
/** Free pages are handed back to the disk, so many at a time, once they are both many and a quarter of the file. */
const VACUUM_PAGES = 128
const FREE_PAGES = 2048
/** Result code of SQLite: someone else holds the lock. */
const SQLITE_BUSY = 5

/** The one connection that writes `journal.db`. Every call is synchronous and belongs on the writer's thread. */
export class JournalWriter {
  readonly #settings: WriterSettings
  #lock!: DatabaseSync
  #sql!: DatabaseSync
  /** Device and inode of the file and its WAL, as opened. */
  #place = ''
  #quarantined = 0

  #insertBatch!: StatementSync
  #insertFrames!: StatementSync
  #insertOrigin!: StatementSync
  #insertRefusal!: StatementSync
  #deleteRefusal!: StatementSync
  #count!: StatementSync
  #moveCursor!: StatementSync
  #oldestBatches!: StatementSync
  #deleteBatch!: StatementSync
  #deleteFrames!: StatementSync
  #filler!: StatementSync
  #prune!: StatementSync
  #pruneOwn!: StatementSync

  constructor(settings: WriterSettings) {
    this.#settings = settings
  }

  /** Takes the lock, creates what is missing, recovers what a crash left in the WAL; throws with the reason. */
  open(): Found {
    const { file } = this.#settings
    this.#takeLock(`${file}.lock`)
    this.#sql = new DatabaseSync(file, { timeout: 1000 })
    const sql = this.#sql
    sql.exec(PRAGMAS)
    const version = this.#number('PRAGMA user_version')
    if (version === 0) this.#transaction(() => sql.exec(SCHEMA))
    else if (version !== FORMAT_VERSION)
      throw new Error(`${file} has format ${version}; this gateway reads format ${FORMAT_VERSION}`)
    this.#transaction(() => sql.exec(FRAMES))
    // A write, so that the WAL is there to be remembered, and an unwritable disk is known before the first message.
    sql.exec('UPDATE ledger SET duplicates = duplicates')
    this.#place = this.#placeNow()
    this.#prepare()
    this.#quarantined = this.#number('SELECT count(*) FROM quarantine')
    return this.#found()
  }

  /** All of it or nothing; on disk when it returns. Answers how many released quarantine rows were still there. */
  commit(commit: Commit): number {
    const { duplicates, refusals, moves } = commit
    let released = 0
    this.#transaction(() => {
      for (const { id, device, kind, site, street, grid } of commit.origins)
        this.#insertOrigin.run(id, device, kind, site, street, grid)
      if (commit.count > 0) {
        const body = bytesOf(commit.body)
        this.#insertBatch.run(commit.first, commit.count, commit.time, crc32(body), body)
      }
      if (commit.frames !== null) {
        const body = bytesOf(commit.frames)
        this.#insertFrames.run(commit.first, crc32(body), body)
      }
      this.#move(moves)
      for (const refusal of refusals) this.#refuse(refusal)
      for (const id of commit.released) released += Number(this.#deleteRefusal.run(id).changes)
      if (duplicates > 0 || refusals.length > 0 || released > 0)
        this.#count.run(duplicates, refusals.length - released)
    })
    const rejected = moves.reduce((sum, move) => sum + move.rejected.length, 0)
    this.#quarantined += refusals.length + rejected - released
    if (this.#settings.fsyncDelayMs > 0) pause(this.#settings.fsyncDelayMs)
    return released
  }

  /** Cursors that moved. Not fsynced: a crash may take the last second of it back. */
  move(moves: readonly CursorMove[]): void {
    if (moves.length > 0) this.#unsynced(() => this.#move(moves))
  }

  /** Deletes a slice of what retention and the quarantine's bound allow; true when there is more to do. */
  tidy(retention: Retention): boolean {
    const deadline = performance.now() + SLICE_MS
    let surplus = this.#quarantined - this.#settings.quarantineKeep
    let more = false
    this.#unsynced(() => {
      const prune = surplus > 0 ? this.#pruning() : null
      do {
        more = this.#deleteOldest(retention)
        if (surplus > 0) surplus -= prune!(Math.min(surplus, PRUNE_ROWS))
      } while ((more || surplus > 0) && performance.now() < deadline)
    })
    this.#quarantined = Math.min(this.#quarantined, this.#settings.quarantineKeep + Math.max(0, surplus))
    return more || surplus > 0 || this.#giveBack()
  }

  /** Is the disk well again? Writes so many bytes and takes them out again; throws while it is not. */
  probe(bytes: number): void {
    // What is moved out of the WAL is room to write; but a checkpoint that finds none in the file proves nothing.
    try {
      this.checkpoint()
    } catch {}
    this.#transaction(() => this.#sql.exec(`INSERT OR REPLACE INTO probe VALUES (1, zeroblob(${bytes}))`))
    this.#transaction(() => this.#sql.exec('DELETE FROM probe'))
  }

  /** Moves what it can from the WAL into the file without waiting for anyone. */
  checkpoint(): void {
    this.#sql.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }

  /** First reading that is still held; the head of an empty journal. */
  tail(): number {
    return this.#number('SELECT coalesce(min(first), 0) FROM batches')
  }

  close(): void {
    this.#sql.close()
    this.#lock.close()
  }

  #takeLock(file: string): void {
    try {
      this.#lock = new DatabaseSync(file, { timeout: 0 })
      this.#lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    } catch (error) {
      const { errcode, message } = error as Error & { errcode?: number }
      if (errcode === SQLITE_BUSY)
        throw new Error('it is open already, most likely in another gateway', { cause: error })
      throw new Error(`cannot lock ${file}: ${message}`, { cause: error })
    }
  }

  #prepare(): void {
    const sql = this.#sql
    this.#insertBatch = sql.prepare(
      'INSERT INTO batches (first, count, time, crc, body) VALUES (?, ?, ?, ?, ?)',
    )
    this.#insertFrames = sql.prepare('INSERT INTO frames (seq, crc, body) VALUES (?, ?, ?)')
    this.#insertOrigin = sql.prepare('INSERT OR IGNORE INTO origins VALUES (?, ?, ?, ?, ?, ?)')
    this.#insertRefusal = sql.prepare(
      'INSERT INTO quarantine (device, code, message, raw, raw_size, received_at) VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#deleteRefusal = sql.prepare('DELETE FROM quarantine WHERE id = ?')
    this.#count = sql.prepare('UPDATE ledger SET duplicates = duplicates + ?, quarantined = quarantined + ?')
    this.#moveCursor = sql.prepare(
      `INSERT INTO cursors (consumer, next, rejected) VALUES (?, ?, ?)
       ON CONFLICT (consumer) DO UPDATE SET
         next = max(next, excluded.next), rejected = rejected + excluded.rejected`,
    )
    this.#oldestBatches = sql.prepare('SELECT first, count, time FROM batches ORDER BY first LIMIT 2')
    this.#deleteBatch = sql.prepare('DELETE FROM batches WHERE first = ?')
    // Whatever is older belongs to nothing: a gateway from before there were frames may have deleted its batch.
    this.#deleteFrames = sql.prepare('DELETE FROM frames WHERE seq < ?')
    this.#filler = sql.prepare(
      `SELECT device FROM (SELECT device FROM quarantine ORDER BY id DESC LIMIT ?)
       GROUP BY device HAVING count(*) > ?`,
    )
    this.#pruneOwn = sql.prepare(
      'DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE device IS ? ORDER BY id LIMIT ?)',
    )
    this.#prune = sql.prepare(
      'DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine ORDER BY id LIMIT ?)',
    )
  }

  #found(): Found {
    const sql = this.#sql
    const ledger = sql.prepare('SELECT duplicates, quarantined FROM ledger').get() as {
      duplicates: number
      quarantined: number
    }
    return {
      head: this.#number('SELECT coalesce(max(first), 0) FROM batches') + this.#lastCount(),
      tail: this.tail(),
      ...ledger,
      cursors: sql
        .prepare('SELECT consumer, next, rejected FROM cursors')
        .all() as unknown as Found['cursors'],
      origins: sql
        .prepare('SELECT id, device, kind, site, street, grid FROM origins')
        .all() as unknown as OriginRow[],
    }
  }

  #lastCount(): number {
    return this.#number('SELECT coalesce((SELECT count FROM batches ORDER BY first DESC LIMIT 1), 0)')
  }

  #move(moves: readonly CursorMove[]): void {
    for (const { consumer, next, rejected } of moves) {
      this.#moveCursor.run(consumer, next, rejected.length)
      for (const refusal of rejected) this.#refuse(refusal)
    }
  }

  #refuse({ device, code, message, raw, rawSize, receivedAt }: Refusal): void {
    this.#insertRefusal.run(device, code, message, raw.subarray(0, RAW_LIMIT), rawSize, receivedAt)
  }

  /**
   * What makes room in the quarantine: the oldest go, but a device that fills it on its own makes room for itself, and
   * pushes out nobody else's.
   */
  #pruning(): (rows: number) => number {
    const newest = Math.min(NEWEST_ROWS, this.#settings.quarantineKeep)
    const filler = this.#filler.get(newest, newest / 2) as { device: string | null } | undefined
    const oldest = (rows: number) => Number(this.#prune.run(rows).changes)
    if (filler === undefined) return oldest
    return (rows) => Number(this.#pruneOwn.run(filler.device, rows).changes) || oldest(rows)
  }

  #deleteOldest({ below, before }: Retention): boolean {
    const [oldest, second] = this.#oldestBatches.all() as { first: number; count: number; time: number }[]
    if (oldest === undefined || second === undefined) return false
    if (oldest.first + oldest.count > below || oldest.time > before) return false
    this.#deleteBatch.run(oldest.first)
    this.#deleteFrames.run(oldest.first + oldest.count)
    return true
  }

  /** Pages that a drained backlog left behind go back to the disk; a few free ones stay for the next batches. */
  #giveBack(): boolean {
    const free = this.#number('PRAGMA freelist_count')
    if (free < FREE_PAGES || free < this.#number('PRAGMA page_count') / 4) return false
    this.#sql.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`)
    return true
  }

  #transaction(work: () => void): void {
    const sql = this.#sql
    if (sql.isTransaction) sql.exec('ROLLBACK')
    sql.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#ensureInPlace()
      sql.exec('COMMIT')
    } catch (error) {
      // A disk that fails the rollback as well leaves it to the next transaction, above.
      try {
        if (sql.isTransaction) sql.exec('ROLLBACK')
      } catch {}
      throw error
    }
  }

  /** In WAL mode `synchronous=NORMAL` leaves the fsync to the next commit, which keeps the order on disk. */
  #unsynced(work: () => void): void {
    this.#sql.exec('PRAGMA synchronous = NORMAL')
    try {
      this.#transaction(work)
    } finally {
      this.#sql.exec('PRAGMA synchronous = FULL')
    }
  }

  /**
   * A file that was deleted or replaced still takes writes, through the descriptors that are open, and nobody
   * would ever find them: so each commit looks. When the file is put back, all is well again.
   */
  #ensureInPlace(): void {
    if (this.#place !== '' && this.#placeNow() !== this.#place)
      throw new Error(`${this.#settings.file} or its WAL has been removed or replaced`)
  }

  #placeNow(): string {
    const { file } = this.#settings
    const main = statSync(file, { throwIfNoEntry: false })
    const wal = statSync(`${file}-wal`, { throwIfNoEntry: false })
    return `${main?.dev}:${main?.ino} ${wal?.dev}:${wal?.ino}`
  }

  #number(query: string): number {
    return Object.values(this.#sql.prepare(query).get() ?? {})[0] as number
  }
}

function bytesOf({ buffer, size }: Filled): Uint8Array {
  return new Uint8Array(buffer, 0, size)
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
