import { Type } from 'typebox'
import { CLOSE_CODES } from '../model/case.ts'
import type { District } from '../model/district.ts'
import { categoryTitle } from '../people/ticket-view.ts'
import { AccountsRefused } from '../reports/account-desk.ts'
import { accountCsv } from '../reports/account-csv.ts'
import { accountPage, PAGE_STYLE_HASH } from '../reports/account-page.ts'
import type { AccountabilityReport, AccountQuery } from '../reports/account-reader.ts'
import { GROUPINGS, type Figures, type Grouping } from '../reports/accountability.ts'
import { MONTH_PATTERN, monthNamed, monthOf } from '../reports/month.ts'
import type { RuleBook } from '../rule-book/rule-book.ts'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

/** Two years: more is for several questions. */
const LONGEST_MS = 732 * 86_400_000
/** Entries of each list in the printed report. */
const LISTED = 30

const Count = (description: string) => Type.Integer({ minimum: 0, description })
const Share = (description: string) => Nullable(Type.Number({ description }))
const Ms = (description: string) => Nullable(Type.Number({ description: `${description}, ms` }))

const Promised = (what: string) =>
  Type.Object({
    of: Count('inTime + late + pending'),
    inTime: Count(`${what} within the allowed time`),
    late: Count('later, or not yet though the time has run out'),
    pending: Count('the time has not run out, or the case ended before it did'),
    share: Share('inTime / (inTime + late)'),
    p50: Ms('percentile by nearest rank of the time without suspension'),
    p90: Ms('percentile'),
    p95: Ms('percentile'),
  })

const figures = {
  received: Count('open + closed + void'),
  open: Count('cases'),
  closed: Count('cases'),
  void: Count('cases'),
  response: Promised('accepted'),
  arrival: Promised('on site'),
  resolution: Promised('handled, and not sent back since,'),
  closedShare: Share('closed / (received − void)'),
  codes: Type.Object(Object.fromEntries(CLOSE_CODES.map((code) => [code, Count('closed with it')]))),
  falseAlarmShare: Share('false_alarm / closed'),
  precision: Share('confirmed / (confirmed + false_alarm + not_found)'),
  interval: Nullable(Type.Array(Type.Number(), { description: '95 % interval of the precision (Wilson)' })),
  few: Type.Boolean({ description: 'too few cases for a precision to mean anything' }),
  handled: Count('handled at some time'),
  reworked: Count('of those, sent back at least once'),
  reworkShare: Share('reworked / handled'),
  returned: Count('cases handed up at least once'),
  supervised: Count('cases under supervision'),
  satisfaction: Type.Object({ answered: Count('people'), satisfied: Count('4 or 5 of 5'), share: Share('') }),
  whistles: Type.Object({
    blown: Count('departments called'),
    inTime: Count('reported in by their time'),
    late: Count('later, or not yet though it has passed'),
    pending: Count('their time has not run out'),
    share: Share('inTime / (inTime + late)'),
  }),
}

const Answer = Type.Unsafe<{
  by: Grouping
  from: number
  to: number
  asOf: number
  total: Figures
  items: readonly Named[]
}>(
  Type.Object({
    by: Type.Enum(GROUPINGS),
    from: Type.Integer({ description: 'cases queued at or after, epoch ms' }),
    to: Type.Integer({ description: 'and before' }),
    asOf: Type.Integer({ description: 'open cases are judged by this moment' }),
    total: Type.Object(figures),
    items: Type.Array(
      Type.Object({
        key: Type.String({ description: 'id of the street, team, category or rule; a day as 2026-10-01' }),
        title: Type.String({ description: 'what people call it' }),
        ...figures,
      }),
    ),
  }),
)

type Named = Figures & { readonly key: string; readonly title: string }

/** `GET /stats/accountability`: who kept the promises that were made to citizens (行政问效). */
export function accountability(api: Api, { accounts, clock, district, ruleBook }: HttpParts): void {
  api.get(
    '/api/v1/stats/accountability',
    {
      config: { access: READERS },
      schema: {
        tags: ['cases'],
        summary: 'Accountability: promises kept, by street, team, category, rule or day',
        description:
          'Computed from the timelines of the cases each time. Cases count by when they were queued. By team a case ' +
          'is on the account of the team that took it on last or answers for it now, and each promise on that of the ' +
          'team that kept it, or that held the case when its time ran out. A case of several rules counts for each of ' +
          'them, one that no alarm opened for its family. `html` is a report to print, of everything. One question at ' +
          'a time, 16 waiting (503 beyond).',
        querystring: Type.Object({
          by: Type.Optional(Type.Enum(GROUPINGS, { default: 'street' })),
          month: Type.Optional(
            Type.String({ pattern: MONTH_PATTERN, description: 'such as 2026-10; instead of from and to' }),
          ),
          from: Type.Optional(
            Instant('queued at or after; the beginning of the month before `to` when left out'),
          ),
          to: Type.Optional(Instant('queued before; now when left out')),
          format: Type.Optional(Type.Enum(['json', 'csv', 'html'], { default: 'json' })),
          lang: Type.Optional(
            Type.Enum(['zh', 'en'], {
              description: 'of html (zh when left out) and of the heads of csv (en)',
            }),
          ),
          simulated: Type.Optional(
            Type.Boolean({ description: 'cases of a rehearsal instead of real ones' }),
          ),
        }),
        response: {
          200: {
            description: 'the figures',
            content: {
              'application/json': { schema: Answer },
              'text/csv': { schema: Type.String() },
              'text/html': { schema: Type.String() },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { by = 'street', format, lang, simulated = false } = request.query
      const { user, scope } = userOf(request)
      const now = clock.now()
      const period = periodOf(request.query, now)
      const isPage = format === 'html'
      const query: AccountQuery = {
        ...period,
        now,
        simulated,
        streets: user.role === 'street' ? scope.streets : undefined,
        // A team without an account has nothing: no team is called ''.
        team: user.role === 'team' ? (user.team ?? '') : undefined,
        by: isPage ? ['street', 'team', 'category', 'rule', 'day'] : [by],
        lists: isPage ? LISTED : undefined,
      }
      const report = await accounts.ask(query).catch((error: unknown) => {
        throw error instanceof AccountsRefused ? new Problem('overloaded', error.message) : error
      })
      const titleOf = titles(district, ruleBook, lang ?? 'zh')
      if (isPage) {
        reply.header('content-security-policy', `default-src 'none'; style-src ${PAGE_STYLE_HASH}`)
        return await reply
          .type('text/html; charset=utf-8')
          .send(printed(report, titleOf, { ...period, asOf: now, district, lang: lang ?? 'zh' }))
      }
      const items = named(report, by, titleOf)
      if (format === 'csv') {
        const [from, to] = [isoOf(period.from), isoOf(period.to)]
        const file = `accountability-${by}-${from.slice(0, 10)}-${to.slice(0, 10)}.csv`
        reply.header('content-disposition', `attachment; filename="${file}"`)
        const text = accountCsv(by, { from, to }, items, report.total, lang ?? 'en')
        return await reply.type('text/csv; charset=utf-8').send(text)
      }
      return { by, ...period, asOf: now, total: report.total, items }
    },
  )
}

function periodOf(
  query: { month?: string; from?: string; to?: string },
  now: number,
): { readonly from: number; readonly to: number } {
  if (query.month !== undefined) {
    if (query.from !== undefined || query.to !== undefined)
      throw new Problem('bad_request', 'querystring/month: not together with from or to')
    const { from, to } = monthNamed(query.month)
    if (now < from) throw new Problem('bad_request', `querystring/month: ${query.month} has not begun`)
    return { from, to }
  }
  const to = instant('to', query.to) ?? now
  const from = instant('from', query.from) ?? monthOf(to - 1).from
  if (from >= to) throw new Problem('bad_request', 'querystring/from: must be before to')
  if (to - from > LONGEST_MS) throw new Problem('bad_request', 'querystring/from: two years at most')
  return { from, to }
}

type TitleOf = (grouping: Grouping, id: string) => string

/** What people call a street, a team, a category or a rule; whatever has no name by now is called by its id. */
function titles(district: District, rules: Pick<RuleBook, 'get'>, lang: 'zh' | 'en'): TitleOf {
  const places = new Map([...district.streets, ...district.teams].map(({ id, title }) => [id, title[lang]]))
  return (grouping, id) => {
    switch (grouping) {
      case 'street':
      case 'team':
        return places.get(id) ?? id
      case 'category':
        return categoryTitle(district, id)[lang]
      case 'rule':
        return rules.get(id)?.title[lang] ?? id
      case 'day':
        return id
      default:
        return grouping satisfies never
    }
  }
}

function named({ groups }: AccountabilityReport, grouping: Grouping, titleOf: TitleOf): Named[] {
  return (groups[grouping] ?? []).map((item) => ({ title: titleOf(grouping, item.key), ...item }))
}

function printed(
  report: AccountabilityReport,
  titleOf: TitleOf,
  more: { from: number; to: number; asOf: number; district: District; lang: 'zh' | 'en' },
): string {
  return accountPage({
    ...more,
    district: more.district.title[more.lang],
    total: report.total,
    streets: named(report, 'street', titleOf),
    teams: named(report, 'team', titleOf),
    categories: named(report, 'category', titleOf),
    rules: named(report, 'rule', titleOf),
    days: report.groups.day ?? [],
    sites: report.sites,
    overdue: report.overdue,
    supervised: report.supervised,
    // No street is called like a team.
    nameOf: (id) => titleOf('team', id),
  })
}

function isoOf(at: number): string {
  return new Date(at + 8 * 3_600_000).toISOString().replace(/\.\d+Z$/, '+08:00')
}
