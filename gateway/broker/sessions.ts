import { Readable } from 'node:stream'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Clock } from '../model/clock.ts'
import { FilterTree, type Match } from './filter-tree.ts'
import { OFFLINE_QUEUE_LIMIT, SESSION_EXPIRY_MS, SESSIONS_PER_OWNER } from './limits.ts'
import { covers } from './topic-rights.ts'

/**
 * What MQTT says must outlive a connection, as aedes' persistence in a SQLite file of its own: subscriptions and
 * waiting messages of persistent sessions, QoS 2 messages under way, retained messages, wills.
 *
 * WAL with `synchronous=NORMAL`: what has been answered survives the death of the process; a power cut may take
 * the last moments. That is enough, because nothing acknowledged to a client rests on this file alone: readings
 * are in the journal, actions and command results in the registry, both fsynced, and orders are published again
 * while their case is open.
 *
 * Changes of one turn of the event loop share a transaction; every promise resolves after its commit. Checkpoints
 * fsync, so they wait for {@link tidy} instead of stalling a delivery.
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

export interface Subscription {
  topic: string
  qos: number
}

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

interface Row {
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

export interface Holder {
  readonly id: string
}

/** `{owner}/{client id}`, where the owner is `device/{id}` or `user/{name}`: see sign-in.ts. */
const ownerOf = (session: string) => session.split('/', 2).join('/')

export class Sessions {
  readonly #file: string
  readonly #clock: Clock
  readonly #mayHold: (client: Holder, filter: string) => boolean
  readonly #queueLimit: number
  #db!: DatabaseSync
  #statements = new Map<string, StatementSync>()
  #commit: Promise<void> | null = null
  #broker: { readonly id: string } | null = null
  /** Mirrors of the file: subscriptions are matched at every order, queues are counted at every message. */
  #subscriptions = new Map<string, Map<string, number>>()
  #tree = new FilterTree()
  #queued = new Map<string, number>()
  #dropped = 0

  /** `mayHold` has the last word on what a client may be subscribed to: aedes stores refused filters too. */
  constructor(
    file: string,
    clock: Clock,
    mayHold: (client: Holder, filter: string) => boolean,
    queueLimit = OFFLINE_QUEUE_LIMIT,
  ) {
    this.#file = file
    this.#clock = clock
    this.#mayHold = mayHold
    this.#queueLimit = queueLimit
  }

  get broker(): { readonly id: string } | null {
    return this.#broker
  }

  /** Messages for absent clients that were dropped because their queue was full. */
  get dropped(): number {
    return this.#dropped
  }

  async setup(broker: { readonly id: string }): Promise<void> {
    this.#broker = broker
    this.open()
  }

  open(): void {
    if (this.#db?.isOpen) return
    this.#db = new DatabaseSync(this.#file)
    this.#db.exec(schema)
    this.#load()
  }

  async destroy(): Promise<void> {
    if (!this.#db?.isOpen) return
    await this.#commit?.catch(() => undefined)
    this.#statements.clear()
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    this.#db.close()
  }

  // Retained messages

  async storeRetained(packet: StoredPacket): Promise<void> {
    const done = this.#begin()
    if (packet.payload!.length === 0) this.#run('DELETE FROM retained WHERE topic = ?', packet.topic!)
    else {
      this.#run(
        'INSERT OR REPLACE INTO retained (topic, cmd, payload, qos) VALUES (?, ?, ?, ?)',
        packet.topic!,
        packet.cmd ?? 'publish',
        packet.payload!,
        packet.qos ?? 0,
      )
    }
    return done
  }

  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter])
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#retainedUnder(filters))
  }

  *#retainedUnder(filters: readonly string[]): Generator<StoredPacket> {
    for (const filter of filters) yield* this.retained(filter)
  }

  /** In pages, so that nothing is held open while a slow subscriber takes them. */
  *retained(filter: string): Generator<StoredPacket & { topic: string; payload: Buffer | string }> {
    const levels = filter.split('/')
    const wild = levels.findIndex((level) => level === '+' || level === '#')
    const exact = wild < 0 ? filter : levels.slice(0, wild).join('/')
    // Everything below `a/b/` sorts before `a/b0`, as `0` follows `/`.
    const [from, to] = wild === 0 ? ['', '\u{10FFFF}'] : [exact, wild < 0 ? exact : `${exact}0`]
    let after = ''
    for (;;) {
      const rows = this.#all(
        'SELECT * FROM retained WHERE topic >= ? AND topic <= ? AND topic > ? ORDER BY topic LIMIT 100',
        from,
        to,
        after,
      )
      for (const { topic, cmd, payload, qos } of rows as (Row & { topic: string })[]) {
        if (!covers(levels, topic.split('/'))) continue
        yield { cmd, topic, payload: bytes(payload!), qos, retain: true }
      }
      if (rows.length < 100) return
      after = (rows.at(-1) as { topic: string }).topic
    }
  }

  // Subscriptions of persistent sessions

  async addSubscriptions(client: Holder, subscriptions: readonly Subscription[]): Promise<void> {
    const done = this.#begin()
    for (const { topic, qos } of subscriptions) {
      if (!this.#mayHold(client, topic)) continue
      if (this.#subscriptions.get(client.id)?.get(topic) === qos) continue
      this.#run(
        'INSERT OR REPLACE INTO subscriptions (session, filter, qos) VALUES (?, ?, ?)',
        client.id,
        topic,
        qos,
      )
      this.#remember(client.id, topic, qos)
    }
    return done
  }

  async removeSubscriptions(client: Holder, filters: readonly string[]): Promise<void> {
    const done = this.#begin()
    for (const filter of filters) {
      this.#run('DELETE FROM subscriptions WHERE session = ? AND filter = ?', client.id, filter)
      this.#unsubscribe(client.id, filter)
    }
    return done
  }

  async cleanSubscriptions(client: Holder): Promise<void> {
    if (!this.#subscriptions.has(client.id) && !this.#queued.has(client.id)) return
    const done = this.#begin()
    this.#drop(client.id)
    return done
  }

  async subscriptionsByClient(client: Holder): Promise<Subscription[]> {
    return [...(this.#subscriptions.get(client.id) ?? [])].map(([topic, qos]) => ({ topic, qos }))
  }

  async subscriptionsByTopic(topic: string): Promise<Match[]> {
    return this.#tree.match(topic)
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    let subsCount = 0
    for (const held of this.#subscriptions.values()) for (const qos of held.values()) if (qos > 0) subsCount++
    return { subsCount, clientsCount: this.#subscriptions.size }
  }

  getClientList(filter: string): Readable {
    return Readable.from(
      [...this.#subscriptions].filter(([, held]) => held.has(filter)).map(([session]) => session),
    )
  }

  // Messages on their way to persistent sessions

  async outgoingEnqueue(sub: { readonly clientId: string }, packet: StoredPacket): Promise<void> {
    return this.outgoingEnqueueCombi([sub], packet)
  }

  /** Once for each session, however many of its filters match; a full queue loses its oldest. */
  async outgoingEnqueueCombi(
    subs: readonly { readonly clientId: string }[],
    packet: StoredPacket,
  ): Promise<void> {
    if (subs.length === 0) return
    const done = this.#begin()
    for (const session of new Set(subs.map((sub) => sub.clientId))) {
      this.#run(
        `INSERT INTO outgoing (session, broker, counter, cmd, topic, payload, qos, retain, dup)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        session,
        packet.brokerId ?? null,
        packet.brokerCounter ?? null,
        // [MQTT-3.3.1-9]: the flag is for what a new subscription finds.
        ...columns({ ...packet, retain: false }),
      )
      const queued = (this.#queued.get(session) ?? 0) + 1
      this.#queued.set(session, Math.min(queued, this.#queueLimit))
      if (queued > this.#queueLimit) {
        this.#dropped++
        this.#run(
          'DELETE FROM outgoing WHERE seq = (SELECT min(seq) FROM outgoing WHERE session = ?)',
          session,
        )
      }
    }
    return done
  }

  async outgoingUpdate(client: Holder, packet: StoredPacket): Promise<void> {
    const done = this.#begin()
    const message = packet.messageId ?? null
    const numbered = this.#run(
      'UPDATE outgoing SET message = ? WHERE session = ? AND broker = ? AND counter = ?',
      message,
      client.id,
      packet.brokerId ?? null,
      packet.brokerCounter ?? null,
    )
    if (numbered > 0) return done
    const replaced = this.#run(
      'UPDATE outgoing SET cmd = ?, topic = ?, payload = ?, qos = ?, retain = ?, dup = ? WHERE session = ? AND message = ?',
      ...columns(packet),
      client.id,
      message,
    )
    // Its queue may have overflowed meanwhile, or the client answers what was never sent.
    if (replaced === 0) throw new Error('no such packet')
    return done
  }

  async outgoingClearMessageId(client: Holder, packet: StoredPacket): Promise<StoredPacket | undefined> {
    const message = packet.messageId ?? null
    // Most acknowledgements are of clean sessions, which queue nothing.
    if (message === null || !this.#queued.has(client.id)) return undefined
    const row = this.#get(
      'SELECT * FROM outgoing WHERE session = ? AND message = ? ORDER BY seq LIMIT 1',
      client.id,
      message,
    )
    if (row === undefined) return undefined
    const done = this.#begin()
    this.#run('DELETE FROM outgoing WHERE seq = ?', row.seq)
    const queued = this.#queued.get(client.id)! - 1
    if (queued > 0) this.#queued.set(client.id, queued)
    else this.#queued.delete(client.id)
    await done
    return packetOf(row)
  }

  outgoingStream(client: Holder): Readable {
    if (!this.#queued.has(client.id)) return Readable.from([])
    return Readable.from(
      this.#all('SELECT * FROM outgoing WHERE session = ? ORDER BY seq', client.id).map((row) =>
        packetOf(row),
      ),
    )
  }

  // QoS 2 messages between PUBLISH and PUBREL

  async incomingStorePacket(client: Holder, packet: StoredPacket): Promise<void> {
    const done = this.#begin()
    this.#run(
      `INSERT OR REPLACE INTO incoming (session, message, broker, counter, cmd, topic, payload, qos, retain, dup)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      client.id,
      packet.messageId!,
      packet.brokerId ?? null,
      packet.brokerCounter ?? null,
      ...columns(packet),
    )
    return done
  }

  async incomingGetPacket(client: Holder, packet: StoredPacket): Promise<StoredPacket> {
    const row = this.#get(
      'SELECT * FROM incoming WHERE session = ? AND message = ?',
      client.id,
      packet.messageId ?? null,
    )
    if (row === undefined) throw new Error('no such packet')
    return packetOf(row)
  }

  /** A redelivery of what has been answered with PUBREC already [MQTT-4.3.3-2]. */
  holdsIncoming(session: string, messageId: number): boolean {
    return (
      this.#get('SELECT 1 FROM incoming WHERE session = ? AND message = ?', session, messageId) !== undefined
    )
  }

  async incomingDelPacket(client: Holder, packet: StoredPacket): Promise<void> {
    const done = this.#begin()
    const deleted = this.#run(
      'DELETE FROM incoming WHERE session = ? AND message = ?',
      client.id,
      packet.messageId ?? null,
    )
    if (deleted === 0) throw new Error('no such packet')
    return done
  }

  async cleanIncoming(client: Holder): Promise<void> {
    if (this.#get('SELECT 1 FROM incoming WHERE session = ? LIMIT 1', client.id) === undefined) return
    const done = this.#begin()
    this.#run('DELETE FROM incoming WHERE session = ?', client.id)
    return done
  }

  // Wills

  async putWill(client: Holder, packet: StoredPacket): Promise<void> {
    packet.brokerId = this.#broker!.id
    packet.clientId = client.id
    const done = this.#begin()
    this.#run(
      'INSERT OR REPLACE INTO wills (session, broker, topic, payload, qos, retain) VALUES (?, ?, ?, ?, ?, ?)',
      client.id,
      packet.brokerId,
      packet.topic!,
      packet.payload ?? Buffer.alloc(0),
      packet.qos ?? 0,
      packet.retain === true ? 1 : 0,
    )
    return done
  }

  async getWill(client: Holder): Promise<StoredPacket | undefined> {
    const row = this.#get('SELECT * FROM wills WHERE session = ?', client.id)
    return row === undefined ? undefined : willOf(row)
  }

  async delWill(client: Holder): Promise<StoredPacket | undefined> {
    const will = await this.getWill(client)
    if (will === undefined) return undefined
    const done = this.#begin()
    this.#run('DELETE FROM wills WHERE session = ?', client.id)
    await done
    return will
  }

  streamWill(brokers: Readonly<Record<string, number>> = {}): Readable {
    return Readable.from(this.wills().filter((will) => brokers[will.brokerId] === undefined))
  }

  wills(): (StoredPacket & {
    brokerId: string
    clientId: string
    topic: string
    payload: Buffer | string
  })[] {
    return this.#all('SELECT * FROM wills').map((row) => willOf(row))
  }

  // The lives of sessions

  /** A client signed in: what it may no longer hear is forgotten before it is restored. */
  async attend(session: string, clean: boolean, mayHold: (filter: string) => boolean): Promise<void> {
    if (clean) {
      this.#run('DELETE FROM sessions WHERE key = ?', session)
      return
    }
    const done = this.#begin()
    const owner = ownerOf(session)
    this.#run(
      'INSERT OR REPLACE INTO sessions (key, owner, seen_at) VALUES (?, ?, ?)',
      session,
      owner,
      this.#clock.now(),
    )
    const surplus = this.#all(
      'SELECT key FROM sessions WHERE owner = ? ORDER BY seen_at DESC, key LIMIT -1 OFFSET ?',
      owner,
      SESSIONS_PER_OWNER,
    ) as unknown as { key: string }[]
    for (const { key } of surplus) this.#end(key)
    this.#prune(session, mayHold)
    return done
  }

  /** The owner's rights have changed: its sessions keep only what is still granted. */
  async prune(owner: string, mayHold: (filter: string) => boolean): Promise<void> {
    const done = this.#begin()
    for (const session of this.#subscriptions.keys())
      if (ownerOf(session) === owner) this.#prune(session, mayHold)
    return done
  }

  /** The owner is gone. */
  async forget(owner: string): Promise<void> {
    const done = this.#begin()
    const sessions = this.#all('SELECT key FROM sessions WHERE owner = ?', owner) as unknown as {
      key: string
    }[]
    for (const { key } of sessions) this.#end(key)
    return done
  }

  /** Every minute or so: notes who is here, forgets who has been away too long, and checkpoints. */
  async tidy(present: Iterable<string>): Promise<void> {
    const now = this.#clock.now()
    const done = this.#begin()
    for (const session of present) this.#run('UPDATE sessions SET seen_at = ? WHERE key = ?', now, session)
    const expired = this.#all('SELECT key FROM sessions WHERE seen_at < ?', now - SESSION_EXPIRY_MS)
    for (const { key } of expired as unknown as { key: string }[]) this.#end(key)
    await done
    if (this.#db.isOpen) this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }

  #end(session: string): void {
    this.#drop(session)
    this.#run('DELETE FROM incoming WHERE session = ?', session)
    this.#run('DELETE FROM sessions WHERE key = ?', session)
  }

  #drop(session: string): void {
    this.#run('DELETE FROM subscriptions WHERE session = ?', session)
    this.#run('DELETE FROM outgoing WHERE session = ?', session)
    for (const filter of this.#subscriptions.get(session)?.keys() ?? []) this.#tree.remove(filter, session)
    this.#subscriptions.delete(session)
    this.#queued.delete(session)
  }

  #prune(session: string, mayHold: (filter: string) => boolean): void {
    for (const filter of this.#subscriptions.get(session)?.keys() ?? []) {
      if (mayHold(filter)) continue
      this.#run('DELETE FROM subscriptions WHERE session = ? AND filter = ?', session, filter)
      this.#unsubscribe(session, filter)
    }
  }

  #remember(session: string, filter: string, qos: number): void {
    let held = this.#subscriptions.get(session)
    if (held === undefined) this.#subscriptions.set(session, (held = new Map()))
    held.set(filter, qos)
    // QoS 0 subscriptions are restored, but nothing waits for them.
    if (qos > 0) this.#tree.add(filter, session, qos)
    else this.#tree.remove(filter, session)
  }

  #unsubscribe(session: string, filter: string): void {
    const held = this.#subscriptions.get(session)
    this.#tree.remove(filter, session)
    if (held?.delete(filter) === true && held.size === 0) this.#subscriptions.delete(session)
  }

  #load(): void {
    this.#subscriptions.clear()
    this.#tree.clear()
    this.#queued.clear()
    for (const row of this.#all('SELECT * FROM subscriptions') as unknown as (Row & { filter: string })[]) {
      this.#remember(row.session, row.filter, row.qos)
    }
    const counts = this.#all('SELECT session, count(*) AS queued FROM outgoing GROUP BY session')
    for (const { session, queued } of counts as unknown as { session: string; queued: number }[]) {
      this.#queued.set(session, queued)
    }
  }

  // SQLite

  /** Joins the transaction of this turn of the event loop; the promise is its commit. */
  #begin(): Promise<void> {
    if (this.#commit !== null) return this.#commit
    this.#db.exec('BEGIN IMMEDIATE')
    const commit = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.#commit = null
        try {
          this.#db.exec('COMMIT')
          resolve()
        } catch (error) {
          // A full disk: what was answered is what the file holds, so the mirrors go back to it.
          if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
          this.#load()
          reject(error)
        }
      })
    })
    // Whoever asked learns of a failure; a caller that threw before it could wait must not leave it unhandled.
    commit.catch(() => undefined)
    this.#commit = commit
    return commit
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, (statement = this.#db.prepare(sql)))
    return statement
  }

  #run(sql: string, ...values: (string | number | null | Uint8Array)[]): number {
    return Number(this.#statement(sql).run(...values).changes)
  }

  #get(sql: string, ...values: (string | number | null)[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined
  }

  #all(sql: string, ...values: (string | number)[]): Row[] {
    return this.#statement(sql).all(...values) as unknown as Row[]
  }
}

function columns(
  packet: StoredPacket,
): [string, string | null, Uint8Array | string | null, number, number, number] {
  const { cmd = 'publish', topic = null, payload = null, qos = 0, retain = false, dup = false } = packet
  return [cmd, topic, payload, qos, retain ? 1 : 0, dup ? 1 : 0]
}

function packetOf(row: Row): StoredPacket {
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

function willOf(row: Row) {
  return {
    brokerId: row.broker!,
    clientId: row.session,
    topic: row.topic!,
    payload: bytes(row.payload!),
    qos: row.qos,
    retain: row.retain === 1,
  }
}

function bytes(payload: Uint8Array | string): Buffer | string {
  return typeof payload === 'string'
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
}
