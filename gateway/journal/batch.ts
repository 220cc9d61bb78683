import { readingsOf } from '../model/body.ts'
import type { JournalEntry } from '../model/pipeline.ts'
import { RAW_LIMIT, type Delivery, type Origin, type Refusal } from '../model/reading.ts'
import { BATCH_BYTES, BATCH_READINGS, RECORD_HEADER, type OriginRow } from './format.ts'
import { Frames } from './frames.ts'
import { GrowingBytes } from './growing-bytes.ts'
import type { Commit, CursorMove } from './protocol.ts'

/** Memory that a write and a refusal cost besides their bytes, roughly. */
const WRITE_WEIGHT = 64
const REFUSAL_WEIGHT = 256
const FRAME_WEIGHT = 256

/** A group commit as it fills up on the main thread. Everyone who put something in waits on the same promise. */
export class Batch {
  readonly first: number
  count = 0
  /** Memory that the batch accounts for, bytes. */
  weight = 0
  duplicates = 0
  readonly deliveries: Delivery[] = []
  readonly origins: OriginRow[] = []
  readonly refusals: Refusal[] = []
  readonly released: number[] = []
  readonly moves: CursorMove[] = []
  /** Epoch milliseconds; 0 until it is on its way to the writer. */
  sentAt = 0
  readonly #outcome = Promise.withResolvers<void>()
  readonly #body: GrowingBytes
  readonly #newBuffer: () => ArrayBuffer
  #frames: Frames | undefined

  /** `newBuffer`: memory to begin with, of any size; what is too small is left for larger. */
  constructor(first: number, newBuffer: () => ArrayBuffer) {
    this.first = first
    this.#newBuffer = newBuffer
    this.#body = new GrowingBytes(newBuffer())
    // Each waiting write has its own reaction; this one keeps a batch that nobody waits on from ending the process.
    this.#outcome.promise.catch(() => {})
  }

  get done(): Promise<void> {
    return this.#outcome.promise
  }

  /** A write larger than a batch gets one of its own. */
  hasRoom(weight: number, readings: number): boolean {
    return (
      this.weight === 0 || (this.weight + weight <= BATCH_BYTES && this.count + readings <= BATCH_READINGS)
    )
  }

  add(entry: JournalEntry, origin: number): void {
    const { body, readings } = entry
    const at = this.#body.reserve(RECORD_HEADER)
    const { view } = this.#body
    view.setUint32(at, origin, true)
    view.setUint32(at + 4, readings.length, true)
    view.setFloat64(at + 8, entry.receivedAt, true)
    view.setUint32(at + 16, body.byteLength, true)
    this.#body.append(body)
    this.deliveries.push({
      seq: this.first + this.count,
      origin: entry.origin,
      receivedAt: entry.receivedAt,
      readings,
    })
    if (entry.wire !== undefined) {
      this.#frames ??= new Frames(this.#newBuffer())
      this.#frames.add(this.count, entry.wire)
    }
    this.count += readings.length
  }

  /** Hands the memory over: nothing can be added any more. */
  commit(time: number): Commit {
    const { first, count, origins, duplicates, refusals, released, moves } = this
    return {
      first,
      count,
      time,
      body: { buffer: this.#body.bytes.buffer, size: this.#body.size },
      frames: this.#frames?.close() ?? null,
      origins,
      duplicates,
      refusals,
      released,
      moves,
    }
  }

  resolve(): void {
    this.#outcome.resolve()
  }

  reject(error: Error): void {
    this.#outcome.reject(error)
  }
}

/** What waits for the disk with a write, bytes. */
export function weightOf(refusals: readonly Refusal[], entry?: JournalEntry): number {
  let weight = WRITE_WEIGHT
  if (entry !== undefined) weight += RECORD_HEADER + entry.body.byteLength
  if (entry?.wire !== undefined)
    weight += entry.wire.frames.reduce((sum, { length }) => sum + length, FRAME_WEIGHT)
  for (const { message, raw } of refusals)
    weight += REFUSAL_WEIGHT + message.length + Math.min(raw.byteLength, RAW_LIMIT)
  return weight
}

/** `raw` is often a view of a socket's buffer, all of which would be sent to the writer's thread with it. */
export function detached(refusal: Refusal): Refusal {
  return { ...refusal, raw: new Uint8Array(refusal.raw.subarray(0, RAW_LIMIT)) }
}

type Body = { readonly first: number; readonly count: number; readonly body: Uint8Array }

/** One message in a batch; `body` is a view of the batch's. */
export interface BatchRecord {
  readonly seq: number
  readonly count: number
  /** Its id. */
  readonly origin: number
  readonly receivedAt: number
  readonly body: Uint8Array
}

/** Visits the records of a batch in order; throws when the body does not add up. */
export function eachRecord(batch: Body, visit: (record: BatchRecord) => void): void {
  const { body } = batch
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  let seq = batch.first
  let at = 0
  while (at < body.byteLength) {
    const count = view.getUint32(at + 4, true)
    const end = at + RECORD_HEADER + view.getUint32(at + 16, true)
    if (end > body.byteLength) throw new Error(`the record of reading ${seq} reaches beyond the end`)
    visit({
      seq,
      count,
      origin: view.getUint32(at, true),
      receivedAt: view.getFloat64(at + 8, true),
      body: body.subarray(at + RECORD_HEADER, end),
    })
    seq += count
    at = end
  }
  if (seq !== batch.first + batch.count)
    throw new Error(`its records hold ${seq - batch.first} readings instead of ${batch.count}`)
}

/** Decodes the records of a batch from reading `from` on, into `deliveries`; throws when the body does not add up. */
export function decodeBatch(
  batch: Body,
  origin: (id: number) => Origin,
  from: number,
  deliveries: Delivery[],
): void {
  eachRecord(batch, ({ seq, count, origin: id, receivedAt, body }) => {
    if (seq + count <= from) return
    const readings = readingsOf(body, receivedAt)
    if (readings.length !== count)
      throw new Error(`the record of reading ${seq} says ${count} readings and holds ${readings.length}`)
    const skipped = Math.max(0, from - seq)
    deliveries.push({
      seq: seq + skipped,
      origin: origin(id),
      receivedAt,
      readings: skipped === 0 ? readings : readings.slice(skipped),
    })
  })
}
