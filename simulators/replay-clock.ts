import { setTimeout as sleep } from 'node:timers/promises'
import { WrongUsage } from './wrong-usage.ts'

/** Stops a replay between two rows and lets it go on; what was not played meanwhile is played later, not at once. */
export class PauseSwitch {
  #isPaused = false
  #change = Promise.withResolvers<void>()

  get isPaused(): boolean {
    return this.#isPaused
  }

  toggle(): void {
    this.#isPaused = !this.#isPaused
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  /** Resolves at the next toggle. */
  async changed(): Promise<void> {
    await this.#change.promise
  }
}

/** When each row of a recording is due. */
export class ReplayClock {
  readonly #speed: number
  readonly #maxGap: number
  readonly #pause: PauseSwitch
  readonly #signal: AbortSignal | undefined
  #due = 0
  #previous: number | null = null
  /** Holes that were not sat out. */
  gaps = 0

  /** `maxGap`: longest wait between two rows, ms. */
  constructor(speed: number, maxGap: number, pause = new PauseSwitch(), signal?: AbortSignal) {
    if (!(speed > 0)) throw new WrongUsage(`speed must be above 0, not ${speed}`)
    this.#speed = speed
    this.#maxGap = maxGap
    this.#pause = pause
    this.#signal = signal
  }

  /** Wall time from one row to the next, ms: nothing where a time is not known or goes back. */
  between(from: number | null, to: number | null): number {
    if (from === null || to === null) return 0
    return Math.min(this.#maxGap, Math.max(0, to - from) / this.#speed)
  }

  start(now: number): void {
    this.#due = now
  }

  /** Resolves when the row is due; rejects with the signal's reason. */
  async until(ts: number | null): Promise<void> {
    if (this.#previous !== null && ts !== null && (ts - this.#previous) / this.#speed > this.#maxGap)
      this.gaps++
    this.#due += this.between(this.#previous, ts)
    this.#previous = ts ?? this.#previous
    for (;;) {
      this.#signal?.throwIfAborted()
      if (this.#pause.isPaused) {
        const since = Date.now()
        await this.#either(this.#pause.changed())
        this.#due += Date.now() - since
        continue
      }
      const wait = this.#due - Date.now()
      if (wait <= 0) return
      const awake = new AbortController()
      await this.#either(this.#pause.changed(), sleep(wait, undefined, { signal: awake.signal }))
      awake.abort()
    }
  }

  /** Whichever comes first, an abort of the whole included. */
  async #either(...waits: Promise<void>[]): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>()
    const stop = (): void => reject(this.#signal?.reason as Error)
    this.#signal?.addEventListener('abort', stop, { once: true })
    for (const wait of waits) wait.catch(() => {})
    try {
      await Promise.race([promise, ...waits])
    } finally {
      this.#signal?.removeEventListener('abort', stop)
    }
  }
}
