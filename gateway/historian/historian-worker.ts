import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { JournalReader } from '../journal/reader.ts'
import { createLog, type Log } from '../log.ts'
import type { Historian, Query, Reject } from '../model/pipeline.ts'
import { RAW_LIMIT, type Delivery, type Refusal, type StoredReading } from '../model/reading.ts'
import { Arrivals } from './arrivals.ts'
import { backoff } from './backoff.ts'
import { createHistorian } from './historian.ts'
import { pack, UNNOTED_LIMIT, type FromWorker, type ToWorker, type WorkerSetup } from './worker-protocol.ts'

/** A stretch of the journal. */
interface Stretch {
  readonly deliveries: readonly Delivery[]
  readonly from: number
  readonly next: number
}

/** Readings before the first stretch that are looked through for what their devices had sent. */
const PAST_READINGS = 500_000

/**
 * The recorder's worker: everything between the journal's file and the store happens on this thread, one
 * stretch after another. While the store takes one, the next is read and decoded; no more than these two are
 * ever in memory, for the journal is the buffer. One write at a time also keeps two values for the same
 * instant in the order in which they came.
 */
class Feeder {
  readonly #setup: WorkerSetup
  readonly #tell: (message: FromWorker, transfer?: ArrayBuffer[]) => void
  readonly #log: Log
  readonly #historian: Historian
  readonly #arrivals = new Arrivals(() => this.#past())
  readonly #stopping = new AbortController()
  #reader: JournalReader | undefined
  #opened = false
  #head = 0
  #next: number
  /** On its way to the store, until that has taken it: how its readings came is noted only once. */
  #current: Stretch | undefined
  #ahead: Stretch | undefined
  #unnoted = 0
  #ready = false
  #failingSince: Date | undefined
  /** Resolved and replaced whenever there may be something to do. */
  #wake = Promise.withResolvers<void>()

  constructor(setup: WorkerSetup, tell: (message: FromWorker, transfer?: ArrayBuffer[]) => void) {
    this.#setup = setup
    this.#tell = tell
    this.#log = createLog(setup.logLevel)
    this.#historian = createHistorian(setup.config, setup.dataDir, this.#log)
    this.#next = setup.from
  }

  hear(message: ToWorker): void {
    switch (message.type) {
      case 'head':
        this.#head = message.head
        break
      case 'noted':
        this.#unnoted--
        break
      case 'query':
        this.#answer(message.id, () => this.#query(message.id, message.query))
        return
      case 'alarms':
        this.#answer(message.id, async () => {
          await this.#historian.writeAlarms(message.changes)
          this.#tell({ type: 'done', id: message.id })
        })
        return
      case 'stop':
        this.#stopping.abort()
        break
      default:
        message satisfies never
    }
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }

  /** Until told to stop. Whatever goes wrong is tried again: there is no other place for the readings to go. */
  async run(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted;) {
      try {
        await this.#step()
        failures = 0
      } catch (error) {
        this.#failing(error as Error)
        await sleep(backoff(failures++), undefined, { signal: this.#stopping.signal }).catch(() => {})
      }
    }
    this.#reader?.close()
    await this.#historian.stop()
  }

  async #step(): Promise<void> {
    if (!this.#opened) {
      await this.#historian.start()
      this.#opened = true
      this.#well()
    }
    if (this.#next >= this.#head || this.#unnoted >= UNNOTED_LIMIT) {
      await this.#wake.promise
      return
    }
    const stretch = (this.#current ??= this.#ahead ?? this.#read(this.#next))
    if (this.#ahead === stretch) this.#ahead = undefined
    const writing = this.#historian.write(stretch.deliveries)
    const [rejects] = await Promise.all([writing, this.#readAhead(stretch.next)])
    this.#well()
    this.#current = undefined
    this.#next = stretch.next
    this.#unnoted++
    this.#tell({ type: 'progress', next: stretch.next, rejected: rejects.map(refusalOf) })
  }

  #read(from: number): Stretch {
    const stretch = { from, ...this.#journal().read(from, this.#setup.config.batch, this.#head) }
    for (const delivery of stretch.deliveries) this.#arrivals.note(delivery)
    return stretch
  }

  #journal(): JournalReader {
    this.#reader ??= new JournalReader(this.#setup.journalFile)
    return this.#reader
  }

  /** What was stored before this worker began. */
  *#past(): Iterable<Delivery> {
    const end = this.#setup.from
    for (let from = Math.max(0, end - PAST_READINGS); from < end;) {
      const { deliveries, next } = this.#journal().read(from, this.#setup.config.batch, end)
      for (const delivery of deliveries) if (delivery.seq < end) yield delivery
      if (next === from) return
      from = next
    }
  }

  /** What it cannot read now it will complain of when its turn has come. */
  async #readAhead(from: number): Promise<void> {
    if (this.#ahead !== undefined || from >= this.#head) return
    try {
      this.#ahead = this.#read(from)
    } catch {}
  }

  async #query(id: number, query: Query): Promise<void> {
    const points = pack(await this.#historian.query(query))
    const columns = [points.times, points.values].filter((column) => column instanceof Float64Array)
    this.#tell(
      { type: 'points', id, points },
      columns.map(({ buffer }) => buffer),
    )
  }

  #answer(id: number, work: () => Promise<void>): void {
    work().catch((error: unknown) => this.#tell({ type: 'failed', id, message: explain(error as Error) }))
  }

  #failing(error: Error): void {
    this.#ready = false
    const detail = explain(error)
    if (this.#failingSince === undefined) {
      this.#failingSince = new Date()
      this.#log.error(
        { target: this.#historian.target, reason: detail },
        'the historian does not take readings',
      )
    }
    this.#tell({
      type: 'health',
      health: { ready: false, detail: `failing since ${this.#failingSince.toISOString()}: ${detail}` },
    })
  }

  #well(): void {
    if (this.#ready) return
    this.#ready = true
    if (this.#failingSince !== undefined) {
      const seconds = Math.round((Date.now() - this.#failingSince.getTime()) / 1000)
      this.#log.info({ target: this.#historian.target, seconds }, 'the historian takes readings again')
      this.#failingSince = undefined
    }
    this.#tell({ type: 'health', health: { ready: true, detail: 'storing' } })
  }
}

/** What the quarantine keeps is what a device would send, so that a retry can take it in again. */
function refusalOf({ delivery, reading, reason }: Reject): Refusal {
  const { clock: _clock, delay: _delay, behind: _behind, ...sent }: StoredReading = reading
  const raw = new TextEncoder().encode(JSON.stringify(sent))
  return {
    device: delivery.origin.device,
    code: 'historian_rejected',
    message: reason,
    raw: raw.slice(0, RAW_LIMIT),
    rawSize: raw.byteLength,
    receivedAt: delivery.receivedAt,
  }
}

/** `fetch` says only that it failed; why is in the cause. */
function explain(error: Error): string {
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return error.message + cause
}

const port = parentPort!
const feeder = new Feeder(workerData as WorkerSetup, (message, transfer) =>
  port.postMessage(message, transfer ?? []),
)
port.on('message', (message: ToWorker) => feeder.hear(message))
await feeder.run()
port.close()
