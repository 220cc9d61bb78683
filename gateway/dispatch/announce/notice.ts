import type { ClockName, DeadlineColour } from '../../model/case.ts'
import { withoutNumbers } from '../../people/plain-text.ts'
import { rank } from '../opening.ts'
import type { CaseChange } from '../case-change.ts'
import type { CaseRecord } from '../case-record.ts'
import { deadlines, runningClock, type Deadlines } from '../clocks.ts'

/** What of a case's life is announced, in the order in which one change would be told if it were several. */
export const EVENTS = [
  'opened',
  'raised',
  'escalated',
  'supervised',
  'returned',
  'rework',
  'whistle',
  'verify_proposed',
  'closed',
] as const
export type NoticeEvent = (typeof EVENTS)[number]

/** The event that an entry of the timeline is; entries that are not here are told to nobody outside. */
const EVENT_OF: ReadonlyMap<string, NoticeEvent> = new Map([
  ['deadline_blue', 'escalated'],
  ['deadline_yellow', 'escalated'],
  ['deadline_red', 'escalated'],
  ['supervise', 'supervised'],
  ['return', 'returned'],
  ['rework', 'rework'],
  ['whistle', 'whistle'],
  ['whistle_blue', 'escalated'],
  ['whistle_yellow', 'escalated'],
  ['whistle_red', 'escalated'],
  ['verify_proposed', 'verify_proposed'],
  ['close', 'closed'],
  ['void', 'closed'],
])

/** Of a note that somebody wrote, this much goes out, characters. */
const NOTE_LIMIT = 500

/** The case as it was when the event happened: what is announced late is still what was the matter then. */
export type CaseFacts = Pick<
  CaseRecord,
  | 'id'
  | 'state'
  | 'severity'
  | 'category'
  | 'title'
  | 'site'
  | 'street'
  | 'grid'
  | 'position'
  | 'crew'
  | 'called'
  | 'queuedAt'
  | 'deadlineColour'
  | 'supervised'
  | 'closeCode'
  | 'version'
> &
  Deadlines & {
    /** Null while no crew is called, and where none was needed. */
    readonly team: string | null
    /** The clock that runs; null when none does. */
    readonly clock: ClockName | null
  }

export interface Notice {
  /** `{case}:{version}:{event}`: the same whenever the same change is told, so that receivers can drop a second one. */
  readonly id: string
  readonly event: NoticeEvent
  /** Epoch ms. */
  readonly at: number
  /** Who did it; `gateway` when nobody did. */
  readonly actor: string
  readonly note: string | null
  /** What those who reported the case are told with it. */
  readonly publicNote?: string
  /** Of `escalated`. */
  readonly colour?: DeadlineColour
  /** Whom a `whistle` calls, or whose deadline it is that `escalated`. */
  readonly departments?: readonly string[]
  readonly case: CaseFacts
}

/**
 * What of a change is worth telling: each event once, the last entry of it counts (a case that takes on three
 * colours at once after a long pause is announced with the last). A case that is opened is told as just that, and so is
 * one that was only simulated until now. One that waits for a loudspeaker is nobody's yet: it is told as opened once its
 * crew is called, and where it ends before, only that it is closed.
 */
export function noticesOf({ before, after, entries }: CaseChange, now: number): Notice[] {
  const waits = after.pendingUntil !== null
  const isOpened = before === null || (before.simulated && !after.simulated) || before.pendingUntil !== null
  if (isOpened && !waits) return [byGateway('opened', after, now)]
  if (before === null) return []
  const told = new Map<NoticeEvent, Notice>()
  for (const entry of entries) {
    const event = EVENT_OF.get(entry.action)
    if (event === undefined || (waits && event === 'verify_proposed')) continue
    const colour = /_(blue|yellow|red)$/.exec(entry.action)?.[1] as DeadlineColour | undefined
    // Several are called by one whistle.
    const departments = [
      ...(told.get(event)?.departments ?? []),
      ...(entry.department === undefined ? [] : [entry.department]),
    ]
    told.set(event, {
      id: `${after.id}:${after.version}:${event}`,
      event,
      at: entry.at,
      actor: entry.actor,
      // Where the gateway writes, the note is the id of an alarm.
      note:
        entry.note === null || (entry.actor === 'gateway' && event !== 'whistle') ? null : noteOf(entry.note),
      ...(entry.publicNote !== undefined && { publicNote: noteOf(entry.publicNote) }),
      ...(colour !== undefined && { colour }),
      ...(departments.length > 0 && { departments: [...new Set(departments)] }),
      case: factsOf(after),
    })
  }
  // An alarm that joins may make it worse without an entry that says so.
  if (!waits && rank(after.severity) > rank(before.severity))
    told.set('raised', byGateway('raised', after, now))
  return EVENTS.flatMap((event) => told.get(event) ?? [])
}

/** Many people read it where it goes: whoever's telephone number is in it stays out of that. */
function noteOf(note: string): string {
  return withoutNumbers(note).slice(0, NOTE_LIMIT).toWellFormed()
}

function byGateway(event: NoticeEvent, record: CaseRecord, at: number): Notice {
  const id = `${record.id}:${record.version}:${event}`
  return { id, event, at, actor: 'gateway', note: null, case: factsOf(record) }
}

function factsOf(record: CaseRecord): CaseFacts {
  const { id, state, severity, category, title, site, street, grid, position, crew } = record
  const { called, queuedAt, deadlineColour, supervised, closeCode, version } = record
  return {
    id,
    state,
    severity,
    category,
    title,
    site,
    street,
    grid,
    position,
    team: record.pendingUntil === null ? record.team : null,
    crew,
    called,
    queuedAt,
    deadlineColour,
    supervised,
    closeCode,
    version,
    ...deadlines(record),
    clock: runningClock(record),
  }
}
