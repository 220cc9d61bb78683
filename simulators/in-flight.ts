import { WrongUsage } from './wrong-usage.ts'

/** At most so many tasks under way at once. The first failure is passed on by the next call. */
export class InFlight {
  readonly #limit: number
  readonly #signal: AbortSignal | undefined
  #open = 0
  #failure: { readonly error: unknown } | undefined
  #change = Promise.withResolvers<void>()

  /** The signal ends every wait with its reason; it does not end tasks. */
  constructor(limit: number, signal?: AbortSignal) {
    if (!(limit >= 1)) throw new WrongUsage(`at least one must be in flight, not ${limit}`)
    this.#limit = limit
    this.#signal = signal
    signal?.addEventListener('abort', () => this.#changed(), { once: true })
  }

  /** Waits for room, then starts the task without waiting for its end. */
  async start(task: () => Promise<void>): Promise<void> {
    await this.#until(() => this.#open < this.#limit)
    this.#open++
    void this.#run(task)
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#until(() => this.#open === 0)
  }

  async #run(task: () => Promise<void>): Promise<void> {
    try {
      await task()
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      this.#open--
      this.#changed()
    }
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds() && this.#signal?.aborted !== true) await this.#change.promise
    this.#signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #changed(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }
}
