import { Type } from 'typebox'
import type { SupervisedCase } from '../dispatch/supervision.ts'
import { scopeOf } from '../dispatch/rights.ts'
import { CASE_STATES, CLOCK_NAMES, DEADLINE_COLOURS } from '../model/case.ts'
import { LEVELS } from '../model/district.ts'
import { STREETS } from './access.ts'
import { userOf } from './auth.ts'
import { pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import type { Api } from './route.ts'
import { Nullable, Severity } from './shapes.ts'
import { within } from './within.ts'

const Text = Type.Optional(Type.String({ maxLength: 64 }))

const SupervisedShape = Type.Unsafe<SupervisedCase>(
  Type.Object({
    id: Type.String(),
    title: Type.String(),
    severity: Severity,
    category: Type.String(),
    site: Type.String(),
    street: Type.String(),
    grid: Type.String(),
    state: Type.Enum(CASE_STATES),
    level: Type.Enum(LEVELS),
    team: Type.String(),
    crew: Nullable(Type.String()),
    supervised: Type.Boolean(),
    deadlineColour: Type.Enum(DEADLINE_COLOURS),
    clock: Nullable(Type.Enum(CLOCK_NAMES, { description: 'that runs; null when none does' })),
    dueAt: Nullable(Type.Integer({ description: 'its deadline, epoch ms' })),
    overdueMs: Nullable(Type.Integer({ description: 'below zero while there is time left' })),
  }),
)

/** What is late, or watched by somebody: the supervision list (督办). */
export function supervision(api: Api, { supervision, clock }: HttpParts): void {
  api.get(
    '/api/v1/supervision',
    {
      config: { access: STREETS },
      schema: {
        tags: ['cases'],
        summary: 'Open cases under supervision or with a deadline colour, the most urgent first',
        description:
          'Supervised ones first (red ones are by themselves), then red, yellow, blue, each the longest overdue ' +
          'first. `counts` are of all that the filter fits.',
        querystring: Type.Object({
          deadlineColour: Type.Optional(Type.Enum(DEADLINE_COLOURS)),
          street: Text,
          team: Text,
          level: Type.Optional(Type.Enum(LEVELS)),
          ...pageQuery(100, 1000),
        }),
        response: {
          200: Type.Object({
            items: Type.Array(SupervisedShape),
            counts: Type.Object({
              supervised: Type.Integer(),
              red: Type.Integer(),
              yellow: Type.Integer(),
              blue: Type.Integer(),
            }),
            cursor: Type.Optional(Type.String()),
          }),
        },
      },
    },
    (request) => {
      const { limit = 100, cursor, street, ...more } = request.query
      const filter = { ...more, streets: within(scopeOf(userOf(request).user).streets, street) }
      const after =
        cursor === undefined
          ? undefined
          : readCursor('supervision', cursor, ['number', 'number', 'string'] as const)
      const { items, next } = supervision.list(filter, clock.now(), limit, after)
      return {
        items: [...items],
        counts: supervision.counts(filter),
        ...(next && { cursor: writeCursor('supervision', next) }),
      }
    },
  )
}
