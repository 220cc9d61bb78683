import type { AlarmChange, Historian, Point, Query, Reject } from '../model/pipeline.ts'
import type { Delivery } from '../model/reading.ts'
import type { Log } from '../log.ts'
import { pointsOf, select } from './influxql.ts'
import { isolate, type Answer, type Line } from './isolate.ts'
import { LineProtocol, Unwritable } from './line-protocol.ts'

/** What differs between the generations of InfluxDB. All of it rejects when the server is away or failing. */
export interface Wire {
  /** Rejects with {@link StoreMissing} when the database or bucket is not there. */
  post(lines: string): Promise<Answer>
  /** Creates the database or bucket; no harm when it is there. Rejects with {@link CreationRefused} when it may not. */
  create(): Promise<void>
  /** The answer of `/query` with times in milliseconds. */
  ask(influxql: string): Promise<unknown>
}

/** The server is there, the database or bucket is not. */
export class StoreMissing extends Error {
  override readonly name = 'StoreMissing'
}

/** The server has answered, but does not let us create the database or bucket. */
export class CreationRefused extends Error {
  override readonly name = 'CreationRefused'
}

/** Without an answer in this time a request has failed, ms; a batch takes 30 ms on an idle machine. */
export const REQUEST_TIMEOUT_MS = 10_000

/** The historian over InfluxDB, whichever generation is behind the wire. */
export class InfluxHistorian implements Historian {
  readonly target: string
  readonly #wire: Wire
  readonly #batch: number
  readonly #log: Log
  readonly #protocol = new LineProtocol()

  /** `batch` is the most lines in one request. */
  constructor(target: string, wire: Wire, batch: number, log: Log) {
    this.target = target
    this.#wire = wire
    this.#batch = batch
    this.#log = log
  }

  /** Rejects while the server is away. One that lets us write but not create is as good as any. */
  async start(): Promise<void> {
    try {
      await this.#wire.create()
    } catch (error) {
      if (!(error instanceof CreationRefused)) throw error
      this.#log.warn({ target: this.target }, `${error.message}; taking it as given`)
    }
  }

  async stop(): Promise<void> {}

  async write(deliveries: readonly Delivery[]): Promise<readonly Reject[]> {
    const lines: Line[] = []
    const rejects: Reject[] = []
    for (const delivery of deliveries) {
      for (const reading of delivery.readings) {
        try {
          const text = this.#protocol.reading(delivery.origin, reading)
          if (text !== '') lines.push({ text, delivery, reading })
        } catch (error) {
          if (!(error instanceof Unwritable)) throw error
          rejects.push({ delivery, reading, reason: error.message })
        }
      }
    }
    // One after another: of two points with the same tags and time the later one must win.
    for (let at = 0; at < lines.length; at += this.#batch) {
      const refused = await isolate(lines.slice(at, at + this.#batch), (part) =>
        this.#post(part.map(({ text }) => text).join('\n')),
      )
      for (const { line, reason } of refused) {
        rejects.push({ delivery: line.delivery, reading: line.reading, reason })
      }
    }
    return rejects
  }

  async writeAlarms(changes: readonly AlarmChange[]): Promise<void> {
    if (changes.length === 0) return
    const answer = await this.#post(changes.map((change) => this.#protocol.alarm(change)).join('\n'))
    // The alarm's own record is in registry.db; a copy that InfluxDB will not have is not worth a stop.
    if (answer.type === 'refused') this.#log.warn({ reason: answer.reason }, 'alarms refused by InfluxDB')
  }

  async query(query: Query): Promise<readonly Point[]> {
    return pointsOf(await this.#wire.ask(select(query)))
  }

  async #post(lines: string): Promise<Answer> {
    try {
      return await this.#wire.post(lines)
    } catch (error) {
      if (!(error instanceof StoreMissing)) throw error
      this.#log.warn({ target: this.target }, `${error.message}; creating it`)
      await this.#wire.create()
      return await this.#wire.post(lines)
    }
  }
}

/** Sorts an unhappy answer to a write: refused for good, or thrown because it may pass. */
export function refusal(status: number, message: string): Answer {
  const reason = message.slice(0, 500)
  const data =
    status === 413 ||
    ((status === 400 || status === 422) &&
      /partial write|type conflict|retention|unable to parse|max\w* .*exceeded/.test(message))
  if (data) return { type: 'refused', reason }
  if (status === 404 && /database|bucket/.test(message)) throw new StoreMissing(reason)
  throw new Error(`InfluxDB answered ${status}: ${reason}`)
}

/** An address that may be shown: without user and password. */
export function addressOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname.replace(/\/+$/, '')
}
