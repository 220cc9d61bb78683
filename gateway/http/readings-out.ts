import { Type } from 'typebox'
import { DURATION_PATTERN, durationMs } from '../model/duration.ts'
import type { Point } from '../model/pipeline.ts'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import { readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

/** Looked back when nobody says how far, ms. */
const DAY = 86_400_000
/** A stretch beyond this, ms, is a typing error; InfluxDB would count it in nanoseconds and run over. */
const LONGEST_STRETCH = 3660 * DAY
const AGGREGATES = ['mean', 'min', 'max', 'sum', 'count'] as const

const Points = Type.Object({
  points: Type.Array(
    Type.Unsafe<Point>({
      type: 'array',
      prefixItems: [{ type: 'integer' }, { type: ['number', 'boolean', 'null'] }],
      minItems: 2,
      maxItems: 2,
    }),
    { description: '[time, value] in time order' },
  ),
  cursor: Type.Optional(Type.String()),
})

/** `GET /readings`: what the historian holds of one metric of one device. */
export function readingsOut(api: Api, { recorder, devices, kinds, clock }: HttpParts): void {
  api.get(
    '/api/v1/readings',
    {
      config: { access: READERS },
      schema: {
        tags: ['readings'],
        summary: 'Points of one metric of one device, in time order',
        description:
          'The last 24 hours unless asked otherwise. With `every`, one value for each such stretch of time by ' +
          '`agg`; its time is the beginning of the stretch.',
        querystring: Type.Object({
          device: Type.String({ maxLength: 64 }),
          metric: Type.String({ maxLength: 64 }),
          from: Type.Optional(Instant('inclusive')),
          to: Type.Optional(Instant('exclusive; now when left out')),
          every: Type.Optional(Type.String({ pattern: DURATION_PATTERN, description: 'such as 10m' })),
          agg: Type.Optional(Type.Enum(AGGREGATES, { description: 'with `every`; mean when left out' })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, default: 10_000 })),
          cursor: Type.Optional(Type.String({ maxLength: 512 })),
        }),
        response: { 200: Points },
      },
    },
    async (request) => {
      const { device: id, metric, every: stretch, agg, limit = 10_000, cursor } = request.query
      const device = devices.get(id)
      if (device === undefined || !userOf(request).scope.sees(device))
        throw new Problem('not_found', `there is no device ${id}`)
      const metrics = kinds.get(device.kind)?.metrics ?? {}
      if (!Object.hasOwn(metrics, metric))
        throw new Problem('unknown_metric', `${device.kind} has no metric ${metric}`, {
          known: Object.keys(metrics),
        })
      const every = everyOf(stretch, agg)
      // The cursor holds both ends, so that an end left open does not move between pages.
      const to = instant('to', request.query.to) ?? clock.now()
      const from = instant('from', request.query.from) ?? to - DAY
      const [start, end] =
        cursor === undefined ? [from, to] : readCursor('readings', cursor, ['number', 'number'])
      const points = await recorder.query({
        device: id,
        kind: device.kind,
        metric,
        from: start,
        to: end,
        ...(every !== undefined && { every }),
        ...(agg !== undefined && { agg }),
        // One more than asked says whether there is more.
        limit: limit + 1,
      })
      const last = points[limit - 1]
      if (points.length <= limit || last === undefined) return { points: [...points] }
      const next = writeCursor('readings', [last[0] + (every ?? 1), end])
      return { points: points.slice(0, limit), cursor: next }
    },
  )
}

function everyOf(stretch: string | undefined, agg: string | undefined): number | undefined {
  if (stretch === undefined) {
    if (agg !== undefined) throw new Problem('bad_request', 'querystring/agg: needs every')
    return undefined
  }
  const every = durationMs(stretch)
  if (every === 0 || every > LONGEST_STRETCH)
    throw new Problem('bad_request', 'querystring/every: must be longer than nothing and at most 3660d')
  return every
}
