import { Worker } from 'node:worker_threads'
import type { AccountabilityReport, AccountQuery } from './account-reader.ts'
import type { AccountWorkerSetup, FromAccountWorker } from './account-worker.ts'

/** Questions that may wait for the one that is being answered. */
const WAITING = 16
/** A thread that is asked nothing more ends after this, ms: it holds some 50 MB. */
const IDLE_MS = 60_000
/** Years of cases take longer; then the question is too large. */
const TIME_LIMIT_MS = 60_000
const MEMORY_LIMIT_MB = 512

/** Not now; the message says why. */
export class AccountsRefused extends Error {
  override readonly name = 'AccountsRefused'
  readonly code: 'busy' | 'too_long' | 'stopped'

  constructor(code: AccountsRefused['code'], message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Answers what accountability asks, one question at a time, in a worker thread: however many cases a period has, the
 * gateway's own thread only waits.
 */
export class AccountDesk {
  readonly #setup: AccountWorkerSetup
  readonly #onDrift: (cases: readonly string[]) => void
  #worker: Worker | undefined
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #idle: NodeJS.Timeout | undefined
  /** How to give up the question under way. */
  #giveUp: ((error: Error) => void) | undefined
  #isStopped = false

  /** `file`: the registry's. `onDrift` hears of cases of which the ledger was wrong; that report did not go by it. */
  constructor(file: string, onDrift: (cases: readonly string[]) => void = () => {}) {
    this.#setup = { file }
    this.#onDrift = onDrift
  }

  /** Rejects with {@link AccountsRefused}, and with what the database complains of. */
  async ask(query: AccountQuery): Promise<AccountabilityReport> {
    if (this.#waiting >= WAITING) throw new AccountsRefused('busy', 'too many reports are being made')
    this.#waiting++
    const turn = this.#last.then(() => this.#answer(query)).finally(() => this.#waiting--)
    this.#last = turn.catch(() => {})
    return await turn
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#giveUp?.(new AccountsRefused('stopped', 'the gateway is stopping'))
    await this.#end()
  }

  async #answer(query: AccountQuery): Promise<AccountabilityReport> {
    if (this.#isStopped) throw new AccountsRefused('stopped', 'the gateway is stopping')
    clearTimeout(this.#idle)
    const { promise, resolve, reject } = Promise.withResolvers<AccountabilityReport>()
    const worker = (this.#worker ??= new Worker(new URL('./account-worker.ts', import.meta.url), {
      workerData: this.#setup,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_LIMIT_MB },
    }))
    const take = (answer: FromAccountWorker) => {
      if (answer.type === 'report') resolve(answer.report)
      else reject(new Error(answer.message))
    }
    const fail = (error: unknown) => reject(error)
    const leave = () => reject(new Error('the thread of the report has ended'))
    worker.once('message', take).once('error', fail).once('exit', leave)
    const tooLong = new AccountsRefused('too_long', 'the report took too long: ask for a shorter period')
    const timer = setTimeout(() => reject(tooLong), TIME_LIMIT_MS)
    this.#giveUp = reject
    worker.postMessage(query, [])
    try {
      const report = await promise
      if (report.drifted.length > 0) this.#onDrift(report.drifted)
      this.#idle = setTimeout(() => void this.#end(), IDLE_MS).unref()
      return report
    } catch (error) {
      // It may be in the middle of the question still.
      await this.#end()
      throw error
    } finally {
      clearTimeout(timer)
      this.#giveUp = undefined
      worker.off('message', take).off('error', fail).off('exit', leave)
    }
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle)
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }
}
