import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { TooManyAlarms } from './alarm-log.ts'
import { answerOf, backTest, type BackTest, type BackTestRequest, type BackTestSources } from './backtest.ts'
import { countSubjects, type Judged, type Progress } from './judgement.ts'
import type { SourceConfig } from './sources.ts'
import type { FromPart, PartSetup } from './worker-protocol.ts'

/** Each opens the history for itself, and holds some 200 MB. */
const MOST_THREADS = 4
/** Fewer are judged sooner than threads have started, most of the time. */
const LEAST_SUBJECTS = 50

/** As many as there are cores, within bounds. */
export const THREADS = Math.min(MOST_THREADS, availableParallelism())

/**
 * The same answer as {@link backTest}, sooner: devices are judged apart from each other, so each thread takes its share
 * of them, `threads` at most. `sources` are those that `config` names.
 */
export async function backTestInThreads(
  request: BackTestRequest,
  config: SourceConfig,
  sources: BackTestSources,
  threads: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<BackTest> {
  const subjects = await countSubjects(request, sources)
  const count = Math.min(threads, Math.floor(subjects / LEAST_SUBJECTS))
  if (count < 2) return backTest(request, sources, progress, signal)
  signal.throwIfAborted()
  const { dataDir, historian, rules, district } = config
  const shares = Array.from({ length: count }, () => 0)
  const workers = shares.map((_, first) => {
    const part = { first, of: count }
    const setup = { config: { dataDir, historian, rules, district }, request, now: sources.now, part }
    return new Worker(new URL('./part-worker.ts', import.meta.url), {
      workerData: setup satisfies PartSetup,
    })
  })
  const stopped = Promise.withResolvers<never>()
  const stop = (): void => stopped.reject(signal.reason as Error)
  signal.addEventListener('abort', stop)
  try {
    const parts = workers.map((worker, index) =>
      judgedBy(worker, (share, device) => {
        shares[index] = share
        progress(shares.reduce((sum, one) => sum + one, 0) / count, device)
      }),
    )
    return answerOf(request, sources, await Promise.race([Promise.all(parts), stopped.promise]))
  } finally {
    signal.removeEventListener('abort', stop)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

function judgedBy(worker: Worker, progress: Progress): Promise<Judged> {
  const { promise, resolve, reject } = Promise.withResolvers<Judged>()
  worker.on('message', (message: FromPart) => {
    switch (message.type) {
      case 'progress':
        return progress(message.share, message.device)
      case 'judged':
        progress(1, message.judged.devices.at(-1) ?? '')
        return resolve(message.judged)
      case 'too_many_alarms':
        return reject(new TooManyAlarms())
      case 'failed':
        return reject(new Error(message.message))
    }
  })
  worker.on('error', reject)
  worker.on('exit', () => reject(new Error('a thread of the back-test ended without an answer')))
  return promise
}
