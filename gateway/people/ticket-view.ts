import { teamOf } from '../district/routing.ts'
import type { Story } from '../dispatch/cases.ts'
import type { CaseState, CloseCode, TimelineEntry } from '../model/case.ts'
import type { District } from '../model/district.ts'
import { shownNumber } from './ticket-number.ts'
import type { Ticket } from './tickets.ts'

/** How far a report has come, in words that a page has for people. */
export const TICKET_STATES = [
  'received',
  'sent',
  'accepted',
  'on_site',
  'handled',
  'verified',
  'paused',
  'closed',
  'ended',
] as const
export type TicketState = (typeof TICKET_STATES)[number]

const STATE: Readonly<Record<CaseState, TicketState>> = {
  queued: 'received',
  dispatched: 'sent',
  accepted: 'accepted',
  on_site: 'on_site',
  handled: 'handled',
  verified: 'verified',
  suspended: 'paused',
  closed: 'closed',
  void: 'ended',
}

/** Of a case's timeline, what whoever reported it is told; everything else is nobody's business but the district's. */
const STEPS: Readonly<Record<string, string>> = {
  accept: 'accepted',
  arrive: 'arrived',
  handle: 'handled',
  verify: 'verified',
  return: 'returned',
  rework: 'rework',
  suspend: 'paused',
  resume: 'resumed',
  close: 'closed',
  void: 'ended',
}

/** A rating may be changed for so long after it was first given, ms. */
export const RATING_OPEN_MS = 7 * 86_400_000

interface Title {
  readonly zh: string
  readonly en: string
}

export interface TicketStep {
  readonly at: number
  /** `reported`, `joined`, or one of {@link STEPS}. */
  readonly step: string
  /** Who took it on. */
  readonly team?: Title
  /** What somebody wrote for those who reported. */
  readonly note?: string
}

/** All that a ticket number shows: no names, no phones, nothing of anybody else's report. */
export interface TicketView {
  readonly ticket: string
  readonly category: Title
  readonly place: Title | null
  readonly state: TicketState
  readonly reportedAt: number
  readonly updatedAt: number
  /** It was added to a case that was open already. */
  readonly joined: boolean
  /** The promise: when somebody will have taken it on at the latest, and when and who did. */
  readonly answerBy: number
  readonly answeredAt: number | null
  readonly answeredBy: Title | null
  readonly steps: readonly TicketStep[]
  readonly result: { readonly code: CloseCode | null; readonly note: string | null } | null
  readonly satisfaction: { readonly score: number; readonly comment: string | null } | null
  /** Until when it may be rated, or the rating changed; null when it may not. */
  readonly rateUntil: number | null
}

export function ticketView(ticket: Ticket, found: Story, district: District, now: number): TicketView {
  const told = found.timeline.flatMap((entry) => stepOf(entry, district))
  const accepted = told.findLast(({ step }) => step === 'accepted')
  const first = told.find(({ step }) => step === 'accepted')
  const state = STATE[found.state]
  const isOver = state === 'closed' || state === 'ended'
  const notes = told.flatMap(({ note }) => note ?? [])
  return {
    ticket: shownNumber(ticket.number),
    category: categoryTitle(district, ticket.category),
    place: placeTitle(district, ticket.place, found.street),
    state,
    reportedAt: ticket.reportedAt,
    updatedAt: ticket.updatedAt,
    joined: ticket.joined,
    answerBy: found.respondBy,
    answeredAt: first === undefined ? null : Math.max(first.at, ticket.reportedAt),
    answeredBy: accepted?.team ?? null,
    steps: [
      { at: ticket.reportedAt, step: 'reported' },
      ...(ticket.joined ? [{ at: ticket.reportedAt, step: 'joined' }] : []),
      ...told,
    ].sort((a, b) => a.at - b.at),
    result: isOver ? { code: found.closeCode, note: notes.at(-1) ?? null } : null,
    satisfaction:
      ticket.satisfaction === null ? null : { score: ticket.satisfaction, comment: ticket.comment },
    rateUntil: isOver ? rateUntil(ticket, now) : null,
  }
}

/** Null when it may be rated no more; a ticket that was never rated has no end. */
export function rateUntil(ticket: Ticket, now: number): number | null {
  const until = (ticket.firstSatisfiedAt ?? now) + RATING_OPEN_MS
  return until > now ? until : null
}

function stepOf(entry: TimelineEntry, district: District): TicketStep[] {
  const step = Object.hasOwn(STEPS, entry.action) ? STEPS[entry.action] : undefined
  if (step === undefined)
    return entry.publicNote === undefined ? [] : [{ at: entry.at, step: 'note', note: entry.publicNote }]
  const team =
    entry.action === 'accept' && entry.crew !== undefined ? teamOf(district, entry.crew) : undefined
  return [
    {
      at: entry.at,
      step,
      ...(team !== undefined && { team: team.title }),
      ...(entry.publicNote !== undefined && { note: entry.publicNote }),
    },
  ]
}

export function categoryTitle({ categories = {} }: District, id: string): Title {
  return Object.hasOwn(categories, id) ? categories[id]!.title : { zh: id, en: id }
}

/** Of a place that the district names, or else of the street: never coordinates. */
function placeTitle(district: District, place: string | null, street: string): Title | null {
  const site = district.sites?.find(({ id }) => id === place)
  return site?.title ?? district.streets.find(({ id }) => id === street)?.title ?? null
}
