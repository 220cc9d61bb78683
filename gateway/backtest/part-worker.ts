import { parentPort, workerData } from 'node:worker_threads'
import { TooManyAlarms } from './alarm-log.ts'
import { giveWay } from './give-way.ts'
import { judgeHistory } from './judgement.ts'
import { withSources } from './sources.ts'
import type { FromPart, PartSetup } from './worker-protocol.ts'

/** A back-test's share of the devices, on a thread of its own that gives way to a gateway on the same machine. */

/** Often enough for a bar, ms. */
const TELL_EVERY = 100

giveWay()

function tell(message: FromPart): void {
  parentPort!.postMessage(message, [])
}

const { config, request, now, part } = workerData as PartSetup
let toldAt = -Infinity
function progress(share: number, device: string): void {
  if (performance.now() - toldAt < TELL_EVERY) return
  toldAt = performance.now()
  tell({ type: 'progress', share, device })
}
try {
  const judged = await withSources(config, now, (sources) => judgeHistory(request, sources, part, progress))
  tell({ type: 'judged', judged })
} catch (error) {
  const type = error instanceof TooManyAlarms ? 'too_many_alarms' : 'failed'
  tell({ type, message: (error as Error).message })
}
