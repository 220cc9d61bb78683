import { Type } from 'typebox'
import { CLOSE_CODES } from '../model/case.ts'
import { PublicReportBody, RatingBody, type PlaceView } from '../people/public-desk.ts'
import { PHOTO_BYTES } from '../people/stranger-photos.ts'
import { shownNumber } from '../people/ticket-number.ts'
import { TICKET_STATES, type TicketView } from '../people/ticket-view.ts'
import { PUBLIC } from './access.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import { answering, reportProblem } from './report-problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

/** A photo takes this long at most, ms: strangers hold few places, and the page gives up after two minutes. */
const PHOTO_TIME = 3 * 60_000
/** A report is a few lines. */
const REPORT_LIMIT = 16 * 1024

const Title = Type.Object({ zh: Type.String(), en: Type.String() })
const Time = (description: string) => Type.Integer({ description: `${description}; epoch ms` })
const PlaceShape = Type.Unsafe<PlaceView>(
  Type.Object({
    place: Type.Object({ title: Title }),
    street: Nullable(Type.Object({ title: Title })),
    categories: Type.Array(Type.Object({ id: Type.String(), title: Title })),
    limits: Type.Object({ text: Type.Integer(), photos: Type.Integer() }),
  }),
)
const ReceiptShape = Type.Object({ ticket: Type.String(), joined: Type.Boolean() })
const ViewShape = Type.Unsafe<TicketView>(
  Type.Object({
    ticket: Type.String(),
    category: Title,
    place: Nullable(Title),
    state: Type.Enum(TICKET_STATES),
    reportedAt: Time('when it came'),
    updatedAt: Time('when what became of it last changed'),
    joined: Type.Boolean({ description: 'it was added to a case that was open already' }),
    answerBy: Time('when a team will have taken it on at the latest'),
    answeredAt: Nullable(Time('when one did')),
    answeredBy: Nullable(Title),
    steps: Type.Array(
      Type.Object({
        at: Time('when'),
        step: Type.String(),
        team: Type.Optional(Title),
        note: Type.Optional(Type.String({ description: 'written for those who reported' })),
      }),
    ),
    result: Nullable(Type.Object({ code: Nullable(Type.Enum(CLOSE_CODES)), note: Nullable(Type.String()) })),
    satisfaction: Nullable(Type.Object({ score: Type.Integer(), comment: Nullable(Type.String()) })),
    rateUntil: Nullable(Time('until when it may be rated, or the rating changed')),
  }),
)
const Place = Type.Object({ place: Type.String({ maxLength: 128, description: 'what the QR code holds' }) })
const Numbered = Type.Object({ ticket: Type.String({ maxLength: 64 }) })

/** What the page behind a printed QR code asks: no sign-in, and limits for each address, place, phone and for all. */
export async function publicReports(app: Api, parts: HttpParts): Promise<void> {
  const { photos } = parts
  const { strangers } = parts.people
  const tags = ['people']

  app.get(
    '/api/v1/public/places/:place',
    {
      config: { access: PUBLIC },
      schema: {
        tags,
        summary: 'What may be reported at a place',
        params: Place,
        response: { 200: PlaceShape },
      },
    },
    (request) => answering(() => strangers.place(request.params.place, request.ip)),
  )

  app.post(
    '/api/v1/public/reports',
    {
      config: { access: PUBLIC },
      bodyLimit: REPORT_LIMIT,
      schema: {
        tags,
        summary: 'Report something at a place',
        description: '201 with a ticket number; 200 with the same one when `client` was sent before.',
        body: PublicReportBody,
        response: { 200: ReceiptShape, 201: ReceiptShape },
      },
    },
    (request, reply) => {
      const { outcome, ticket } = answering(() => strangers.report(request.body, request.ip))
      reply.code(outcome === 'known' ? 200 : 201)
      return { ticket: shownNumber(ticket.number), joined: ticket.joined }
    },
  )

  app.get(
    '/api/v1/public/tickets/:ticket',
    {
      config: { access: PUBLIC },
      schema: { tags, summary: 'What became of a report', params: Numbered, response: { 200: ViewShape } },
    },
    (request) => answering(() => strangers.ticket(request.params.ticket, request.ip)),
  )

  app.post(
    '/api/v1/public/tickets/:ticket/satisfaction',
    {
      config: { access: PUBLIC },
      bodyLimit: REPORT_LIMIT,
      schema: {
        tags,
        summary: 'Say how satisfied you are with a case that is closed',
        description:
          'Once for each ticket; it may be changed for 7 days. 409 while the case is open, and after that.',
        params: Numbered,
        body: RatingBody,
        response: { 200: ViewShape },
      },
    },
    (request) => answering(() => strangers.rate(request.params.ticket, request.body, request.ip)),
  )

  // Pictures are bodies on this one route only.
  await app.register(async (api: Api) => {
    api.removeAllContentTypeParsers()
    api.addContentTypeParser(['image/jpeg', 'image/png'], (_request, payload, done) => done(null, payload))
    api.post(
      '/api/v1/public/tickets/:ticket/photos',
      {
        config: { access: PUBLIC, slowBody: PHOTO_TIME },
        bodyLimit: PHOTO_BYTES,
        schema: {
          tags,
          summary: 'Add a photo to a report',
          description:
            'JPEG or PNG as the body. On disk when the answer is there; the same photo twice is one, so it may be sent ' +
            'again when no answer came.',
          consumes: ['image/jpeg', 'image/png'],
          params: Numbered,
          response: {
            200: Type.Object({ photos: Type.Integer({ description: 'how many the ticket has' }) }),
          },
        },
      },
      async (request, reply) => {
        try {
          const body = request.body as AsyncIterable<Uint8Array> | undefined | null
          if (body == null) throw new Problem('unsupported_media_type', 'send image/jpeg or image/png')
          return { photos: await photos.add(request.params.ticket, request.ip, body) }
        } catch (error) {
          // What is left of a body that was refused is no next request.
          reply.header('connection', 'close')
          throw reportProblem(error)
        }
      },
    )
  })
}
