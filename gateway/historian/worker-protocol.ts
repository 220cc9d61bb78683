import type { Config } from '../config.ts'
import type { AlarmChange, Health, Point, Query } from '../model/pipeline.ts'
import type { Refusal } from '../model/reading.ts'

/** What the recorder gives its worker on the way. */
export interface WorkerSetup {
  readonly journalFile: string
  readonly dataDir: string
  readonly config: Config['historian']
  readonly logLevel: string
  /** First reading that is not known to be stored. */
  readonly from: number
}

export type ToWorker =
  /** Everything below is durable. */
  | { readonly type: 'head'; readonly head: number }
  /** The journal has noted one progress message. */
  | { readonly type: 'noted' }
  | { readonly type: 'query'; readonly id: number; readonly query: Query }
  | { readonly type: 'alarms'; readonly id: number; readonly changes: readonly AlarmChange[] }
  /** Finish what is in flight and end. */
  | { readonly type: 'stop' }

export type FromWorker =
  /** Everything below `next` is stored, or among what was ever `rejected`. */
  | { readonly type: 'progress'; readonly next: number; readonly rejected: readonly Refusal[] }
  | { readonly type: 'health'; readonly health: Health }
  | { readonly type: 'points'; readonly id: number; readonly points: PackedPoints }
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }

/** Progress messages that the journal may have yet to note: beyond it the worker waits. */
export const UNNOTED_LIMIT = 2

/**
 * Points as two columns. Numbers travel as the memory they lie in: to copy 100,000 pairs would hold the
 * intake's thread up for tens of milliseconds.
 */
export interface PackedPoints {
  readonly times: Float64Array<ArrayBuffer>
  readonly values: Float64Array<ArrayBuffer> | readonly (boolean | string)[]
}

export function pack(points: readonly Point[]): PackedPoints {
  const times = Float64Array.from(points, ([ts]) => ts)
  if (points.every(([, value]) => typeof value === 'number')) {
    return { times, values: Float64Array.from(points, ([, value]) => value as number) }
  }
  return { times, values: points.map(([, value]) => value as boolean | string) }
}

export function unpack({ times, values }: PackedPoints): readonly Point[] {
  return Array.from(times, (ts, index) => [ts, values[index]!])
}
