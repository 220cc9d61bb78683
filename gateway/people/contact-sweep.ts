import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { Part } from '../model/pipeline.ts'
import type { Tickets } from './tickets.ts'

const DAILY_MS = 86_400_000
/** Tickets in one go, so that the intake is never kept waiting. */
const AT_ONCE = 500

/** Erases names and phones of people who reported, once they have been kept for as long as they may be. */
export class ContactSweep implements Part {
  readonly #tickets: Tickets
  readonly #clock: Clock
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined
  #next: NodeJS.Immediate | undefined

  constructor(tickets: Tickets, clock: Clock, log: Log) {
    this.#tickets = tickets
    this.#clock = clock
    this.#log = log
  }

  /** At the start and daily: a gateway that is restarted every night keeps nothing for longer. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => this.sweep(), DAILY_MS).unref()
    this.sweep()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    clearImmediate(this.#next)
  }

  sweep(): void {
    try {
      const count = this.#tickets.forget(this.#clock.now(), AT_ONCE)
      if (count > 0) this.#log.info({ count }, 'names and phones of people who reported were erased')
      if (count === AT_ONCE) this.#next = setImmediate(() => this.sweep())
    } catch (error) {
      this.#log.error({ err: error }, 'names and phones could not be erased; they will be tomorrow')
    }
  }
}
