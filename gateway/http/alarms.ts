import { Type } from 'typebox'
import type { Scope } from './scope.ts'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { AlarmShape, AlarmState, Severity } from './shapes.ts'
import { Instant, instant } from './instant.ts'

const Text = Type.Optional(Type.String({ maxLength: 64 }))

/** `GET /alarms`, newest first, and one by id. */
export function alarms(api: Api, { alarms }: HttpParts): void {
  const tags = ['judging']
  api.get(
    '/api/v1/alarms',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Alarms, newest first',
        querystring: Type.Object({
          state: Type.Optional(AlarmState),
          severity: Type.Optional(Severity),
          rule: Text,
          device: Text,
          kind: Text,
          site: Text,
          street: Text,
          case: Type.Optional(Type.String({ maxLength: 128 })),
          from: Type.Optional(Instant('began at or after')),
          to: Type.Optional(Instant('began before')),
          ...pageQuery(100, 1000),
        }),
        response: { 200: Page(AlarmShape) },
      },
    },
    (request) => {
      const { limit = 100, cursor, from, to, street, ...equal } = request.query
      const after = cursor === undefined ? undefined : placeOf(cursor)
      const range = { from: instant('from', from), to: instant('to', to) }
      const place = narrow(userOf(request).scope, street)
      const { items, next } = alarms.list({ ...equal, ...range, ...place }, limit, after)
      return { items: [...items], ...(next && { cursor: writeCursor('alarms', [next.at, next.id]) }) }
    },
  )
  api.get(
    '/api/v1/alarms/:id',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'One alarm',
        params: Type.Object({ id: Type.String({ maxLength: 128 }) }),
        response: { 200: AlarmShape },
      },
    },
    (request) => {
      const alarm = alarms.get(request.params.id)
      if (alarm === undefined || !userOf(request).scope.sees(alarm)) throw new Problem('not_found')
      return alarm
    },
  )
}

function placeOf(cursor: string) {
  const [at, id] = readCursor('alarms', cursor, ['number', 'string'])
  return { at, id }
}

/** The caller's own part of the district, and within it the street that was asked for. */
function narrow(scope: Scope, street: string | undefined) {
  const { streets, grids } = scope
  if (street === undefined) return { streets, grids }
  return { streets: streets === undefined || streets.includes(street) ? [street] : [], grids }
}
