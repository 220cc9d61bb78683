import { Type } from 'typebox'
import { PositionSchema } from '../model/device.ts'
import { DURATION_PATTERN, durationMs } from '../model/duration.ts'
import type { Position } from '../model/reading.ts'
import type { Cleaning, Purifier } from '../registers/purifiers.ts'
import { ACTORS, READERS, SUPERVISORS } from './access.ts'
import { userOf } from './auth.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import { checkPlace, Files, Identifier, NamedBy, streetsWithin, Text, Time } from './register-shapes.ts'
import type { Api } from './route.ts'
import type { Scope } from './scope.ts'
import { Nullable } from './shapes.ts'

/** A purifier is cleaned once a day at most and once in five years at least. */
const [SHORTEST_MS, LONGEST_MS] = [86_400_000, 5 * 366 * 86_400_000]

const shape = {
  site: Type.String(),
  title: Type.String(),
  street: Type.String(),
  grid: Type.String(),
  position: Nullable(PositionSchema),
  everyMs: Type.Integer({ description: 'how often it is to be cleaned, ms' }),
  cleanedAt: Nullable(Time('last cleaning')),
  dueAt: Time('when the next one is due'),
  state: Type.Enum(['ok', 'due', 'overdue'], {
    description: 'due: the last tenth of the period, three days at most',
  }),
  case: Nullable(Type.String({ description: 'of the last period that passed without a cleaning' })),
}
const PurifierShape = Type.Unsafe<Purifier>(Type.Object(shape))
const StoryShape = Type.Unsafe<Purifier & { readonly cleanings: readonly Cleaning[] }>(
  Type.Object({
    ...shape,
    cleanings: Type.Array(
      Type.Object({
        at: Time('when it was cleaned'),
        actor: Type.String(),
        note: Nullable(Type.String()),
        files: Type.Array(Type.String()),
        case: Nullable(Type.String({ description: 'that was open for it' })),
      }),
      { description: 'the last 100, newest first' },
    ),
  }),
)

/** `/registers/purifiers`: when purifiers were cleaned and are to be cleaned. */
export function purifiers(api: Api, { registers, clock, district }: HttpParts): void {
  const { purifiers } = registers
  const tags = ['registers']
  const params = NamedBy('site')

  const own = (site: string, scope: Scope): Purifier => {
    const found = purifiers.get(site)
    if (found === undefined || !scope.sees(found)) throw new Problem('not_found')
    return found
  }

  api.get(
    '/api/v1/registers/purifiers',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Purifiers by when their next cleaning is due, the longest overdue first',
        querystring: Type.Object({
          state: Type.Optional(shape.state),
          street: Type.Optional(Identifier),
          ...pageQuery(100, 1000),
        }),
        response: { 200: Page(PurifierShape) },
      },
    },
    (request) => {
      const { state, street, limit = 100, cursor } = request.query
      const { scope } = userOf(request)
      const [at, id] = cursor === undefined ? [] : readCursor('purifiers', cursor, ['number', 'string'])
      const after = at === undefined ? undefined : { at, id: id! }
      const filter = { state, streets: streetsWithin(scope.streets, street), grids: scope.grids }
      const items = [...purifiers.list(filter, limit, after)]
      const last = items.length < limit ? undefined : items.at(-1)
      return { items, ...(last && { cursor: writeCursor('purifiers', [last.dueAt, last.site]) }) }
    },
  )
  api.get(
    '/api/v1/registers/purifiers/:site',
    {
      config: { access: READERS },
      schema: { tags, summary: 'A purifier and its cleanings', params, response: { 200: StoryShape } },
    },
    (request) => {
      const found = own(request.params['site']!, userOf(request).scope)
      return { ...found, cleanings: purifiers.cleanings(found.site) }
    },
  )
  api.put(
    '/api/v1/registers/purifiers/:site',
    {
      config: { access: SUPERVISORS },
      schema: {
        tags,
        summary: 'Register a purifier, or change what is known of it',
        description: 'Those of the district file are in the register from the start.',
        params,
        body: Type.Object(
          {
            title: Text(200),
            street: Identifier,
            grid: Identifier,
            position: Type.Optional(PositionSchema),
            every: Type.String({ pattern: DURATION_PATTERN, description: 'such as 30d' }),
          },
          { additionalProperties: false },
        ),
        response: { 200: PurifierShape },
      },
    },
    (request) => {
      const { user, scope } = userOf(request)
      const site = request.params['site']!
      const { title, street, grid, position = null, every } = request.body
      checkPlace({ street, grid }, user, district)
      if (purifiers.get(site) !== undefined) own(site, scope)
      const everyMs = durationMs(every)
      if (everyMs < SHORTEST_MS || everyMs > LONGEST_MS)
        throw new Problem('bad_request', 'body/every: must be from 1d to five years')
      purifiers.put({ site, title, street, grid, position: position as Position | null, everyMs }, user.name)
      return purifiers.get(site)!
    },
  )
  api.delete(
    '/api/v1/registers/purifiers/:site',
    {
      config: { access: SUPERVISORS },
      schema: {
        tags,
        summary: 'Take a purifier out of the register',
        params,
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      const { user, scope } = userOf(request)
      purifiers.remove(own(request.params['site']!, scope).site, user.name)
      reply.code(204)
      return null
    },
  )
  api.post(
    '/api/v1/registers/purifiers/:site/cleanings',
    {
      config: { access: ACTORS },
      schema: {
        tags,
        summary: 'Report a cleaning: the next period begins with it',
        params,
        body: Type.Object(
          {
            at: Type.Optional(Time('when it was cleaned; now when left out')),
            note: Type.Optional(Type.String({ maxLength: 2000 })),
            files: Type.Optional(Files),
          },
          { additionalProperties: false },
        ),
        response: { 200: PurifierShape },
      },
    },
    (request) => {
      const { user, scope } = userOf(request)
      const { site } = own(request.params['site']!, scope)
      const { at = clock.now(), note = null, files = [] } = request.body
      if (at > clock.now()) throw new Problem('bad_request', 'body/at: is not over yet')
      return purifiers.clean(site, { at, actor: user.name, note, files })
    },
  )
}
