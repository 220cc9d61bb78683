import type { DeadlineColour } from './case.ts'
import type { Position } from './reading.ts'

export const WHISTLE_STATES = ['blown', 'reported_in', 'done', 'withdrawn'] as const
export type WhistleState = (typeof WHISTLE_STATES)[number]

export const WHISTLE_ACTIONS = ['report_in', 'done', 'withdraw'] as const
export type WhistleAction = (typeof WHISTLE_ACTIONS)[number]

/**
 * A street has called a department to a case that it cannot solve alone (吹哨); the department reports in (报到) and
 * says when it is done, each by a clock of its own. Times are epoch milliseconds.
 */
export interface Whistle {
  readonly department: string
  readonly state: WhistleState
  /** Who blew it, when, and what for. */
  readonly by: string
  readonly at: number
  readonly note: string
  readonly reportBy: number
  readonly resolveBy: number
  readonly deadlineColour: DeadlineColour
  readonly reportedAt: number | null
  readonly position: Position | null
  /** When it was done or withdrawn. */
  readonly endedAt: number | null
  /** What the state allows: the first two are the department's, to withdraw is for those who may whistle. */
  readonly allowed: readonly WhistleAction[]
}
