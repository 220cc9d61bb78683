import { Type } from 'typebox'
import { scopeOf } from '../dispatch/rights.ts'
import { ENOUGH, type PrecisionBy } from '../dispatch/precision.ts'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

/** How far back when nobody says, ms. */
const QUARTER = 90 * 86_400_000

const Count = Type.Integer({ minimum: 0 })
const PrecisionShape = Type.Object({
  key: Type.String({ description: 'id of the rule, street or device' }),
  confirmed: Count,
  false_alarm: Count,
  not_found: Count,
  device_fault: Count,
  duplicate: Count,
  n: Type.Integer({ description: 'confirmed + false_alarm + not_found' }),
  precision: Nullable(Type.Number({ description: 'confirmed / n' })),
  interval: Nullable(
    Type.Array(Type.Number(), {
      minItems: 2,
      maxItems: 2,
      description: '95 % interval of the precision (Wilson)',
    }),
  ),
  few: Type.Boolean({ description: `n is below ${ENOUGH}: nothing to draw conclusions from` }),
})

/** `GET /stats/precision`: what people found when they went to see. */
export function precision(api: Api, { precisions, clock }: HttpParts): void {
  api.get(
    '/api/v1/stats/precision',
    {
      config: { access: READERS },
      schema: {
        tags: ['cases'],
        summary: 'How often alarms were right, by rule, street or device',
        description:
          'Out of cases that alarms opened and people closed. A case of several rules or devices counts for each of ' +
          'them. `device_fault` and `duplicate` are counted and part of no precision.',
        querystring: Type.Object({
          by: Type.Optional(Type.Enum(['rule', 'street', 'device'], { default: 'rule' })),
          from: Type.Optional(Instant('queued at or after; 90 days before `to` when left out')),
          to: Type.Optional(Instant('queued before; now when left out')),
          simulated: Type.Optional(
            Type.Boolean({ description: 'what a rehearsal found, instead of what is real' }),
          ),
          ...pageQuery(100, 1000),
        }),
        response: { 200: Page(PrecisionShape) },
      },
    },
    (request) => {
      const { limit = 100, cursor, by = 'rule', from, to, simulated } = request.query
      const until = instant('to', to) ?? clock.now()
      const filter = {
        from: instant('from', from) ?? until - QUARTER,
        to: until,
        simulated,
        ...scopeOf(userOf(request).user),
      }
      // A cursor of another grouping would skip at random.
      const list = `precision by ${by}`
      const after = cursor === undefined ? undefined : readCursor(list, cursor, ['string'])[0]
      const items = precisions.list(by satisfies PrecisionBy, filter, limit, after)
      const last = items.length < limit ? undefined : items.at(-1)
      const shown = items.map(({ interval, ...item }) => ({ ...item, interval: interval && [...interval] }))
      return { items: shown, ...(last && { cursor: writeCursor(list, [last.key]) }) }
    },
  )
}
