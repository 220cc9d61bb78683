import { Ajv } from 'ajv'
import { Type } from 'typebox'
import type { User } from '../model/user.ts'
import { BadReport, HotlineRecord, ReportBody, type Report } from '../people/report.ts'
import type { Receipt } from '../people/report-desk.ts'
import { shownNumber } from '../people/ticket-number.ts'
import { ACTORS, DISTRICT } from './access.ts'
import { userOf } from './auth.ts'
import { forUser } from './case-answer.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import { answering } from './report-problem.ts'
import type { Api } from './route.ts'
import type { Scope } from './scope.ts'
import { OwnCaseShape, type OwnCase } from './shapes.ts'

/** Records of one import, and how much of them, bytes. */
const RECORDS = 500
const IMPORT_LIMIT = 4 * 1024 * 1024

const Given = Type.Object({
  ticket: Type.String({ description: 'for whoever reported, to follow the case at `/t/{ticket}`' }),
  joined: Type.Boolean({ description: 'the report was added to a case that was open already' }),
})
const Answer = Type.Unsafe<Partial<OwnCase> & { ticket: string; joined: boolean }>(
  Type.Intersect([OwnCaseShape, Given]),
)

const ItemShape = Type.Object({
  externalId: Type.Union([Type.String(), Type.Null()]),
  outcome: Type.Enum(['opened', 'joined', 'known', 'refused'], {
    description: '`known`: it had come before; `refused`: mend it and send it again',
  }),
  case: Type.Optional(Type.String()),
  ticket: Type.Optional(Type.String()),
  error: Type.Optional(Type.Object({ where: Type.String(), what: Type.String() })),
})

const isRecord = new Ajv({ strict: false, strictNumbers: true }).compile<ReportBody>(HotlineRecord)

/** What people who have signed in report, and programs such as the 12345 hotline for those who called. */
export function peopleReports(api: Api, { people, cases }: HttpParts): void {
  const tags = ['cases']
  const { desk } = people

  api.post(
    '/api/v1/cases',
    {
      config: { access: ACTORS },
      schema: {
        tags,
        summary: 'Report something',
        description:
          'Opens a case, or joins an open one of its category nearby, whoever opened that. 201 with the case that was ' +
          'opened, 200 with the one that was joined, or that the same `externalId` of the same source has led to before. ' +
          'Street and grid follow from the place or the position where they are left out. The source `hotline` is ' +
          'for admin and district, and an `externalId` that somebody else has used before is a conflict. Of a case outside of ' +
          'the sender’s scope the answer shows its id and state alone.',
        body: ReportBody,
        response: { 200: Answer, 201: Answer },
      },
    },
    (request, reply) => {
      const { user, scope } = userOf(request)
      const { source = 'report' } = request.body
      const forAll = user.role === 'admin' || user.role === 'district'
      // Its ids can be guessed: whoever used one first would have a caller's report taken for one that had come before.
      if (source === 'hotline' && !forAll)
        throw new Problem('forbidden', 'body/source: hotline is for admin and district')
      const receipt = answering(() => {
        const report = desk.read(request.body, source, user)
        refuseElsewhere(report, scope)
        return desk.take(report)
      })
      const found = cases.get(receipt.ticket.caseId)!
      const isOwn = scope.seesCase(found)
      // The answer holds the number, with which one may rate the case.
      if (receipt.outcome === 'known' && !forAll && receipt.ticket.reporter !== user.name)
        throw new Problem('conflict', 'body/externalId: was used by somebody else before')
      reply.code(receipt.outcome === 'opened' ? 201 : 200)
      const shown = isOwn
        ? forUser(user, found)
        : { id: found.id, state: found.state, category: found.category }
      return { ...shown, ...given(receipt) }
    },
  )

  api.post(
    '/api/v1/hotline/import',
    {
      config: { access: DISTRICT },
      bodyLimit: IMPORT_LIMIT,
      schema: {
        tags,
        summary: 'Import records of the 12345 hotline',
        description:
          'Each as for `POST /cases`, with the `externalId` that the hotline knows it by, so that a repeated import ' +
          'changes nothing. Answers for each record, in their order; what is refused keeps none of the others out. ' +
          'What became of them: `GET /tickets?source=hotline&since=…`.',
        body: Type.Array(Type.Unknown(), { minItems: 1, maxItems: RECORDS }),
        response: { 200: Type.Object({ items: Type.Array(ItemShape) }) },
      },
    },
    (request) => {
      const { user } = userOf(request)
      // One transaction, so one fsync: what is refused has been refused before anything is written.
      return { items: desk.together(() => request.body.map((record) => imported(record, user))) }
    },
  )

  function imported(record: unknown, user: User) {
    const externalId = idOf(record)
    if (!isRecord(record)) {
      const error = isRecord.errors![0]!
      const key: unknown = error.params['missingProperty'] ?? error.params['additionalProperty']
      const where = [...error.instancePath.split('/').slice(1), ...(typeof key === 'string' ? [key] : [])]
      return refused(externalId, where.join('/'), error.message ?? 'is not valid')
    }
    try {
      const receipt = desk.take(desk.read(record, 'hotline', user))
      const { caseId, number } = receipt.ticket
      return { externalId, outcome: receipt.outcome, case: caseId, ticket: shownNumber(number) }
    } catch (error) {
      if (error instanceof BadReport) return refused(externalId, error.field, error.message)
      throw error
    }
  }
}

function refused(externalId: string | null, where: string, what: string) {
  return { externalId, outcome: 'refused' as const, error: { where, what } }
}

function idOf(record: unknown): string | null {
  if (typeof record !== 'object' || record === null || !('externalId' in record)) return null
  return typeof record.externalId === 'string' ? record.externalId.slice(0, 64) : null
}

function given({ ticket, outcome }: Receipt) {
  return {
    ticket: shownNumber(ticket.number),
    joined: outcome === 'known' ? ticket.joined : outcome === 'joined',
  }
}

function refuseElsewhere({ spot }: Report, { streets }: Scope): void {
  if (streets?.includes(spot.street) ?? true) return
  throw new Problem('forbidden', `body: it is in ${spot.street}, which is not yours`)
}
