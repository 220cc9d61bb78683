import { Worker } from 'node:worker_threads'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import type { AlarmChange, AlarmFeed, Health, Journal, Part, Point, Query } from '../model/pipeline.ts'
import { AlarmCopier } from './alarm-copier.ts'
import { historianConsumer, targetOf } from './historian.ts'
import { unpack, type FromWorker, type ToWorker, type WorkerSetup } from './worker-protocol.ts'

export interface RecorderParts {
  readonly journal: Journal
  readonly journalFile: string
  readonly config: Config['historian']
  readonly dataDir: string
  readonly log: Log
  /** Where alarms come from; without it none are copied to the store. */
  readonly alarms?: AlarmFeed
}

/** The store cannot answer now; another time it may. */
export class HistorianUnavailable extends Error {
  override readonly name = 'HistorianUnavailable'
  readonly code = 'historian_unavailable'
}

/**
 * The worker hears of new readings at most this often, ms. Each time it writes all there is, so under a light load
 * this, and not the store's speed, sets how many readings go into a write: two requests a second, each with many
 * points of every series, which is what costs InfluxDB least (docs/decisions/0010).
 */
const TELL_EVERY_MS = 500
/** Questions that the store works on at once, and that may wait for their turn. */
const QUERIES_AT_ONCE = 4
const QUERIES_WAITING = 64
const QUERY_TIMEOUT_MS = 15_000
/** An alarm write is tried again by the copier; a request to the store is given up after 10 s. */
const ALARMS_TIMEOUT_MS = 30_000
/** What is in flight at stop() may take this long; then the next start writes it again, which is harmless. */
const STOP_TIMEOUT_MS = 3_000
const RESTART_AFTER_MS = 1_000

interface Call {
  readonly resolve: (reply: FromWorker) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/**
 * Feeds the historian from the journal, behind the cursor `historian:{target}`, and asks it questions. All of
 * the work happens in one worker (`historian-worker.ts`), which reads the journal's file itself: a commit
 * costs this thread a comparison, whatever the store does. Stored once and only once: the cursor moves after
 * the store has confirmed, and what is written again after a crash overwrites itself.
 */
export class Recorder implements Part {
  readonly consumer: string
  readonly #parts: RecorderParts
  readonly #copier: AlarmCopier | undefined
  readonly #calls = new Map<number, Call>()
  readonly #waiting: (() => void)[] = []
  #worker: Worker | undefined
  /** Its progress could not be noted, so what it says after that would leave a gap. */
  #distrusted: Worker | undefined
  #stopped = false
  #restart: NodeJS.Timeout | undefined
  #teller: NodeJS.Timeout | undefined
  #told = 0
  #health: Health = { ready: false, detail: 'starting' }
  #advancing: Promise<void> = Promise.resolve()
  #callId = 0
  #querying = 0

  constructor(parts: RecorderParts) {
    this.#parts = parts
    this.consumer = historianConsumer(parts.config)
    // The embedded store keeps none: registry.db, where they are read, lies in the same folder.
    if (parts.alarms !== undefined && parts.config.type !== 'embedded') {
      this.#copier = new AlarmCopier(
        parts.alarms,
        targetOf(parts.config),
        parts.dataDir,
        parts.log,
        (changes) => this.#writeAlarms(changes),
      )
    }
    parts.journal.onCommit(() => this.#tellSoon())
  }

  /** After the journal's. Does not wait for the store: it may be away for days. */
  async start(): Promise<void> {
    this.#stopped = false
    this.#launch()
    await this.#copier?.start()
  }

  /** Before the journal's. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#restart)
    clearTimeout(this.#teller)
    this.#teller = undefined
    const copied = this.#copier?.stop()
    const worker = this.#worker
    if (worker !== undefined) {
      const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
      send(worker, { type: 'stop' })
      const patience = setTimeout(() => void worker.terminate(), STOP_TIMEOUT_MS)
      await gone
      clearTimeout(patience)
    }
    await copied
    await this.#advancing
  }

  health(): Health {
    return { ready: this.#health.ready, detail: `${this.#health.detail}; ${this.lag()} readings behind` }
  }

  /** Readings that are durable and not yet in the store. */
  lag(): number {
    const { journal } = this.#parts
    return journal.head() - journal.cursor(this.consumer)
  }

  /** In time order. Rejects with {@link HistorianUnavailable}. */
  async query(query: Query): Promise<readonly Point[]> {
    if (this.#querying >= QUERIES_AT_ONCE) {
      if (this.#waiting.length >= QUERIES_WAITING) {
        throw new HistorianUnavailable('too many questions to the historian at once')
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#querying++
    try {
      const reply = await this.#call((id) => ({ type: 'query', id, query }), QUERY_TIMEOUT_MS)
      return reply.type === 'points' ? unpack(reply.points) : []
    } finally {
      this.#querying--
      this.#waiting.shift()?.()
    }
  }

  /** The feed has something new. */
  notifyAlarms(): void {
    this.#copier?.notify()
  }

  async #writeAlarms(changes: readonly AlarmChange[]): Promise<void> {
    await this.#call((id) => ({ type: 'alarms', id, changes }), ALARMS_TIMEOUT_MS)
  }

  #launch(): void {
    const { journal, journalFile, dataDir, config, log } = this.#parts
    const setup: WorkerSetup = {
      journalFile,
      dataDir,
      config,
      logLevel: log.level,
      from: journal.cursor(this.consumer),
    }
    const worker = new Worker(new URL('./historian-worker.ts', import.meta.url), { workerData: setup })
    worker.on('message', (message: FromWorker) => this.#hear(worker, message))
    worker.on('error', (error) => log.error({ err: error }, 'the historian worker has failed'))
    worker.on('exit', () => this.#ended())
    this.#worker = worker
    this.#told = 0
    this.#tell()
  }

  #ended(): void {
    this.#worker = undefined
    this.#health = { ready: false, detail: 'the worker has ended' }
    for (const call of this.#calls.values())
      call.reject(new HistorianUnavailable('the historian has stopped'))
    if (this.#stopped) return
    // From where the cursor will be when all that was reported has been noted.
    this.#restart = setTimeout(() => {
      void this.#advancing.finally(() => {
        if (!this.#stopped) this.#launch()
      })
    }, RESTART_AFTER_MS)
  }

  #hear(worker: Worker, message: FromWorker): void {
    switch (message.type) {
      case 'progress':
        this.#advancing = this.#advancing.then(() => this.#advance(worker, message.next, message.rejected))
        break
      case 'health':
        this.#health = message.health
        break
      case 'points':
      case 'done':
        this.#calls.get(message.id)?.resolve(message)
        break
      case 'failed':
        this.#calls.get(message.id)?.reject(new HistorianUnavailable(message.message))
        break
      default:
        message satisfies never
    }
  }

  /** One after another; the worker waits when the journal does not keep up, or cannot write. */
  async #advance(
    worker: Worker,
    next: number,
    rejected: Extract<FromWorker, { type: 'progress' }>['rejected'],
  ): Promise<void> {
    if (worker === this.#distrusted) return
    const { journal, log } = this.#parts
    try {
      await journal.advance(this.consumer, next, rejected)
    } catch (error) {
      // Rejects must not be lost: the worker starts over from the cursor, and finds them again.
      log.error({ err: error }, 'the journal does not note what the historian has stored')
      this.#distrusted = worker
      await worker.terminate()
      return
    }
    send(worker, { type: 'noted' })
  }

  #tellSoon(): void {
    this.#teller ??= setTimeout(() => {
      this.#teller = undefined
      this.#tell()
    }, TELL_EVERY_MS)
  }

  #tell(): void {
    const head = this.#parts.journal.head()
    if (head <= this.#told || this.#worker === undefined) return
    this.#told = head
    send(this.#worker, { type: 'head', head })
  }

  #call(request: (id: number) => ToWorker, timeoutMs: number): Promise<FromWorker> {
    const worker = this.#worker
    if (worker === undefined) return Promise.reject(new HistorianUnavailable('the historian is not running'))
    const id = this.#callId++
    return new Promise<FromWorker>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new HistorianUnavailable('the historian has not answered in time')),
        timeoutMs,
      )
      this.#calls.set(id, { resolve, reject, timer })
      send(worker, request(id))
    }).finally(() => {
      clearTimeout(this.#calls.get(id)?.timer)
      this.#calls.delete(id)
    })
  }
}

function send(worker: Worker, message: ToWorker): void {
  worker.postMessage(message, [])
}
