import { Type } from 'typebox'
import { ActionRequestSchema } from '../dispatch/actions.ts'
import { readableBy } from '../dispatch/rights.ts'
import { CASE_STATES, DEADLINE_COLOURS, PROPOSALS } from '../model/case.ts'
import { ACTORS, READERS } from './access.ts'
import { userOf } from './auth.ts'
import { answerOf, forUser } from './case-answer.ts'
import { Instant, instant } from './instant.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { OwnCaseShape, Severity } from './shapes.ts'
import { within } from './within.ts'

const Text = Type.Optional(Type.String({ maxLength: 64 }))
const CaseId = Type.Object({ id: Type.String({ maxLength: 128 }) })

/** The dispatch queue: what is open, one case, and what people do with it. */
export function cases(api: Api, { cases, queue }: HttpParts): void {
  const tags = ['cases']
  api.get(
    '/api/v1/cases',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Cases, newest first',
        description:
          'A page may have fewer cases than `limit`, even none, where few of very many fit; as long as there is a ' +
          '`cursor`, more may follow.',
        querystring: Type.Object({
          open: Type.Optional(Type.Boolean({ description: 'neither closed nor void' })),
          state: Type.Optional(Type.Enum(CASE_STATES)),
          severity: Type.Optional(Severity),
          deadlineColour: Type.Optional(Type.Enum(DEADLINE_COLOURS)),
          supervised: Type.Optional(Type.Boolean()),
          proposal: Type.Optional(Type.Enum(PROPOSALS)),
          category: Text,
          family: Text,
          site: Text,
          street: Text,
          team: Text,
          from: Type.Optional(Instant('queued at or after')),
          to: Type.Optional(Instant('queued before')),
          ...pageQuery(100, 1000),
        }),
        response: { 200: Page(OwnCaseShape) },
      },
    },
    (request) => {
      const { limit = 100, cursor, from, to, state, street, team, ...equal } = request.query
      const { user } = userOf(request)
      const scope = readableBy(user)
      const filter = {
        ...equal,
        states: state && [state],
        from: instant('from', from),
        to: instant('to', to),
        streets: within(scope.streets, street),
        reader: scope.reader,
        team,
      }
      const after = cursor === undefined ? undefined : placeOf(cursor)
      const { items, next } = cases.list(filter, limit, after)
      const shown = items.map((item) => forUser(user, item))
      return { items: shown, ...(next && { cursor: writeCursor('cases', [next.at, next.id]) }) }
    },
  )
  api.get(
    '/api/v1/cases/:id',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'One case with its timeline',
        params: CaseId,
        response: { 200: OwnCaseShape },
      },
    },
    (request) => {
      const found = cases.get(request.params.id)
      const { user, scope } = userOf(request)
      if (found === undefined || !scope.seesCase(found))
        throw new Problem('not_found', `case "${request.params.id}" does not exist`)
      return forUser(user, found)
    },
  )
  api.post(
    '/api/v1/cases/:id/actions',
    {
      config: { access: ACTORS },
      schema: {
        tags,
        summary: 'Act on a case',
        description:
          'A wrong action for the state is refused with 409 and the list of allowed ones. The same `actionId` ' +
          'sent twice by the same actor counts once, and both get the same answer. Of two who accept at once one ' +
          'wins; the other learns `by` whom, `at` what time and for which `team`.',
        params: CaseId,
        body: ActionRequestSchema,
        response: { 200: OwnCaseShape },
      },
    },
    (request) => {
      const { user } = userOf(request)
      const outcome = queue.act(request.params.id, user, request.body)
      return forUser(user, answerOf(outcome, request.body.expectedVersion))
    },
  )
}

function placeOf(cursor: string) {
  const [at, id] = readCursor('cases', cursor, ['number', 'string'])
  return { at, id }
}
