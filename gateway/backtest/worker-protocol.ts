import type { BackTestRequest } from './backtest.ts'
import type { Judged, Part } from './judgement.ts'
import type { SourceConfig } from './sources.ts'

/** What the worker is given on its way. */
export interface WorkerSetup {
  readonly config: SourceConfig
  readonly request: BackTestRequest
  /** The gateway's clock, epoch milliseconds. */
  readonly now: number
}

export type FromWorker =
  /** The answer as JSON text: it goes from thread to thread and into the socket as it is. */
  | { readonly type: 'answer'; readonly json: Uint8Array<ArrayBuffer> }
  | { readonly type: 'too_many_alarms' | 'failed'; readonly message: string }

/** What a thread is given that judges a part of the devices. */
export interface PartSetup extends WorkerSetup {
  readonly part: Part
}

export type FromPart =
  | { readonly type: 'progress'; readonly share: number; readonly device: string }
  | { readonly type: 'judged'; readonly judged: Judged }
  | { readonly type: 'too_many_alarms' | 'failed'; readonly message: string }
