import { DEADLINE_COLOURS, type ClockName, type DeadlineColour } from '../model/case.ts'
import type { Position } from '../model/reading.ts'
import type { Whistle, WhistleState } from '../model/whistle.ts'
import { shareGone } from './clocks.ts'
import { whistleAllows } from './transitions.ts'

/** A whistle as the database holds it. */
export interface WhistleRecord {
  readonly number: number
  readonly caseId: string
  readonly department: string
  readonly state: WhistleState
  readonly by: string
  readonly at: number
  readonly note: string
  /** Allowed times from `at`, ms. */
  readonly reportMs: number
  readonly resolveMs: number
  readonly deadlineColour: DeadlineColour
  readonly reportedAt: number | null
  readonly position: Position | null
  readonly endedAt: number | null
  /** Since when its clocks stand still, for the case is suspended; null while they run. */
  readonly suspendedAt: number | null
  /** How long they stood still before. */
  readonly suspendedMs: number
  /** Team of the district that has been told that the department is late. */
  readonly overseer: string | null
}

export function isOpenWhistle({ state }: Pick<WhistleRecord, 'state'>): boolean {
  return state === 'blown' || state === 'reported_in'
}

/**
 * One clock runs at a time: until the department has reported in (its arrival), then until it is done. They count
 * from the whistle and stand still with those of the case: nobody is late with what nobody can do. Reporting in and
 * being done are possible meanwhile.
 */
export function whistleClock({ state }: Pick<WhistleRecord, 'state'>): ClockName | null {
  if (state === 'blown') return 'arrive'
  return state === 'reported_in' ? 'resolve' : null
}

/** The next colour and when it is due, perhaps already; null when there is none. As for cases: 75 %, passed, twice. */
export function nextWhistleColour(
  whistle: WhistleRecord,
): { readonly colour: DeadlineColour; readonly at: number } | null {
  const clock = whistleClock(whistle)
  const colour = DEADLINE_COLOURS[DEADLINE_COLOURS.indexOf(whistle.deadlineColour) + 1]
  if (clock === null || colour === undefined || whistle.suspendedAt !== null) return null
  const span = clock === 'arrive' ? whistle.reportMs : whistle.resolveMs
  return { colour, at: shareGone(begins(whistle), span, colour) }
}

/** From when its times count: later by as long as it stood still. */
function begins({ at, suspendedMs }: WhistleRecord): number {
  return at + suspendedMs
}

export function whistleView(whistle: WhistleRecord): Whistle {
  const { department, state, by, at, note, deadlineColour, reportedAt, position, endedAt } = whistle
  return {
    department,
    state,
    by,
    at,
    note,
    reportBy: begins(whistle) + whistle.reportMs,
    resolveBy: begins(whistle) + whistle.resolveMs,
    deadlineColour,
    reportedAt,
    position,
    endedAt,
    allowed: whistleAllows(state),
  }
}

/** Teams that hold the order because of whistles: departments that are not done, and who oversees late ones. */
export function calledBy(whistles: readonly WhistleRecord[]): readonly string[] {
  const open = whistles.filter(isOpenWhistle)
  const teams = open.flatMap(({ department, overseer }) =>
    overseer === null ? [department] : [department, overseer],
  )
  return [...new Set(teams)]
}
