/**
 * The durable log. `format.ts` documents the file and the order of operations.
 *
 * Memory: readings that wait for the disk are bounded by `maxPendingBytes`, counted as the bytes of their
 * bodies, refusals and framing (in flight and waiting together). Beyond it an append is refused at once. Their
 * decoded form is held as long for the listeners, which costs some four times as much again. Apart from that:
 * four spare buffers of at most a batch each, SQLite's page caches (16 MiB for the writer), and one origin
 * for each device. On disk the WAL stays near WAL_BOUND while nobody holds it open by a long read.
 */
import { Worker } from 'node:worker_threads'
import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import {
  JournalUnavailable,
  type Health,
  type Journal,
  type JournalWrite,
  type KeptMessage,
  type Ledger,
} from '../model/pipeline.ts'
import type { Delivery, Refusal } from '../model/reading.ts'
import { Batch, detached, weightOf } from './batch.ts'
import { Cursors } from './cursors.ts'
import { BATCH_BYTES } from './format.ts'
import { Origins } from './origins.ts'
import type { Found, Reply, Request, WriterSettings } from './protocol.ts'
import { JournalReader } from './reader.ts'

export interface JournalOptions {
  readonly file: string
  /** How long a batch stays after every consumer has dealt with it, ms. */
  readonly keepMs: number
  readonly maxPendingBytes: number
  /** Refused readings kept; the oldest go first. */
  readonly quarantineKeep: number
  /** The consumer whose cursor means "stored" in the ledger. */
  readonly storedBy: string
  readonly clock: Clock
  readonly log: Log
  /** Seam for benchmarks: a disk whose fsync takes this much longer, ms. */
  readonly fsyncDelayMs?: number
}

/** Cursors are written, and retention looked after, this often, ms. */
const TIDY_MS = 1000
/** Consumers have this long after the start to say where they stand before anything is deleted, ms. */
const REGISTER_MS = 60_000
/** A commit that takes longer than this is a disk that hangs, ms. */
const HANG_MS = 5000
/** A failed disk is tried again after the first, then after twice as long each time, ms. */
const PROBE_MS = { first: 50, longest: 1000 }
/** It is asked for what it refused at first, then for half as much each time, down to this. */
const PROBE_BYTES = 64 * 1024
const FIRST_BUFFER = 64 * 1024
/** Two batches, one in flight and one that fills, of two each: readings, and frames where there are any. */
const SPARE_BUFFERS = 4

type State = 'new' | 'open' | 'stopping' | 'stopped'

export class SqliteJournal implements Journal {
  readonly #options: JournalOptions
  readonly #listeners: ((deliveries: readonly Delivery[]) => void)[] = []
  readonly #cursors = new Cursors()
  readonly #origins = new Origins()
  readonly #spares: ArrayBuffer[] = []
  #worker: Worker | undefined
  #reader: JournalReader | undefined
  #state: State = 'new'
  #startedAt = 0
  #tidyTimer: NodeJS.Timeout | undefined
  #probeTimer: NodeJS.Timeout | undefined
  #probeDelay = 0
  #probeBytes = 0
  #trouble: { readonly reason: string; readonly since: number } | undefined
  /** Latest trouble besides commits, so that it is logged once. */
  #sideTrouble = ''
  #closed = Promise.withResolvers<void>()

  #head = 0
  #tail = 0
  #duplicates = 0
  #quarantined = 0
  /** Number of the next reading to be framed: the head and everything pending. */
  #next = 0
  #pendingBytes = 0
  #inFlight: Batch | undefined
  /** Batches behind the one in flight; the last one is open. */
  #waiting: Batch[] = []
  #scheduled = false

  constructor(options: JournalOptions) {
    this.#options = options
  }

  /** Opens the file, creating it when there is none. Rejects when it cannot be written or another process has it. */
  async start(): Promise<void> {
    const { file, quarantineKeep, fsyncDelayMs = 0, clock } = this.#options
    const settings: WriterSettings = { file, quarantineKeep, fsyncDelayMs }
    const worker = new Worker(new URL('./journal-worker.ts', import.meta.url), { workerData: settings })
    this.#worker = worker
    const opened = Promise.withResolvers<Found>()
    worker.on('message', (reply: Reply) => {
      if (reply.kind === 'opened') opened.resolve(reply.found)
      else if (reply.kind === 'refused') opened.reject(new Error(`journal ${file}: ${reply.reason}`))
      else this.#hear(reply)
    })
    worker.on('error', (error: Error) => {
      opened.reject(error)
      this.#lose(error.message)
    })
    worker.on('exit', () => this.#lose('it ended'))
    const found = await opened.promise
    this.#head = this.#next = found.head
    this.#tail = found.tail
    this.#duplicates = found.duplicates
    this.#quarantined = found.quarantined
    this.#cursors.load(found.cursors)
    this.#origins.load(found.origins)
    this.#reader = new JournalReader(file)
    this.#startedAt = clock.now()
    this.#state = 'open'
    this.#tidyTimer = setInterval(() => this.#tidy(), TIDY_MS)
  }

  /** Commits what waits, writes the cursors, closes the file. */
  async stop(): Promise<void> {
    if (this.#state === 'new') this.#state = 'stopped'
    if (this.#state === 'open') {
      this.#state = 'stopping'
      clearInterval(this.#tidyTimer)
      clearTimeout(this.#probeTimer)
      await Promise.allSettled(this.#pending().map((batch) => batch.done))
      this.#reader?.close()
      this.#post({ kind: 'close', moves: this.#cursors.takeMoved() })
    }
    if (this.#state !== 'stopped') await this.#closed.promise
  }

  append(write: JournalWrite): Promise<void> {
    const { entry, duplicates, refusals, released } = write
    const weight = weightOf(refusals, entry)
    const unavailable = this.#unavailable(weight)
    if (unavailable !== undefined) return Promise.reject(unavailable)

    const batch = this.#openBatch(weight, entry?.readings.length ?? 0)
    if (entry !== undefined) {
      batch.add(entry, this.#origins.id(entry.origin, batch.origins))
      this.#next += entry.readings.length
    }
    batch.duplicates += duplicates
    if (refusals.length > 0) batch.refusals.push(...refusals.map(detached))
    if (released !== undefined) batch.released.push(...released)
    this.#grew(batch, weight)
    return batch.done
  }

  onCommit(listener: (deliveries: readonly Delivery[]) => void): void {
    this.#listeners.push(listener)
  }

  head(): number {
    return this.#head
  }

  tail(): number {
    return this.#tail
  }

  /** Nothing beyond the head, even when it is on disk already: who reads up to the head goes on with `onCommit`. */
  messages(
    from: number,
    limit: number,
  ): { readonly messages: readonly KeptMessage[]; readonly next: number } {
    return this.#reader!.messages(from, limit, this.#head)
  }

  read(from: number, limit: number): { readonly deliveries: readonly Delivery[]; readonly next: number } {
    return this.#reader!.read(from, limit, this.#head)
  }

  cursor(consumer: string): number {
    this.#cursors.register(consumer)
    return this.#cursors.next(consumer, this.#tail)
  }

  advance(consumer: string, next: number, rejected: readonly Refusal[] = []): Promise<void> {
    // A consumer that reads the file itself may hear of a commit before this thread does: pending readings count.
    if (next > this.#next)
      return Promise.reject(new RangeError(`${consumer} cannot be past the head: ${next} > ${this.#next}`))
    this.#cursors.register(consumer)
    if (rejected.length === 0) {
      this.#cursors.advance(consumer, next, 0)
      return Promise.resolve()
    }
    const weight = weightOf(rejected)
    const unavailable = this.#unavailable(weight)
    if (unavailable !== undefined) return Promise.reject(unavailable)
    const batch = this.#openBatch(weight, 0)
    batch.moves.push({ consumer, next, rejected: rejected.map(detached) })
    this.#grew(batch, weight)
    return batch.done
  }

  /**
   * received = accepted + duplicates + quarantined and accepted = stored + pending hold by arithmetic. A reading
   * that the historian rejected was journaled, so it has a number; it counts as quarantined and not as accepted.
   */
  ledger(): Ledger {
    const { storedBy } = this.#options
    const next = Math.min(this.#cursors.next(storedBy, this.#tail), this.#head)
    const rejected = this.#cursors.rejected(storedBy)
    const accepted = this.#head - rejected
    const quarantined = this.#quarantined + rejected
    return {
      received: accepted + this.#duplicates + quarantined,
      accepted,
      duplicates: this.#duplicates,
      quarantined,
      stored: next - rejected,
      pending: this.#head - next,
    }
  }

  health(): Health {
    if (this.#state !== 'open') return { ready: false, detail: `the journal is ${this.#state}` }
    if (this.#trouble !== undefined) {
      const since = new Date(this.#trouble.since).toISOString()
      return { ready: false, detail: `${this.#trouble.reason}, since ${since}` }
    }
    const waited = this.#inFlight === undefined ? 0 : this.#options.clock.now() - this.#inFlight.sentAt
    if (waited > HANG_MS) return { ready: false, detail: `the disk has not answered for ${waited} ms` }
    return {
      ready: true,
      detail: `${this.#head} readings so far, ${this.#head - this.#tail} held`,
    }
  }

  #unavailable(weight: number): JournalUnavailable | undefined {
    if (this.#state !== 'open') return new JournalUnavailable(`the journal is ${this.#state}`)
    if (this.#trouble !== undefined) return new JournalUnavailable(this.#trouble.reason)
    const { maxPendingBytes } = this.#options
    if (this.#pendingBytes + weight > maxPendingBytes)
      return new JournalUnavailable(`more than ${maxPendingBytes} bytes are waiting for the disk`)
    return undefined
  }

  #openBatch(weight: number, readings: number): Batch {
    const last = this.#waiting.at(-1)
    if (last?.hasRoom(weight, readings) === true) return last
    const batch = new Batch(this.#next, () => this.#spares.pop() ?? new ArrayBuffer(FIRST_BUFFER))
    this.#waiting.push(batch)
    return batch
  }

  #grew(batch: Batch, weight: number): void {
    batch.weight += weight
    this.#pendingBytes += weight
    if (this.#scheduled || this.#inFlight !== undefined) return
    // Not a wait: whatever the sockets have ready in this turn of the event loop shares the commit.
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#dispatch()
    })
  }

  #pending(): Batch[] {
    return this.#inFlight === undefined ? this.#waiting : [this.#inFlight, ...this.#waiting]
  }

  #dispatch(): void {
    if (this.#inFlight !== undefined) return
    const batch = this.#waiting.shift()
    if (batch === undefined) return
    this.#inFlight = batch
    batch.sentAt = this.#options.clock.now()
    const commit = batch.commit(batch.sentAt)
    const { body, frames } = commit
    const buffers = frames === null ? [body.buffer] : [body.buffer, frames.buffer]
    this.#post({ kind: 'commit', commit }, buffers)
  }

  #post(request: Request, transfer: ArrayBuffer[] = []): void {
    this.#worker!.postMessage(request, transfer)
  }

  #hear(reply: Exclude<Reply, { kind: 'opened' | 'refused' }>): void {
    switch (reply.kind) {
      case 'committed':
        this.#keep(reply.buffers)
        this.#committed(this.#inFlight!, reply.released)
        break
      case 'failed':
        this.#keep(reply.buffers)
        this.#fail(reply.reason)
        break
      case 'probed':
        if (reply.trouble === null) this.#recover()
        else this.#scheduleProbe()
        break
      case 'tidied':
        this.#tail = reply.tail
        break
      case 'trouble':
        this.#cursors.putBack()
        if (reply.reason !== this.#sideTrouble) this.#options.log.warn({ reason: reply.reason }, 'journal')
        this.#sideTrouble = reply.reason
        break
      case 'closed':
        this.#state = 'stopped'
        this.#closed.resolve()
        break
    }
  }

  #committed(batch: Batch, released: number): void {
    this.#inFlight = undefined
    this.#pendingBytes -= batch.weight
    this.#head = batch.first + batch.count
    this.#duplicates += batch.duplicates
    this.#quarantined += batch.refusals.length - released
    for (const { consumer, next, rejected } of batch.moves)
      this.#cursors.advance(consumer, next, rejected.length)
    this.#dispatch()
    if (batch.count > 0) this.#tell(batch.deliveries)
    batch.resolve()
  }

  #tell(deliveries: readonly Delivery[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(deliveries)
      } catch (error) {
        this.#options.log.error({ err: error }, 'a listener of the journal failed')
      }
    }
  }

  /**
   * The batch in flight and everything behind it is undone: what waits may be a duplicate of what just failed,
   * and its acknowledgement must not outlive the original.
   */
  #fail(reason: string): void {
    const { clock, log } = this.#options
    const batches = this.#pending()
    this.#inFlight = undefined
    this.#waiting = []
    this.#pendingBytes = 0
    this.#next = this.#head
    this.#probeBytes = Math.max(...batches.map((batch) => batch.weight))
    for (const batch of batches) this.#origins.putBack(batch.origins)
    this.#trouble = { reason: `the journal cannot write: ${reason}`, since: clock.now() }
    log.error({ reason, batches: batches.length }, 'the journal cannot write; nothing is acknowledged')
    const error = new JournalUnavailable(this.#trouble.reason)
    for (const batch of batches) batch.reject(error)
    this.#probeDelay = PROBE_MS.first
    this.#scheduleProbe()
  }

  #scheduleProbe(): void {
    if (this.#state !== 'open') return
    const bytes = this.#probeBytes
    this.#probeTimer = setTimeout(() => this.#post({ kind: 'probe', bytes }), this.#probeDelay)
    this.#probeDelay = Math.min(this.#probeDelay * 2, PROBE_MS.longest)
    this.#probeBytes = Math.max(Math.ceil(this.#probeBytes / 2), PROBE_BYTES)
  }

  #recover(): void {
    const { clock, log } = this.#options
    const after = clock.now() - (this.#trouble?.since ?? 0)
    this.#trouble = undefined
    log.info({ after }, 'the journal writes again')
  }

  /** The thread is gone: a defect, not a disk. What it may have committed is known only after a restart. */
  #lose(reason: string): void {
    this.#closed.resolve()
    if (this.#state !== 'open' && this.#state !== 'stopping') return
    clearInterval(this.#tidyTimer)
    clearTimeout(this.#probeTimer)
    this.#state = 'stopped'
    const error = new JournalUnavailable(`the journal's thread is gone: ${reason}`)
    this.#options.log.fatal({ reason }, "the journal's thread is gone; restart the gateway")
    for (const batch of this.#pending()) batch.reject(error)
  }

  /** Buffers go round. */
  #keep(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers) {
      const usual = buffer.byteLength <= BATCH_BYTES
      if (usual && this.#spares.length < SPARE_BUFFERS) this.#spares.push(buffer)
    }
  }

  #tidy(): void {
    const { keepMs, storedBy, clock } = this.#options
    const settled = this.#cursors.knows(storedBy) && clock.now() - this.#startedAt >= REGISTER_MS
    const below = settled ? this.#cursors.slowest(this.#tail) : 0
    const retention = { below, before: clock.now() - keepMs }
    this.#post({ kind: 'tidy', moves: this.#cursors.takeMoved(), retention })
  }
}
