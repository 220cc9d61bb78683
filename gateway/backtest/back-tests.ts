import { Worker } from 'node:worker_threads'
import type { Log } from '../log.ts'
import { TooManyAlarms } from './alarm-log.ts'
import type { BackTestRequest } from './backtest.ts'
import type { SourceConfig } from './sources.ts'
import type { FromWorker, WorkerSetup } from './worker-protocol.ts'

/** Back-tests at once: each takes a core as long as nobody else wants it. */
const AT_ONCE = 1
/** A longer one is for the command line, which has no limit. */
const TIME_LIMIT_MS = 5 * 60_000
const MEMORY_LIMIT_MB = 512

/** Not now, or not here; the message says what to do instead. */
export class BackTestRefused extends Error {
  override readonly name = 'BackTestRefused'
  readonly code: 'busy' | 'too_long' | 'stopped'

  constructor(code: BackTestRefused['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Runs back-tests for the gateway: in worker threads, few at once, and not for ever. */
export class BackTests {
  readonly #config: SourceConfig
  readonly #log: Log
  /** How to give up each of those under way. */
  readonly #running = new Set<(error: Error) => void>()

  constructor({ dataDir, historian, rules, district }: SourceConfig, log: Log) {
    this.#config = { dataDir, historian, rules, district }
    this.#log = log
  }

  /**
   * The answer as JSON text. Rejects with {@link BackTestRefused}, with {@link TooManyAlarms}, with what the
   * sources complain of, and with the reason of `signal`.
   */
  async run(request: BackTestRequest, now: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    signal.throwIfAborted()
    if (this.#running.size >= AT_ONCE)
      throw new BackTestRefused('busy', 'another back-test is under way; try again when it is done')
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>()
    const began = performance.now()
    const worker = new Worker(new URL('./backtest-worker.ts', import.meta.url), {
      workerData: { config: this.#config, request, now } satisfies WorkerSetup,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_LIMIT_MB },
    })
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'answer') resolve(message.json)
      else reject(message.type === 'failed' ? new Error(message.message) : new TooManyAlarms())
    })
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('the back-test ended without an answer')))
    const tooLong =
      'the back-test took too long: take a shorter stretch or fewer devices, or the command line'
    const timer = setTimeout(() => reject(new BackTestRefused('too_long', tooLong)), TIME_LIMIT_MS)
    const leave = () => reject(signal.reason as Error)
    signal.addEventListener('abort', leave)
    this.#running.add(reject)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', leave)
      await worker.terminate()
      this.#running.delete(reject)
      this.#log.info(
        { seconds: (performance.now() - began) / 1000, rules: request.rules.length },
        'back-test',
      )
    }
  }

  /** Those under way are given up. */
  stop(): void {
    for (const giveUp of this.#running) giveUp(new BackTestRefused('stopped', 'the gateway is stopping'))
  }
}
