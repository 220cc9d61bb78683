import { Type } from 'typebox'
import { ActionRequestSchema, type ActionOutcome } from '../dispatch/actions.ts'
import { scopeOf } from '../dispatch/rights.ts'
import { CASE_STATES } from '../model/case.ts'
import { ACTORS, READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { CaseShape, Severity } from './shapes.ts'

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
        querystring: Type.Object({
          open: Type.Optional(Type.Boolean({ description: 'neither closed nor void' })),
          state: Type.Optional(Type.Enum(CASE_STATES)),
          severity: Type.Optional(Severity),
          category: Text,
          family: Text,
          site: Text,
          street: Text,
          team: Text,
          from: Type.Optional(Instant('queued at or after')),
          to: Type.Optional(Instant('queued before')),
          ...pageQuery(100, 1000),
        }),
        response: { 200: Page(CaseShape) },
      },
    },
    (request) => {
      const { limit = 100, cursor, from, to, state, street, team, ...equal } = request.query
      const scope = scopeOf(userOf(request).user)
      const filter = {
        ...equal,
        states: state && [state],
        from: instant('from', from),
        to: instant('to', to),
        streets: within(scope.streets, street),
        team: scope.team ?? team,
      }
      // A team that asks for another team's cases has none.
      if (scope.team !== undefined && team !== undefined && team !== scope.team) return { items: [] }
      const after = cursor === undefined ? undefined : placeOf(cursor)
      const { items, next } = cases.list(filter, limit, after)
      return { items: [...items], ...(next && { cursor: writeCursor('cases', [next.at, next.id]) }) }
    },
  )
  api.get(
    '/api/v1/cases/:id',
    {
      config: { access: READERS },
      schema: { tags, summary: 'One case with its timeline', params: CaseId, response: { 200: CaseShape } },
    },
    (request) => {
      const found = cases.get(request.params.id)
      if (found === undefined || !userOf(request).scope.seesCase(found)) throw new Problem('not_found')
      return found
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
          'sent twice by the same actor counts once, and both get the same answer.',
        params: CaseId,
        body: ActionRequestSchema,
        response: { 200: CaseShape },
      },
    },
    (request) => {
      const outcome = queue.act(request.params.id, userOf(request).user, request.body)
      return answerOf(outcome, request.body.expectedVersion)
    },
  )
}

function answerOf(outcome: ActionOutcome, expectedVersion: number | undefined) {
  switch (outcome.type) {
    case 'ok':
      return outcome.case
    case 'not_found':
      throw new Problem('not_found')
    case 'forbidden':
      throw new Problem('forbidden', outcome.message)
    case 'conflict': {
      const outdated = expectedVersion !== undefined && expectedVersion !== outcome.version
      const code = outdated ? 'version_conflict' : 'action_not_allowed'
      throw new Problem(code, outcome.message, { allowed: [...outcome.allowed] })
    }
    case 'invalid':
      throw new Problem('bad_request', `body/${outcome.field}: ${outcome.message}`, {
        errors: [{ where: `body/${outcome.field}`, what: outcome.message }],
      })
    default:
      return outcome satisfies never
  }
}

function placeOf(cursor: string) {
  const [at, id] = readCursor('cases', cursor, ['number', 'string'])
  return { at, id }
}

function within(own: readonly string[] | undefined, asked: string | undefined) {
  if (asked === undefined) return own
  return own === undefined || own.includes(asked) ? [asked] : []
}
