import { Type, type Static } from 'typebox'
import type { Cases } from '../dispatch/cases.ts'
import { distanceMetres } from '../dispatch/distance.ts'
import type { Clock } from '../model/clock.ts'
import { PositionSchema } from '../model/device.ts'
import type { District } from '../model/district.ts'
import type { Position } from '../model/reading.ts'
import type { Database } from '../registry/database.ts'
import type { ReportPlace, ReportPlaces } from './places.ts'
import { plainText, withoutNumbers } from './plain-text.ts'
import type { Receipt, ReportDesk } from './report-desk.ts'
import { BadReport } from './report.ts'
import type { StrangerLimits } from './stranger-limits.ts'
import { ticketNumber } from './ticket-number.ts'
import { categoryTitle, rateUntil, ticketView, type TicketView } from './ticket-view.ts'
import type { Ticket } from './tickets.ts'

/** Characters that the public page takes. */
export const PUBLIC_TEXT_LIMIT = 500
export const COMMENT_LIMIT = 500
export const PHOTO_LIMIT = 3
/** A phone further from the place than this, metres, is not at what it reports: where it is says nothing. */
const AT_PLACE_METRES = 2000

/** Twice as many UTF-16 units as characters: some need two. */
const Text = (longest: number, description: string) => Type.String({ maxLength: longest * 2, description })

export const PublicReportBody = Type.Object(
  {
    place: Type.String({ maxLength: 128, description: 'what the QR code holds: `{place}~{check code}`' }),
    client: Type.String({
      pattern: '^[A-Za-z0-9-]{16,64}$',
      description: 'made up by the page once for each report: sent again it is the same report',
    }),
    category: Type.String({ minLength: 1, maxLength: 64 }),
    text: Type.Optional(Text(PUBLIC_TEXT_LIMIT, `at most ${PUBLIC_TEXT_LIMIT} characters`)),
    name: Type.Optional(Type.String({ maxLength: 200 })),
    phone: Type.Optional(Type.String({ maxLength: 40 })),
    position: Type.Optional({ ...PositionSchema, description: 'WGS-84; where the phone is' }),
    website: Type.Optional(Type.String({ maxLength: 200, description: 'left empty by people' })),
  },
  { additionalProperties: false },
)
export type PublicReportBody = Static<typeof PublicReportBody>

export const RatingBody = Type.Object(
  {
    score: Type.Integer({ minimum: 1, maximum: 5, description: '5 is best' }),
    comment: Type.Optional(Text(COMMENT_LIMIT, `at most ${COMMENT_LIMIT} characters`)),
  },
  { additionalProperties: false },
)
export type RatingBody = Static<typeof RatingBody>

/** Neither this place nor this ticket exists, as far as a stranger is told. */
export class NotThere extends Error {
  override readonly name = 'NotThere'
}

/** It is too late, or too early. */
export class NotNow extends Error {
  override readonly name = 'NotNow'
}

export interface PlaceView {
  readonly place: { readonly title: { readonly zh: string; readonly en: string } }
  readonly street: { readonly title: { readonly zh: string; readonly en: string } } | null
  readonly categories: readonly {
    readonly id: string
    readonly title: { readonly zh: string; readonly en: string }
  }[]
  readonly limits: { readonly text: number; readonly photos: number }
}

export interface PublicDeskParts {
  readonly database: Database
  readonly desk: ReportDesk
  readonly places: ReportPlaces
  readonly cases: Cases
  readonly district: District
  readonly clock: Clock
  readonly limits: StrangerLimits
}

/** What people do who have not signed in: report at a place, follow their ticket, say whether they are satisfied. */
export class PublicDesk {
  readonly #parts: PublicDeskParts

  constructor(parts: PublicDeskParts) {
    this.#parts = parts
  }

  /** What the page behind a printed code needs. Throws {@link NotThere}. */
  place(code: string, address: string): PlaceView {
    const { district } = this.#parts
    const place = this.#behind(code, address)
    const street = district.streets.find(({ id }) => id === place.street)
    return {
      place: { title: place.title },
      street: street === undefined ? null : { title: street.title },
      categories: place.categories.map((id) => ({ id, title: categoryTitle(district, id) })),
      limits: { text: PUBLIC_TEXT_LIMIT, photos: PHOTO_LIMIT },
    }
  }

  /** Throws {@link NotThere}, {@link BadReport} or `TooMany`; then nothing was stored. */
  report(body: PublicReportBody, address: string): Receipt {
    const { desk, limits } = this.#parts
    const place = this.#behind(body.place, address)
    // Sent again, for the answer was lost: the same answer, and no limit.
    const known = desk.tickets.known('page', body.client)
    if (known !== undefined) return { outcome: 'known', ticket: known }
    if ((body.website ?? '') !== '') throw new BadReport('website', 'is to be left empty')
    if (!place.categories.includes(body.category))
      throw new BadReport('category', `must be one of ${place.categories.join(', ')}`)
    const text = plainText(body.text ?? '', PUBLIC_TEXT_LIMIT)
    const contact = desk.contact(body, text)
    limits.report(address, place.id, contact.phone)
    return desk.take({
      source: 'page',
      externalId: body.client,
      reporter: null,
      category: body.category,
      text,
      spot: {
        site: place.id,
        street: place.street,
        grid: place.grid,
        position: place.position,
        title: place.title.zh,
      },
      from: nearTo(place, body.position),
      severity: 'yellow',
      ...contact,
    })
  }

  ticket(typed: string, address: string): TicketView {
    const ticket = this.find(typed, address)
    this.#parts.limits.view(address)
    return this.#view(ticket)
  }

  /** Throws {@link NotThere}, {@link NotNow} or `TooMany`. */
  rate(typed: string, { score, comment }: RatingBody, address: string): TicketView {
    const { database, desk, clock, limits } = this.#parts
    const ticket = this.find(typed, address)
    limits.rating(address)
    return database.transaction(() => {
      const now = clock.now()
      if (desk.isOpen(ticket)) throw new NotNow('the case is still open')
      if (rateUntil(ticket, now) === null) throw new NotNow('a rating may be changed for 7 days')
      const text = withoutNumbers(plainText(comment ?? '', COMMENT_LIMIT))
      desk.tickets.rate(ticket.number, score, text || null, now)
      return this.#view(desk.tickets.get(ticket.number)!)
    })
  }

  #behind(code: string, address: string): ReportPlace {
    const { limits, places } = this.#parts
    limits.mayGuess(address)
    const place = places.behind(code)
    if (place !== undefined) return place
    limits.guessed(address)
    throw new NotThere('no such place')
  }

  /** The ticket that a person typed or clicked. Throws {@link NotThere} or `TooMany`. */
  find(typed: string, address: string): Ticket {
    const { limits, desk } = this.#parts
    limits.mayGuess(address)
    const number = ticketNumber(typed)
    const ticket = number === null ? undefined : desk.tickets.get(number)
    if (ticket !== undefined) return ticket
    limits.guessed(address)
    throw new NotThere('no such ticket')
  }

  #view(ticket: Ticket): TicketView {
    const { cases, district, clock } = this.#parts
    return ticketView(ticket, cases.story(ticket.caseId)!, district, clock.now())
  }
}

/** Where the phone is, if that is where the place is. */
function nearTo(place: ReportPlace, given: readonly number[] | undefined): Position | null {
  if (given === undefined || Math.abs(given[0]!) > 180 || Math.abs(given[1]!) > 90) return null
  const position = given as unknown as Position
  return distanceMetres(position, place.position) <= AT_PLACE_METRES ? position : null
}
