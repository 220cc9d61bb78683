import { parentPort, workerData } from 'node:worker_threads'
import { TooManyAlarms } from './alarm-log.ts'
import { backTest } from './backtest.ts'
import { giveWay } from './give-way.ts'
import { withSources } from './sources.ts'
import type { FromWorker, WorkerSetup } from './worker-protocol.ts'

/** One back-test, on a thread of its own that gives way to the gateway's others. */

giveWay()

function tell(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, transfer)
}

const { config, request, now } = workerData as WorkerSetup
try {
  const answer = await withSources(config, now, (sources) => backTest(request, sources))
  const json = new TextEncoder().encode(JSON.stringify(answer))
  tell({ type: 'answer', json }, [json.buffer])
} catch (error) {
  const type = error instanceof TooManyAlarms ? 'too_many_alarms' : 'failed'
  tell({ type, message: (error as Error).message })
}
