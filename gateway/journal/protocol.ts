import type { Refusal } from '../model/reading.ts'
import type { OriginRow } from './format.ts'

/** What the main thread and the writer's thread say to each other. */
export interface WriterSettings {
  readonly file: string
  readonly quarantineKeep: number
  /** Seam for benchmarks: a disk whose fsync takes this much longer, ms. */
  readonly fsyncDelayMs: number
}

export interface CursorMove {
  readonly consumer: string
  readonly next: number
  readonly rejected: readonly Refusal[]
}

/** Memory that is transferred, and handed back with the answer so that it can be filled again. */
export interface Filled {
  readonly buffer: ArrayBuffer
  /** Bytes of it that count. */
  readonly size: number
}

/** One group commit: all of it in one transaction. */
export interface Commit {
  readonly first: number
  readonly count: number
  readonly time: number
  readonly body: Filled
  /** For the table `frames`; null when the batch has none. */
  readonly frames: Filled | null
  readonly origins: readonly OriginRow[]
  readonly duplicates: number
  readonly refusals: readonly Refusal[]
  readonly released: readonly number[]
  readonly moves: readonly CursorMove[]
}

/** What may be deleted: batches that end at or before reading `below` and were committed at or before `before`. */
export interface Retention {
  readonly below: number
  readonly before: number
}

export type Request =
  | { readonly kind: 'commit'; readonly commit: Commit }
  /** Once a second: cursors that moved, and what retention allows. */
  | { readonly kind: 'tidy'; readonly moves: readonly CursorMove[]; readonly retention: Retention }
  /** Is the disk well again? Tried with a row of so many bytes. */
  | { readonly kind: 'probe'; readonly bytes: number }
  | { readonly kind: 'close'; readonly moves: readonly CursorMove[] }

/** What the file held when it was opened. */
export interface Found {
  readonly head: number
  readonly tail: number
  readonly duplicates: number
  readonly quarantined: number
  readonly cursors: readonly { readonly consumer: string; readonly next: number; readonly rejected: number }[]
  readonly origins: readonly OriginRow[]
}

export type Reply =
  | { readonly kind: 'opened'; readonly found: Found }
  | { readonly kind: 'refused'; readonly reason: string }
  /** `released`: how many of the quarantine ids were still there to take out. */
  | { readonly kind: 'committed'; readonly buffers: ArrayBuffer[]; readonly released: number }
  | { readonly kind: 'failed'; readonly buffers: ArrayBuffer[]; readonly reason: string }
  | { readonly kind: 'probed'; readonly trouble: string | null }
  | { readonly kind: 'tidied'; readonly tail: number }
  /** Something besides a commit went wrong; nothing is lost by it, and it is tried again. */
  | { readonly kind: 'trouble'; readonly reason: string }
  | { readonly kind: 'closed' }
