import { constants, platform, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { readAccounts, type AccountabilityReport, type AccountQuery } from './account-reader.ts'

/** Adds up accounts on a thread of its own, read-only, and gives way to the gateway's other threads. */

export interface AccountWorkerSetup {
  /** `registry.db`. */
  readonly file: string
}

export type FromAccountWorker =
  | { readonly type: 'report'; readonly report: AccountabilityReport }
  | { readonly type: 'failed'; readonly message: string }

// Elsewhere this would be the priority of the whole process.
if (platform() === 'linux') setPriority(constants.priority.PRIORITY_BELOW_NORMAL)

const { file } = workerData as AccountWorkerSetup
parentPort!.on('message', (query: AccountQuery) => {
  let answer: FromAccountWorker
  try {
    answer = { type: 'report', report: readAccounts(file, query) }
  } catch (error) {
    answer = { type: 'failed', message: (error as Error).message }
  }
  parentPort!.postMessage(answer, [])
})
