import type { AlarmEnd, Severity } from './alarm.ts'
import type { Position } from './reading.ts'
import type { Whistle } from './whistle.ts'

export const CASE_STATES = [
  'queued',
  'dispatched',
  'accepted',
  'on_site',
  'handled',
  'verified',
  'closed',
  'suspended',
  'void',
] as const
export type CaseState = (typeof CASE_STATES)[number]

export const ACTIONS = [
  'assign',
  'accept',
  'arrive',
  'handle',
  'verify',
  'close',
  'return',
  'rework',
  'void',
  'suspend',
  'resume',
  'extend',
  'supervise',
] as const
export type Action = (typeof ACTIONS)[number]

export const CLOSE_CODES = ['confirmed', 'false_alarm', 'not_found', 'device_fault', 'duplicate'] as const
export type CloseCode = (typeof CLOSE_CODES)[number]

export const DEADLINE_COLOURS = ['none', 'blue', 'yellow', 'red'] as const
export type DeadlineColour = (typeof DEADLINE_COLOURS)[number]

/** How a report of a person came: the public page, somebody who has signed in, the 12345 hotline, a patrol. */
export const REPORT_SOURCES = ['page', 'report', 'hotline', 'patrol'] as const
export type ReportSource = (typeof REPORT_SOURCES)[number]

/** What the gateway proposes once every alarm of a case is over: to check it, or only to know that it is back to normal. */
export const PROPOSALS = ['verify', 'normal'] as const
export type Proposal = (typeof PROPOSALS)[number]

export const CLOCK_NAMES = ['respond', 'arrive', 'resolve'] as const
export type ClockName = (typeof CLOCK_NAMES)[number]

export interface TimelineEntry {
  readonly at: number
  /** User name, `gateway`, or `ticket:` and the end of a number for somebody who reported without signing in. */
  readonly actor: string
  /** An action of contract §4, or what the gateway noted: `opened`, `alarm_joined`, `alarm_cleared`, `deadline_blue` … */
  readonly action: string
  readonly note: string | null
  readonly position: Position | null
  readonly files: readonly string[]
  /** The team that the case went to with this entry. */
  readonly team?: string
  /** The team that took it on with this `accept`; whose user the actor is may change later. */
  readonly crew?: string
  /** Metres from the site, where `position` is too far from it to be believed (contract §4). */
  readonly offSite?: number
  /** The deadline that an `extend` set, or by which a `whistle` calls the department; epoch milliseconds. */
  readonly until?: number
  readonly code?: CloseCode
  /** What those who reported it are told with this step. */
  readonly publicNote?: string
  /** The entry is a person's report; the note is what they said. */
  readonly report?: ReportSource
  /** Whose deadline colour came up. */
  readonly clock?: ClockName
  /** The department whose whistle it is about. */
  readonly department?: string
  /** Why the gateway cleared the alarm, where its condition did not end by itself. */
  readonly reason?: AlarmEnd
}

/** Contract §4. Times are epoch milliseconds. */
export interface Case {
  readonly id: string
  readonly state: CaseState
  readonly severity: Severity
  readonly category: string
  readonly title: string
  readonly site: string
  readonly street: string
  readonly grid: string
  readonly position: Position | null
  /** Who answers for it now; goes up with the deadline colours. */
  readonly team: string | null
  /** The team that accepted it: it stays on the case, with its order and rights, when the case goes up. */
  readonly crew: string | null
  readonly alarms: readonly string[]
  readonly queuedAt: number
  readonly respondBy: number
  readonly arriveBy: number
  readonly resolveBy: number
  readonly deadlineColour: DeadlineColour
  readonly timeline: readonly TimelineEntry[]
  /** Entries before those of `timeline`, where a list leaves them out. */
  readonly earlier?: number
  readonly links: { readonly map: string | null; readonly console: string }
  /** Rule family: at most one open case for each family and site. */
  readonly family: string
  readonly closeCode: CloseCode | null
  /** Under supervision (督办) since somebody asked for it, or a deadline is long past. */
  readonly supervised: boolean
  /** Every alarm of it is a simulated device's: no team has an order unless `dispatch.simulated` says so. */
  readonly simulated: boolean
  /** How many people's reports its timeline tells of. */
  readonly reports: number
  /** Counts changes; an `expectedVersion` in an action guards against acting on an old picture. */
  readonly version: number
  /** What the state allows; who may do it is a matter of rights. */
  readonly allowed: readonly Action[]
  /** Every team that has had it, in that order: each may go on reading it. */
  readonly teams: readonly string[]
  /** Teams that it went up from: while nobody has accepted it, they keep the order and may still accept. */
  readonly standby: readonly string[]
  /** Set while all alarms of it are over: `verify` once it is handled, `normal` before. */
  readonly proposal: Proposal | null
  /** The case of the same matter that was closed shortly before this one was opened. */
  readonly previous: string | null
  readonly recurrence: boolean
  /** No crew is called before, for a loudspeaker speaks first; null when one is, or need not be. */
  readonly pendingUntil: number | null
  /** Teams that hold the order because of whistles: departments that are not done, and who oversees late ones. */
  readonly called: readonly string[]
  /** In the order in which they were blown. */
  readonly whistles: readonly Whistle[]
}
