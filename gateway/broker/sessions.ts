import { Readable } from 'node:stream'
import type { Clock } from '../model/clock.ts'
import { FilterTree, type Match } from './filter-tree.ts'
import { OFFLINE_QUEUE_LIMIT, SESSION_EXPIRY_MS, SESSIONS_PER_OWNER } from './limits.ts'
import { OfflineQueues } from './offline-queues.ts'
import { RetainedMessages } from './retained.ts'
import { bytes, columns, packetOf, SessionFile, type PacketRow, type StoredPacket } from './session-file.ts'

export interface Subscription {
  topic: string
  qos: number
}

export interface Holder {
  readonly id: string
}

export type Will = Required<
  Pick<StoredPacket, 'topic' | 'payload' | 'brokerId' | 'clientId' | 'qos' | 'retain'>
>

interface WillRow {
  session: string
  broker: string
  topic: string
  payload: Uint8Array | string
  qos: number
  retain: number
}

/** `{owner}/{client id}`, where the owner is `device/{id}` or `user/{name}`: see sign-in.ts. */
const ownerOf = (session: string) => session.split('/', 2).join('/')

/**
 * What MQTT says must outlive a connection, as aedes' persistence: subscriptions and waiting messages of persistent
 * sessions, QoS 2 messages under way, retained messages, wills. Every promise resolves after its commit; see
 * session-file.ts for what that is worth.
 */
export class Sessions {
  readonly #file: SessionFile
  readonly #retained: RetainedMessages
  readonly #queues: OfflineQueues
  readonly #clock: Clock
  readonly #mayHold: (client: Holder, filter: string) => boolean
  #broker: { readonly id: string } | null = null
  /** Mirrors of the file, QoS by filter by session: matched at every order. */
  readonly #subscriptions = new Map<string, Map<string, number>>()
  readonly #tree = new FilterTree()

  /** `mayHold` has the last word on what a client may be subscribed to: aedes stores refused filters too. */
  constructor(
    path: string,
    clock: Clock,
    mayHold: (client: Holder, filter: string) => boolean,
    queueLimit = OFFLINE_QUEUE_LIMIT,
  ) {
    this.#file = new SessionFile(path, () => this.#load())
    this.#retained = new RetainedMessages(this.#file)
    this.#queues = new OfflineQueues(this.#file, queueLimit)
    this.#clock = clock
    this.#mayHold = mayHold
  }

  get broker(): { readonly id: string } | null {
    return this.#broker
  }

  /** Messages for absent clients that were dropped because their queue was full. */
  get dropped(): number {
    return this.#queues.dropped
  }

  async setup(broker: { readonly id: string }): Promise<void> {
    this.#broker = broker
    this.#file.open()
    this.#load()
  }

  async destroy(): Promise<void> {
    await this.#file.close()
  }

  #load(): void {
    this.#subscriptions.clear()
    this.#tree.clear()
    this.#queues.load()
    const rows = this.#file.all<{ session: string; filter: string; qos: number }>(
      'SELECT * FROM subscriptions',
    )
    for (const { session, filter, qos } of rows) this.#remember(session, filter, qos)
  }

  // Retained messages and queues, under the names that aedes calls them by

  /** Resolves when all that was stored so far is on file. */
  async settled(): Promise<void> {
    await this.#file.settled()
  }

  /**
   * aedes waits for this and for {@link outgoingEnqueueCombi} before it delivers to who is connected. Those need
   * not wait for the file: the publisher does, by {@link settled}.
   */
  async storeRetained(packet: StoredPacket): Promise<void> {
    this.#retained.store(packet)
  }

  createRetainedStream(filter: string): Readable {
    return this.#retained.stream([filter])
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return this.#retained.stream(filters)
  }

  retained(filter: string): Iterable<StoredPacket & { topic: string; payload: Buffer | string }> {
    return this.#retained.find(filter)
  }

  async outgoingEnqueue(sub: { readonly clientId: string }, packet: StoredPacket): Promise<void> {
    this.#queues.enqueue([sub], packet)
  }

  async outgoingEnqueueCombi(
    subs: readonly { readonly clientId: string }[],
    packet: StoredPacket,
  ): Promise<void> {
    this.#queues.enqueue(subs, packet)
  }

  async outgoingUpdate(client: Holder, packet: StoredPacket): Promise<void> {
    return this.#queues.update(client.id, packet)
  }

  async outgoingClearMessageId(client: Holder, packet: StoredPacket): Promise<StoredPacket | undefined> {
    return this.#queues.acknowledge(client.id, packet)
  }

  outgoingStream(client: Holder): Readable {
    return this.#queues.stream(client.id)
  }

  // Subscriptions of persistent sessions

  async addSubscriptions(client: Holder, subscriptions: readonly Subscription[]): Promise<void> {
    const done = this.#file.begin()
    for (const { topic, qos } of subscriptions) {
      if (!this.#mayHold(client, topic)) continue
      if (this.#subscriptions.get(client.id)?.get(topic) === qos) continue
      this.#file.run(
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
    const done = this.#file.begin()
    for (const filter of filters) {
      this.#file.run('DELETE FROM subscriptions WHERE session = ? AND filter = ?', client.id, filter)
      this.#unsubscribe(client.id, filter)
    }
    return done
  }

  async cleanSubscriptions(client: Holder): Promise<void> {
    if (!this.#subscriptions.has(client.id) && !this.#queues.has(client.id)) return
    const done = this.#file.begin()
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

  // QoS 2 messages between PUBLISH and PUBREL

  async incomingStorePacket(client: Holder, packet: StoredPacket): Promise<void> {
    const done = this.#file.begin()
    this.#file.run(
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
    const row = this.#file.get(
      'SELECT * FROM incoming WHERE session = ? AND message = ?',
      client.id,
      packet.messageId ?? null,
    ) as PacketRow | undefined
    if (row === undefined) throw new Error('no such packet')
    return packetOf(row)
  }

  /** A redelivery of what has been answered with PUBREC already [MQTT-4.3.3-2]. */
  holdsIncoming(session: string, messageId: number): boolean {
    return (
      this.#file.get('SELECT 1 FROM incoming WHERE session = ? AND message = ?', session, messageId) !==
      undefined
    )
  }

  async incomingDelPacket(client: Holder, packet: StoredPacket): Promise<void> {
    const done = this.#file.begin()
    const deleted = this.#file.run(
      'DELETE FROM incoming WHERE session = ? AND message = ?',
      client.id,
      packet.messageId ?? null,
    )
    if (deleted === 0) throw new Error('no such packet')
    return done
  }

  async cleanIncoming(client: Holder): Promise<void> {
    if (this.#file.get('SELECT 1 FROM incoming WHERE session = ? LIMIT 1', client.id) === undefined) return
    const done = this.#file.begin()
    this.#file.run('DELETE FROM incoming WHERE session = ?', client.id)
    return done
  }

  // Wills

  async putWill(client: Holder, packet: StoredPacket): Promise<void> {
    packet.brokerId = this.#broker!.id
    packet.clientId = client.id
    const done = this.#file.begin()
    this.#file.run(
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

  async getWill(client: Holder): Promise<Will | undefined> {
    const row = this.#file.get('SELECT * FROM wills WHERE session = ?', client.id) as WillRow | undefined
    return row === undefined ? undefined : willOf(row)
  }

  async delWill(client: Holder): Promise<Will | undefined> {
    const will = await this.getWill(client)
    if (will === undefined) return undefined
    const done = this.#file.begin()
    this.#file.run('DELETE FROM wills WHERE session = ?', client.id)
    await done
    return will
  }

  streamWill(brokers: Readonly<Record<string, number>> = {}): Readable {
    return Readable.from(this.wills().filter((will) => brokers[will.brokerId] === undefined))
  }

  wills(): Will[] {
    return this.#file.all<WillRow>('SELECT * FROM wills').map((row) => willOf(row))
  }

  // The lives of sessions

  /** A client signed in: what it may no longer hear is forgotten before it is restored. */
  async attend(session: string, clean: boolean, mayHold: (filter: string) => boolean): Promise<void> {
    if (clean) {
      this.#file.run('DELETE FROM sessions WHERE key = ?', session)
      return
    }
    const done = this.#file.begin()
    const owner = ownerOf(session)
    this.#file.run(
      'INSERT OR REPLACE INTO sessions (key, owner, seen_at) VALUES (?, ?, ?)',
      session,
      owner,
      this.#clock.now(),
    )
    const surplus = this.#file.all<{ key: string }>(
      'SELECT key FROM sessions WHERE owner = ? ORDER BY seen_at DESC, key LIMIT -1 OFFSET ?',
      owner,
      SESSIONS_PER_OWNER,
    )
    for (const { key } of surplus) this.#end(key)
    this.#prune(session, mayHold)
    return done
  }

  /** The owner is gone. */
  async forget(owner: string): Promise<void> {
    const done = this.#file.begin()
    const sessions = this.#file.all<{ key: string }>('SELECT key FROM sessions WHERE owner = ?', owner)
    for (const { key } of sessions) this.#end(key)
    return done
  }

  /** Every minute or so: notes who is here, forgets who has been away too long, and checkpoints. */
  async tidy(present: Iterable<string>): Promise<void> {
    const now = this.#clock.now()
    const done = this.#file.begin()
    for (const session of present)
      this.#file.run('UPDATE sessions SET seen_at = ? WHERE key = ?', now, session)
    const expired = this.#file.all<{ key: string }>(
      'SELECT key FROM sessions WHERE seen_at < ?',
      now - SESSION_EXPIRY_MS,
    )
    for (const { key } of expired) this.#end(key)
    await done
    this.#file.checkpoint()
  }

  #end(session: string): void {
    this.#drop(session)
    this.#file.run('DELETE FROM incoming WHERE session = ?', session)
    this.#file.run('DELETE FROM sessions WHERE key = ?', session)
  }

  #drop(session: string): void {
    this.#file.run('DELETE FROM subscriptions WHERE session = ?', session)
    for (const filter of this.#subscriptions.get(session)?.keys() ?? []) this.#tree.remove(filter, session)
    this.#subscriptions.delete(session)
    this.#queues.drop(session)
  }

  #prune(session: string, mayHold: (filter: string) => boolean): void {
    for (const filter of this.#subscriptions.get(session)?.keys() ?? []) {
      if (mayHold(filter)) continue
      this.#file.run('DELETE FROM subscriptions WHERE session = ? AND filter = ?', session, filter)
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
}

function willOf(row: WillRow): Will {
  return {
    brokerId: row.broker,
    clientId: row.session,
    topic: row.topic,
    payload: bytes(row.payload),
    qos: row.qos,
    retain: row.retain === 1,
  }
}
