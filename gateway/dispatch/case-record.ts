import type { Severity } from '../model/alarm.ts'
import type { Case, CaseState, CloseCode, DeadlineColour, Proposal, TimelineEntry } from '../model/case.ts'
import type { Level } from '../model/district.ts'
import type { Position } from '../model/reading.ts'
import { deadlines, type Clocks } from './clocks.ts'
import { consoleLink, mapLink } from './links.ts'
import { allowedIn, isOpen } from './transitions.ts'
import { whistleView, type WhistleRecord } from './whistle-record.ts'

/** A case as the database holds it: what the public {@link Case} is made of. */
export interface CaseRecord extends Clocks {
  readonly id: string
  readonly family: string
  readonly site: string
  readonly street: string
  readonly grid: string
  readonly category: string
  readonly title: string
  readonly position: Position | null
  readonly severity: Severity
  /** The state that a `resume` leads back to. */
  readonly suspendedFrom: CaseState | null
  /** How far up it has gone. */
  readonly level: Level
  readonly team: string
  readonly crew: string | null
  /** The highest that was announced for the clock that runs, or that ran last. */
  readonly deadlineColour: DeadlineColour
  readonly supervised: boolean
  readonly closeCode: CloseCode | null
  readonly closedAt: number | null
  /** Every team that has had it, in that order. */
  readonly teams: readonly string[]
  /** Teams that it went up from since it was assigned. */
  readonly standby: readonly string[]
  /** No crew is called before; null once it is. Stays where none was needed. */
  readonly pendingUntil: number | null
  /** Teams that hold the order because of whistles. */
  readonly called: readonly string[]
  /** Every alarm of it is over. */
  readonly backToNormal: boolean
  /** The case of the same family and site that was closed shortly before. */
  readonly previous: string | null
  /** Until an alarm of a device that is not simulated joins it. */
  readonly simulated: boolean
  readonly version: number
}

/**
 * The teams that hold an order for the case: the one that answers for it, the one that works on it, and while
 * nobody does those that it went up from, and those whom a whistle has called.
 */
export function holders(
  record: Pick<CaseRecord, 'state' | 'team' | 'crew' | 'standby' | 'called' | 'pendingUntil'>,
): readonly string[] {
  if (!isOpen(record.state)) return []
  // A department that was whistled to is wanted, whatever becomes of the crew.
  if (record.pendingUntil !== null) return record.called
  const waiting = record.crew === null ? record.standby : []
  return [...new Set([record.team, record.crew, ...waiting, ...record.called])].filter(
    (team) => team !== null,
  )
}

function proposalOf({ state, backToNormal }: CaseRecord): Proposal | null {
  if (!backToNormal || !isOpen(state) || state === 'verified') return null
  return state === 'handled' ? 'verify' : 'normal'
}

/** The case as contract §4 shows it. */
export function caseView(
  record: CaseRecord,
  alarms: readonly string[],
  timeline: readonly TimelineEntry[],
  whistles: readonly WhistleRecord[],
  consoleUrl: string,
): Case {
  return {
    id: record.id,
    state: record.state,
    severity: record.severity,
    category: record.category,
    title: record.title,
    site: record.site,
    street: record.street,
    grid: record.grid,
    position: record.position,
    team: record.pendingUntil === null ? record.team : null,
    crew: record.crew,
    alarms,
    queuedAt: record.queuedAt,
    ...deadlines(record),
    deadlineColour: record.deadlineColour,
    timeline,
    links: {
      map: record.position === null ? null : mapLink(record.position, record.title),
      console: consoleLink(consoleUrl, record.id),
    },
    family: record.family,
    closeCode: record.closeCode,
    supervised: record.supervised,
    simulated: record.simulated,
    reports: timeline.filter((entry) => entry.report !== undefined).length,
    version: record.version,
    allowed: allowedIn(record.state),
    teams: record.teams,
    standby: record.standby,
    proposal: proposalOf(record),
    previous: record.previous,
    recurrence: record.previous !== null,
    called: record.called,
    pendingUntil: record.pendingUntil,
    whistles: whistles.map(whistleView),
  }
}
