import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import type { KeptMessage, WireText } from '../model/pipeline.ts'
import type { Delivery, Origin } from '../model/reading.ts'
import { decodeBatch, eachRecord } from './batch.ts'
import { wireTextsOf } from './frames.ts'
import type { BatchRow, FrameRow, OriginRow } from './format.ts'

/**
 * The journal's batches over a read-only connection of its own, for any thread: it neither waits for commits
 * nor holds them up. Calls are synchronous.
 */
export class JournalReader {
  readonly #sql: DatabaseSync
  readonly #origins = new Map<number, Origin>()
  #frame: StatementSync | undefined
  /** Of the batch that was asked for last. */
  #wires: { readonly first: number; readonly bySeq: ReadonlyMap<number, WireText> } | undefined

  constructor(file: string) {
    this.#sql = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  }

  /**
   * Deliveries from reading `from` on (from the tail when that is no longer held), and where to go on. Whole
   * batches: the first that has something, and more until there are `limit` readings. `below` hides the
   * batches that begin at or after it. Throws when a batch is damaged, and names it.
   */
  read(
    from: number,
    limit: number,
    below = Number.MAX_SAFE_INTEGER,
  ): { deliveries: Delivery[]; next: number } {
    const deliveries: Delivery[] = []
    let next = from
    let readings = 0
    for (const row of this.#batches(from, below)) {
      const end = row.first + row.count
      if (end <= from) continue
      this.#decode(row, from, deliveries)
      readings += end - Math.max(from, row.first)
      next = end
      if (readings >= limit) break
    }
    return { deliveries, next }
  }

  /** The same as it lies there, not decoded. A message that `from` is in the middle of comes whole. */
  messages(
    from: number,
    limit: number,
    below = Number.MAX_SAFE_INTEGER,
  ): { messages: KeptMessage[]; next: number } {
    const messages: KeptMessage[] = []
    let next = from
    for (const row of this.#batches(from, below)) {
      const end = row.first + row.count
      if (end <= from) continue
      this.#examine(row, () =>
        eachRecord(row, ({ seq, count, origin, receivedAt, body }) => {
          if (seq + count <= from) return
          messages.push({ seq, readings: count, origin: this.#origin(origin), receivedAt, body })
        }),
      )
      next = end
      if (next - from >= limit) break
    }
    return { messages, next }
  }

  /**
   * What came over the wire of the message that begins with reading `seq`; undefined when its text is what came, or
   * it was taken in before frames were kept. Throws when it is damaged.
   */
  wire(seq: number): WireText | undefined {
    const first = this.#frames()?.get(seq)?.['seq'] as number | undefined
    if (first === undefined) return undefined
    // Asked for message by message: those of a batch are parsed once.
    if (this.#wires?.first !== first) {
      const row = this.#sql.prepare('SELECT seq, crc, body FROM frames WHERE seq = ?').get(first)
      this.#wires = { first, bySeq: wiresOf(row as unknown as FrameRow) }
    }
    return this.#wires.bySeq.get(seq)
  }

  /** How many of the frames from `from` up to `to` there are, and which of them are not what they were. */
  examineFrames(from: number, to: number): { whole: number; damaged: { first: number; reason: string }[] } {
    const damaged: { first: number; reason: string }[] = []
    let whole = 0
    if (this.#frames() === undefined) return { whole, damaged }
    const rows = this.#sql.prepare('SELECT seq, crc, body FROM frames WHERE seq >= ? AND seq < ?')
    for (const row of rows.iterate(from, to) as Iterable<unknown> as Iterable<FrameRow>) {
      try {
        whole += wiresOf(row).size
      } catch (error) {
        damaged.push({ first: row.seq, reason: (error as Error).message })
      }
    }
    return { whole, damaged }
  }

  /** First reading that is still held; the head when there is none. */
  tail(): number {
    const row = this.#sql.prepare('SELECT first FROM batches ORDER BY first LIMIT 1').get()
    return (row?.['first'] ?? 0) as number
  }

  /** Number that the next reading will get. */
  head(): number {
    const row = this.#sql
      .prepare('SELECT first + count AS head FROM batches ORDER BY first DESC LIMIT 1')
      .get()
    return (row?.['head'] ?? 0) as number
  }

  /** When the oldest batch that is still held was committed, epoch ms; null when there is none. */
  oldest(): number | null {
    const row = this.#sql.prepare('SELECT time FROM batches ORDER BY first LIMIT 1').get()
    return (row?.['time'] ?? null) as number | null
  }

  /**
   * A reading of about the time: what was committed from then on is behind it, as far as the clock went forward. There
   * is no index by time: the numbers are searched by halves.
   */
  seqAt(time: number): number {
    const batchAt = this.#sql.prepare(
      'SELECT first, time FROM batches WHERE first >= ? ORDER BY first LIMIT 1',
    )
    let low = this.tail()
    let high = this.head()
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2)
      const row = batchAt.get(middle) as { first: number; time: number } | undefined
      if (row === undefined || row.time >= time) high = middle
      else low = row.first + 1
    }
    return low
  }

  close(): void {
    if (this.#sql.isOpen) this.#sql.close()
  }

  /** Undefined for a journal from before there were frames. */
  #frames(): StatementSync | undefined {
    const isThere = () =>
      this.#sql.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'frames'").get() !==
      undefined
    if (this.#frame === undefined && isThere())
      this.#frame = this.#sql.prepare(
        'SELECT seq FROM frames WHERE seq = (SELECT max(first) FROM batches WHERE first <= ?)',
      )
    return this.#frame
  }

  #batches(from: number, below: number): Iterable<BatchRow> {
    return this.#sql
      .prepare(
        `SELECT first, count, crc, body FROM batches
         WHERE first >= coalesce((SELECT max(first) FROM batches WHERE first <= ?), 0) AND first < ?
         ORDER BY first`,
      )
      .iterate(from, below) as Iterable<unknown> as Iterable<BatchRow>
  }

  #decode(row: BatchRow, from: number, deliveries: Delivery[]): void {
    this.#examine(row, () => decodeBatch(row, (id) => this.#origin(id), from, deliveries))
  }

  #examine(row: BatchRow, look: () => void): void {
    const name = `journal batch ${row.first}–${row.first + row.count - 1}`
    if (crc32(row.body) !== row.crc) throw new Error(`${name} is damaged: its checksum does not match`)
    try {
      look()
    } catch (error) {
      throw new Error(`${name} is damaged: ${(error as Error).message}`, { cause: error })
    }
  }

  #origin(id: number): Origin {
    const known = this.#origins.get(id)
    if (known !== undefined) return known
    const row = this.#sql
      .prepare('SELECT id, device, kind, site, street, grid FROM origins WHERE id = ?')
      .get(id) as OriginRow | undefined
    if (row === undefined) throw new Error(`origin ${id} is missing`)
    const { device, kind, site, street, grid } = row
    const origin = Object.freeze({ device, kind, site, street, grid })
    this.#origins.set(id, origin)
    return origin
  }
}

function wiresOf({ seq, crc, body }: FrameRow): ReadonlyMap<number, WireText> {
  if (crc32(body) !== crc)
    throw new Error(`the frames from reading ${seq} on are damaged: their checksum does not match`)
  return wireTextsOf(seq, body)
}
