import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { Health } from '../model/pipeline.ts'

/** However far the next deadline is, look again after this, ms: the wall clock may have jumped. */
const LOOK_AGAIN_MS = 10_000

/** Something that falls due by the clock. */
export interface Due {
  /** When it next does, epoch ms; null when never. */
  nextDue(): number | null
  /** Sees to what is due by now, some of it at a time; harmless at any other time. */
  seeTo(now: number): void
}

/** Looks when the next deadline is due. Nothing ticks: what is due follows from what is stored. */
export class DeadlineWatch {
  readonly #due: readonly Due[]
  readonly #clock: Clock
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined
  #running = false
  /** Why deadlines cannot be watched; null when they are. */
  #trouble: string | null = null

  constructor(due: readonly Due[], clock: Clock, log: Log) {
    this.#due = due
    this.#clock = clock
    this.#log = log
  }

  start(): void {
    this.#running = true
    this.arm()
  }

  stop(): void {
    this.#running = false
    clearTimeout(this.#timer)
  }

  health(): Health {
    if (this.#trouble !== null) return { ready: false, detail: this.#trouble }
    return { ready: this.#running, detail: this.#running ? 'watching deadlines' : 'stopped' }
  }

  /** Once: what is due now, some of it. */
  look(): void {
    const now = this.#clock.now()
    for (const due of this.#due) due.seeTo(now)
  }

  /** Sees to everything that is due by now: for a clock that is moved by hand. */
  settle(): void {
    for (let next = this.#next(); next !== null && next <= this.#clock.now(); next = this.#next()) this.look()
    this.arm()
  }

  /** Sets the timer anew: something may be due earlier, or not at all any more. */
  arm(): void {
    const next = this.#running ? this.#next() : null
    clearTimeout(this.#timer)
    if (next === null) return
    const delay = Math.min(Math.max(0, next - this.#clock.now()), LOOK_AGAIN_MS)
    this.#timer = setTimeout(() => this.#wake(), delay)
  }

  #next(): number | null {
    const instants = this.#due.map((due) => due.nextDue()).filter((at) => at !== null)
    return instants.length === 0 ? null : Math.min(...instants)
  }

  #wake(): void {
    try {
      this.look()
      this.arm()
      this.#trouble = null
    } catch (error) {
      this.#log.error({ err: error }, 'deadlines could not be checked, trying again')
      this.#trouble = `deadlines cannot be watched: ${(error as Error).message}`
      this.#timer = setTimeout(() => this.#wake(), LOOK_AGAIN_MS)
    }
  }
}
