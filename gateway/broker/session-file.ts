import { DatabaseSync, type StatementSync } from 'node:sqlite'

/**
 * The SQLite file behind sessions.ts.
 *
 * WAL with `synchronous=NORMAL`: what has been answered survives the death of the process; a power cut may take
 * the last moments. That is enough, because nothing acknowledged to a client rests on this file alone: readings
 * are in the journal, actions and command results in the registry, both fsynced, and orders are published again
 * while their case is open.
 *
 * Changes of one turn of the event loop share a transaction. Checkpoints fsync, so they wait for
 * {@link SessionFile.checkpoint} instead of stalling a delivery.
 */
const schema = `
  PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0;
  CREATE TABLE IF NOT EXISTS sessions (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, seen_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS sessions_by_owner ON sessions (owner, seen_at);
  CREATE TABLE IF NOT EXISTS subscriptions (
    session TEXT NOT NULL, filter TEXT NOT NULL, qos INTEGER NOT NULL,
    PRIMARY KEY (session, filter)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS outgoing (
    seq INTEGER PRIMARY KEY, session TEXT NOT NULL, broker TEXT, counter INTEGER, message INTEGER,
    cmd TEXT NOT NULL, topic TEXT, payload ANY, qos INTEGER, retain INTEGER, dup INTEGER) STRICT;
  CREATE INDEX IF NOT EXISTS outgoing_by_session ON outgoing (session, seq);
  CREATE TABLE IF NOT EXISTS incoming (
    session TEXT NOT NULL, message INTEGER NOT NULL, broker TEXT, counter INTEGER, cmd TEXT NOT NULL,
    topic TEXT, payload ANY, qos INTEGER, retain INTEGER, dup INTEGER,
    PRIMARY KEY (session, message)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS retained (
    topic TEXT PRIMARY KEY, cmd TEXT NOT NULL, payload ANY NOT NULL, qos INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS wills (
    session TEXT PRIMARY KEY, broker TEXT NOT NULL, topic TEXT NOT NULL, payload ANY,
    qos INTEGER NOT NULL, retain INTEGER NOT NULL) STRICT, WITHOUT ROWID;`

/** The fields of aedes' packets that are kept. */
export interface StoredPacket {
  cmd?: string
  topic?: string
  payload?: Buffer | string
  qos?: number
  retain?: boolean
  dup?: boolean
  brokerId?: string
  brokerCounter?: number
  messageId?: number | undefined
  clientId?: string
}

export interface PacketRow {
  seq: number
  session: string
  broker: string | null
  counter: number | null
  message: number | null
  cmd: string
  topic: string | null
  payload: Uint8Array | string | null
  qos: number
  retain: number
  dup: number
}

export class SessionFile {
  readonly #path: string
  readonly #reload: () => void
  readonly #statements = new Map<string, StatementSync>()
  #db: DatabaseSync | null = null
  #commit: Promise<void> | null = null

  /** `reload` is called when a transaction was lost: what is mirrored in memory is to be read again. */
  constructor(path: string, reload: () => void) {
    this.#path = path
    this.#reload = reload
  }

  open(): void {
    this.#db = new DatabaseSync(this.#path)
    this.#db.exec(schema)
  }

  async close(): Promise<void> {
    await this.#commit?.catch(() => undefined)
    this.#db?.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    this.#db?.close()
    this.#db = null
    this.#statements.clear()
  }

  checkpoint(): void {
    this.#db?.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }

  /** Joins the transaction of this turn of the event loop; the promise is its commit. */
  begin(): Promise<void> {
    if (this.#commit !== null) return this.#commit
    const db = this.#open()
    db.exec('BEGIN IMMEDIATE')
    const commit = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.#commit = null
        try {
          db.exec('COMMIT')
          resolve()
        } catch (error) {
          // A full disk: what was answered is what the file holds, so the mirrors of it go back to that.
          if (db.isTransaction) db.exec('ROLLBACK')
          this.#reload()
          reject(error)
        }
      })
    })
    // Whoever asked learns of a failure; a caller that threw before it could wait must not leave it unhandled.
    commit.catch(() => undefined)
    this.#commit = commit
    return commit
  }

  /** Resolves when all that was written so far is committed. */
  async settled(): Promise<void> {
    await this.#commit
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, (statement = this.#open().prepare(sql)))
    return statement
  }

  run(sql: string, ...values: (string | number | null | Uint8Array)[]): number {
    return Number(this.#statement(sql).run(...values).changes)
  }

  get(sql: string, ...values: (string | number | null)[]): unknown {
    return this.#statement(sql).get(...values)
  }

  all<Row>(sql: string, ...values: (string | number)[]): Row[] {
    return this.#statement(sql).all(...values) as Row[]
  }

  #open(): DatabaseSync {
    if (this.#db === null) throw new Error('the session file is closed')
    return this.#db
  }
}

export function columns(
  packet: StoredPacket,
): [string, string | null, Uint8Array | string | null, number, number, number] {
  const { cmd = 'publish', topic = null, payload = null, qos = 0, retain = false, dup = false } = packet
  return [cmd, topic, payload, qos, retain ? 1 : 0, dup ? 1 : 0]
}

export function packetOf(row: PacketRow): StoredPacket {
  const messageId = row.message ?? undefined
  if (row.cmd === 'pubrel') return { cmd: row.cmd, messageId }
  return {
    cmd: row.cmd,
    brokerId: row.broker ?? '',
    brokerCounter: row.counter ?? 0,
    topic: row.topic!,
    payload: bytes(row.payload!),
    qos: row.qos,
    retain: row.retain === 1,
    dup: row.dup === 1,
    messageId,
  }
}

export function bytes(payload: Uint8Array | string): Buffer | string {
  return typeof payload === 'string'
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
}
