import type { Config } from '../config.ts'
import type { Flag } from '../model/reading.ts'
import type { Received } from './vault.ts'
import type { Window } from './windows.ts'

export interface WorkerSetup {
  readonly historian: Config['historian']
  readonly dataDir: string
  readonly journalFile: string
  /** Of the {@link Vault}. */
  readonly folder: string
}

/** What to freeze of one case. */
export interface CaptureRequest {
  readonly id: number
  readonly case: string
  readonly devices: readonly { readonly device: string; readonly kind: string }[]
  readonly windows: readonly Window[]
  readonly leftOut: readonly Window[]
}

/** Readings of a metric that were marked so, in the time that was frozen. */
export interface MarkSeen {
  readonly device: string
  readonly metric: string
  readonly flag: Flag
  readonly first: number
  readonly last: number
  readonly count: number
}

export interface Captured {
  readonly readings: Received
  readonly frames: Received
  readonly marks: readonly MarkSeen[]
  readonly counts: { readonly readings: number; readonly frames: number }
  /** There was more than {@link PART_BYTES}. */
  readonly capped: { readonly readings: boolean; readonly frames: boolean }
  /** When the oldest message that the journal still held was committed, epoch ms; null when it held none. */
  readonly journalFrom: number | null
}

export type FromWorker =
  | { readonly type: 'captured'; readonly id: number; readonly captured: Captured }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }

/** Frozen of one case at once, of readings and of frames each, bytes of JSON lines. */
export const PART_BYTES = 32 * 1024 * 1024
