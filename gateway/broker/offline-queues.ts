import { Readable } from 'node:stream'
import { columns, packetOf, type PacketRow, type SessionFile, type StoredPacket } from './session-file.ts'

/** Messages on their way to persistent sessions, until they are acknowledged; bounded for each. */
export class OfflineQueues {
  readonly #file: SessionFile
  readonly #limit: number
  /** Messages that wait, by session: asked at every acknowledgement. */
  readonly #lengths = new Map<string, number>()
  #dropped = 0

  constructor(file: SessionFile, limit: number) {
    this.#file = file
    this.#limit = limit
  }

  /** Messages that were dropped because their queue was full. */
  get dropped(): number {
    return this.#dropped
  }

  load(): void {
    this.#lengths.clear()
    const counts = this.#file.all<{ session: string; length: number }>(
      'SELECT session, count(*) AS length FROM outgoing GROUP BY session',
    )
    for (const { session, length } of counts) this.#lengths.set(session, length)
  }

  has(session: string): boolean {
    return this.#lengths.has(session)
  }

  /**
   * Once for each session, however many of its filters match; a full queue loses its oldest. Part of the open
   * transaction when it returns; the file's commit says when it is kept.
   */
  enqueue(subs: readonly { readonly clientId: string }[], packet: StoredPacket): void {
    if (subs.length === 0) return
    void this.#file.begin()
    for (const session of new Set(subs.map((sub) => sub.clientId))) {
      this.#file.run(
        `INSERT INTO outgoing (session, broker, counter, cmd, topic, payload, qos, retain, dup)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        session,
        packet.brokerId ?? null,
        packet.brokerCounter ?? null,
        // [MQTT-3.3.1-9]: the flag is for what a new subscription finds.
        ...columns({ ...packet, retain: false }),
      )
      const queued = (this.#lengths.get(session) ?? 0) + 1
      this.#lengths.set(session, Math.min(queued, this.#limit))
      if (queued > this.#limit) {
        this.#dropped++
        this.#file.run(
          'DELETE FROM outgoing WHERE seq = (SELECT min(seq) FROM outgoing WHERE session = ?)',
          session,
        )
      }
    }
  }

  async update(session: string, packet: StoredPacket): Promise<void> {
    const done = this.#file.begin()
    const message = packet.messageId ?? null
    const numbered = this.#file.run(
      'UPDATE outgoing SET message = ? WHERE session = ? AND broker = ? AND counter = ?',
      message,
      session,
      packet.brokerId ?? null,
      packet.brokerCounter ?? null,
    )
    if (numbered > 0) return done
    const replaced = this.#file.run(
      'UPDATE outgoing SET cmd = ?, topic = ?, payload = ?, qos = ?, retain = ?, dup = ? WHERE session = ? AND message = ?',
      ...columns(packet),
      session,
      message,
    )
    // Its queue may have overflowed meanwhile, or the client answers what was never sent.
    if (replaced === 0) throw new Error('no such packet')
    return done
  }

  async acknowledge(session: string, packet: StoredPacket): Promise<StoredPacket | undefined> {
    const message = packet.messageId ?? null
    // Most acknowledgements are of clean sessions, which queue nothing.
    if (message === null || !this.#lengths.has(session)) return undefined
    const row = this.#file.get(
      'SELECT * FROM outgoing WHERE session = ? AND message = ? ORDER BY seq LIMIT 1',
      session,
      message,
    ) as PacketRow | undefined
    if (row === undefined) return undefined
    const done = this.#file.begin()
    this.#file.run('DELETE FROM outgoing WHERE seq = ?', row.seq)
    const queued = this.#lengths.get(session)! - 1
    if (queued > 0) this.#lengths.set(session, queued)
    else this.#lengths.delete(session)
    await done
    return packetOf(row)
  }

  stream(session: string): Readable {
    if (!this.#lengths.has(session)) return Readable.from([])
    return Readable.from(
      this.#file
        .all<PacketRow>('SELECT * FROM outgoing WHERE session = ? ORDER BY seq', session)
        .map((row) => packetOf(row)),
    )
  }

  /** Within the caller's transaction. */
  drop(session: string): void {
    if (this.#lengths.delete(session)) this.#file.run('DELETE FROM outgoing WHERE session = ?', session)
  }
}
