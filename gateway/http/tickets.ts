import { Type, type Static } from 'typebox'
import { scopeOf } from '../dispatch/rights.ts'
import type { Story } from '../dispatch/cases.ts'
import { CLOSE_CODES, REPORT_SOURCES } from '../model/case.ts'
import type { User } from '../model/user.ts'
import { maskedName, maskedPhone } from '../people/phone.ts'
import type { TicketCursors } from '../people/ticket-cursor.ts'
import { maskedNumber, shownNumber } from '../people/ticket-number.ts'
import { TICKET_STATES, ticketView } from '../people/ticket-view.ts'
import type { Ticket } from '../people/tickets.ts'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

/** Tickets of one case that are shown: nobody reads more. */
const OF_CASE = 500

const Time = (description: string) => Type.Integer({ description: `${description}; epoch ms` })
const TicketShape = Type.Object({
  ticket: Type.String({
    description:
      'whole for admin, district and whoever put it in; for others its end, so that none rates for a citizen',
  }),
  case: Type.String(),
  source: Type.Enum(REPORT_SOURCES),
  externalId: Nullable(Type.String()),
  reporter: Nullable(Type.String({ description: 'user who put it in; null for the public page' })),
  category: Type.String(),
  place: Nullable(Type.String()),
  text: Type.String({ description: 'mobile and identity numbers in it are masked' }),
  joined: Type.Boolean(),
  reportedAt: Time('when it came'),
  updatedAt: Time('when what became of it last changed'),
  name: Nullable(Type.String()),
  phone: Nullable(Type.String({ description: 'masked, such as 138****1234, unless asked for whole' })),
  state: Type.Enum(TICKET_STATES, { description: 'what whoever reported is told' }),
  answerBy: Time('the promise'),
  answeredAt: Nullable(Time('when a team took it on')),
  result: Nullable(
    Type.Object(
      { code: Nullable(Type.Enum(CLOSE_CODES)), note: Nullable(Type.String()) },
      {
        description: 'once the case is closed or void; the note is what is told to those who reported',
      },
    ),
  ),
  satisfaction: Nullable(Type.Object({ score: Type.Integer(), comment: Nullable(Type.String()) })),
})
type TicketItem = Static<typeof TicketShape>

/** Tickets of people who reported: of a case, and all that changed, for a hotline that tells those who called. */
export function tickets(api: Api, { people, cases, audit, district, clock }: HttpParts): void {
  const tags = ['cases']
  const { tickets } = people.desk

  const shown = (ticket: Ticket, found: Story, user: User, whole: boolean): TicketItem => {
    const { state, answerBy, answeredAt, result, satisfaction } = ticketView(
      ticket,
      found,
      district,
      clock.now(),
    )
    const knowsNumber = user.role === 'admin' || user.role === 'district' || ticket.reporter === user.name
    const {
      source,
      externalId,
      reporter,
      category,
      place,
      text,
      joined,
      reportedAt,
      updatedAt,
      name,
      phone,
    } = ticket
    return {
      ticket: knowsNumber ? shownNumber(ticket.number) : maskedNumber(ticket.number),
      case: ticket.caseId,
      // The page's own id would give the number away.
      externalId: source === 'page' ? null : externalId,
      source,
      reporter,
      category,
      place,
      text,
      joined,
      reportedAt,
      updatedAt,
      name: name === null || whole ? name : maskedName(name),
      phone: phone === null || whole ? phone : maskedPhone(phone),
      state,
      answerBy,
      answeredAt,
      result,
      satisfaction,
    }
  }

  api.get(
    '/api/v1/tickets',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Tickets of people who reported, those that changed longest ago first',
        description:
          'To be read on from the last one: ask again with its `updatedAt` as `since`, which is inclusive, or with ' +
          'the `cursor`. A ticket changes with the state of its case, with what is told to those who reported, and with ' +
          'their satisfaction.',
        querystring: Type.Object({
          source: Type.Optional(Type.Enum(REPORT_SOURCES)),
          since: Type.Optional(Instant('changed at or after')),
          ...pageQuery(100, 500),
        }),
        response: { 200: Page(TicketShape) },
      },
    },
    (request) => {
      const { user } = userOf(request)
      const { limit = 100, cursor, source, since } = request.query
      const filter = { source, since: instant('since', since), ...scopeOf(user) }
      const after = cursor === undefined ? undefined : placeOf(cursor, people.cursors)
      const { items, next } = tickets.list(filter, limit, after)
      // Many of them may be about one case.
      const stories = new Map(
        [...new Set(items.map((item) => item.caseId))].map((id) => [id, cases.story(id)!]),
      )
      return {
        items: items.map((ticket) => shown(ticket, stories.get(ticket.caseId)!, user, false)),
        ...(next && { cursor: writeCursor('tickets', [next.at, people.cursors.seal(next.number)]) }),
      }
    },
  )

  api.get(
    '/api/v1/cases/:id/tickets',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Who reported a case',
        description:
          'Names and phones are masked. `contact=full` shows them to admin, district and the street of the case, ' +
          'who have a reason to call back; each such look is in the audit as `personal.read`.',
        params: Type.Object({ id: Type.String({ maxLength: 128 }) }),
        querystring: Type.Object({
          contact: Type.Optional(Type.Enum(['masked', 'full'], { default: 'masked' })),
        }),
        response: { 200: Type.Object({ items: Type.Array(TicketShape) }) },
      },
    },
    (request) => {
      const { user, scope } = userOf(request)
      const found = cases.get(request.params.id)
      if (found === undefined || !scope.seesCase(found)) throw new Problem('not_found')
      const whole = request.query.contact === 'full'
      if (whole && !mayCallBack(user))
        throw new Problem('forbidden', 'phones are for the district and the street of the case')
      const items = tickets.ofCase(found.id, OF_CASE)
      if (whole) audit.note(user.name, 'personal.read', found.id, `contacts of ${items.length} tickets`)
      return { items: items.map((ticket) => shown(ticket, found, user, whole)) }
    },
  )
}

/** The scope has been asked before: a street that sees the case is the case's. */
function mayCallBack({ role }: User): boolean {
  return role === 'admin' || role === 'district' || role === 'street'
}

function placeOf(cursor: string, cursors: TicketCursors) {
  const [at, sealed] = readCursor('tickets', cursor, ['number', 'string'])
  const number = cursors.open(sealed)
  if (number === null) throw new Problem('bad_cursor')
  return { at, number }
}
