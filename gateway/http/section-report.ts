import { Type } from 'typebox'
import { RATED_METRICS, WATER_BODIES } from '../../rules/surface-water.ts'
import { MONTH_PATTERN, monthNamed } from '../reports/month.ts'
import { sectionCsv } from '../reports/section-csv.ts'
import { NOTICE, type SectionReport } from '../reports/section-report.ts'
import { SectionReporter, TooManyReports } from '../reports/section-reporter.ts'
import { PAID_METRICS } from '../reports/section-settings.ts'
import { STREETS } from './access.ts'
import { userOf } from './auth.ts'
import { departure } from './departure.ts'
import { pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const Class = (description: string) => Type.Integer({ minimum: 1, maximum: 6, description })

const MeanShape = {
  mean: Nullable(Type.Number()),
  days: Type.Integer({ description: 'days with at least one valid hour' }),
  flaggedHours: Type.Integer({ description: 'hours left out: a reading in them was marked other than N' }),
  implausibleHours: Type.Integer({
    description: 'further hours left out: a reading in them was not plausible, by the kind’s `plausible`',
  }),
  expected: Type.Integer({ description: 'readings due so far' }),
  valid: Type.Integer({ description: 'of those due, how many have a valid hour' }),
}

const CompensationShape = Type.Object({
  direction: Type.Enum(['upstream_pays', 'downstream_pays', 'nobody_pays', 'undecided']),
  yuan: Nullable(Type.Number()),
  reason: Nullable(Type.Enum(['not_measured', 'no_flow', 'flow_reversed'])),
  factors: Type.Array(
    Type.Object({
      metric: Type.Enum(PAID_METRICS),
      excess: Type.Number(),
      tonnes: Nullable(Type.Number({ description: 'beyond the target; negative below it' })),
      yuan: Nullable(Type.Number()),
    }),
  ),
})

const SectionShape = Type.Unsafe<SectionReport>(
  Type.Object({
    section: Type.String({ description: 'the site of the stations' }),
    title: Nullable(Type.Object({ en: Type.String(), zh: Type.String() })),
    street: Type.String(),
    stations: Type.Array(Type.String()),
    water: Type.Enum(WATER_BODIES),
    target: Class('1 to 5: Ⅰ to Ⅴ of GB 3838-2002'),
    upstream: Nullable(Type.String()),
    downstream: Nullable(Type.String()),
    class: Nullable(
      Class('of the worst factor that was measured: not better than that; 6 is worse than Ⅴ (劣Ⅴ)'),
    ),
    meetsTarget: Nullable(
      Type.Boolean({
        description: 'null where no factor is worse and one that is paid for was not measured',
      }),
    ),
    worse: Type.Array(Type.Enum(RATED_METRICS), { description: 'factors worse than the target' }),
    missing: Type.Array(Type.Enum(PAID_METRICS), {
      description: 'factors that are paid for and were not measured',
    }),
    factors: Type.Array(
      Type.Object({
        metric: Type.Enum(RATED_METRICS),
        class: Nullable(Class('of the monthly mean')),
        limit: Type.Union([Type.Number(), Type.Array(Type.Number())], {
          description: 'of the target class; the two ends for pH',
        }),
        excess: Nullable(
          Type.Number({ description: '(mean − limit) / limit; 0 within it, null for pH and oxygen' }),
        ),
        ...MeanShape,
      }),
    ),
    flow: Type.Object({
      ...MeanShape,
      volume: Nullable(Type.Number({ description: 'm³ in the month so far' })),
    }),
    load: CompensationShape,
    tiers: CompensationShape,
  }),
)

const Report = Type.Object({
  month: Type.String(),
  from: Type.Integer({ description: 'epoch ms; months are those of Asia/Shanghai' }),
  to: Type.Integer({ description: 'epoch ms, exclusive' }),
  complete: Type.Boolean({ description: 'the month is over' }),
  notice: Type.Object({ en: Type.String(), zh: Type.String() }),
  items: Type.Array(SectionShape),
  cursor: Type.Optional(Type.String()),
})

/** `GET /reports/sections`: a month of the river sections. */
export function sectionReport(api: Api, { recorder, devices, kinds, sections, clock }: HttpParts): void {
  const reporter = new SectionReporter({ query: (query) => recorder.query(query), kinds, settings: sections })
  api.get(
    '/api/v1/reports/sections',
    {
      config: { access: STREETS },
      schema: {
        tags: ['readings'],
        summary: 'A month of the river sections: class, excess and two-way compensation; reference only',
        description:
          'A section is the site of one or more `river_station` devices; boats are none. Hourly means make ' +
          'daily means, those the monthly mean; an hour with a reading marked other than N, or not plausible, is ' +
          'left out. The class is that of the worst factor by GB 3838-2002 table 1. As CSV, the header `link` leads to ' +
          'what the limit cut off.',
        querystring: Type.Object({
          month: Type.String({ pattern: MONTH_PATTERN, description: 'such as 2026-10' }),
          format: Type.Optional(Type.Enum(['json', 'csv'], { description: 'json when left out' })),
          ...pageQuery(50, 100),
        }),
        response: {
          200: {
            description: 'the report',
            content: {
              'application/json': { schema: Report },
              'text/csv': { schema: Type.String() },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { month: name, format, limit = 50, cursor } = request.query
      const month = monthNamed(name)
      const now = clock.now()
      if (now < month.from) throw new Problem('bad_request', `querystring/month: ${name} has not begun`)
      const { scope } = userOf(request)
      const { items, hasMore } = await reporter
        .report(
          [...devices.all()].filter((device) => scope.sees(device)),
          month,
          now,
          {
            after: cursor === undefined ? '' : readCursor('sections', cursor, ['string'])[0],
            limit,
            signal: departure(reply.raw),
          },
        )
        .catch((error: unknown) => {
          throw error instanceof TooManyReports ? new Problem('overloaded', error.message) : error
        })
      const next = hasMore ? writeCursor('sections', [items.at(-1)!.section]) : undefined
      if (format !== 'csv') {
        return {
          month: name,
          from: month.from,
          to: month.to,
          complete: now >= month.to,
          notice: NOTICE,
          items,
          ...(next !== undefined && { cursor: next }),
        }
      }
      if (next !== undefined) {
        const query = new URLSearchParams({ month: name, format, limit: String(limit), cursor: next })
        reply.header('link', `<${request.routeOptions.url}?${query.toString()}>; rel="next"`)
      }
      reply.header('content-disposition', `attachment; filename="sections-${name}.csv"`)
      return await reply.type('text/csv; charset=utf-8').send(sectionCsv(name, items))
    },
  )
}
