import type { Severity } from '../model/alarm.ts'
import type { TimelineEntry } from '../model/case.ts'
import type { Position } from '../model/reading.ts'
import type { CaseRecord } from './case-record.ts'

/** A change of a case, inside the transaction that makes it. */
export interface CaseChange {
  /** Null when the case is opened by it. */
  readonly before: CaseRecord | null
  readonly after: CaseRecord
  /** What the timeline gains. */
  readonly entries: readonly TimelineEntry[]
}

/** What opens a case, or joins the open one of its family at its site: an alarm, a person, a register. */
export interface Occasion {
  /** At most one open case for each family and site. */
  readonly family: string
  readonly site: string
  readonly street: string
  readonly grid: string
  readonly category: string
  readonly title: string
  readonly position: Position | null
  readonly severity: Severity
  readonly simulated: boolean
  /** Allowed times from the moment the case is queued, ms. */
  readonly respondMs: number
  readonly arriveMs: number
  readonly resolveMs: number
  /** When it happened, epoch ms: the date in the case's id. */
  readonly happenedAt: number
  /** Whatever tells this occasion from every other: an alarm's id, a report's. Hashed into the case's id. */
  readonly seed: string
  /** First entry of the timeline, or the one with which it joins. */
  readonly entry: TimelineEntry
}
