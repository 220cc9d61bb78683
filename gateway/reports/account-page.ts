import { createHash } from 'node:crypto'
import { DateTime } from 'luxon'
import { columnsNamed, GROUPING_TERMS, type Column } from './account-columns.ts'
import type { AccountedSite, ListedCase } from './account-reader.ts'
import type { Figures } from './accountability.ts'

/** The report as a page to print: no scripts, nothing from elsewhere, every text from other hands escaped. */
export interface AccountPage {
  readonly lang: 'zh' | 'en'
  readonly district: string
  /** Epoch ms; `to` exclusive. */
  readonly from: number
  readonly to: number
  readonly asOf: number
  readonly total: Figures
  readonly streets: readonly Titled[]
  readonly teams: readonly Titled[]
  readonly categories: readonly Titled[]
  readonly rules: readonly Titled[]
  readonly days: readonly (Figures & { readonly key: string })[]
  readonly sites: readonly AccountedSite[]
  readonly overdue: readonly ListedCase[]
  readonly supervised: readonly ListedCase[]
  /** What people call a street or a team. */
  readonly nameOf: (id: string) => string
}

type Titled = Figures & { readonly key: string; readonly title: string }

const ZONE = 'Asia/Shanghai'
const MINUTE = 60_000

const STYLE = `
  body { font: 13px/1.5 "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 74rem; color: #1c2430 }
  h1 { font-size: 1.6em; margin: 0 } h2 { font-size: 1.2em; margin: 1.6em 0 .4em; border-bottom: 2px solid #1c2430 }
  p { margin: .3em 0 } .note { color: #5a6472; font-size: .92em }
  table { border-collapse: collapse; width: 100% } caption { text-align: left; color: #5a6472 }
  th, td { border: 1px solid #c9d0d9; padding: .25em .5em; text-align: right; vertical-align: top }
  th { background: #eef1f5; font-weight: 600 } th:first-child, td:first-child, .text { text-align: left }
  td:not(.text, :first-child) { white-space: nowrap }
  tr.total { font-weight: 600; background: #f7f8fa } .late { color: #b3261e }
  svg { width: 100%; height: 9rem } .bar { fill: #7d9cc4 } .bad { fill: #b3261e } svg text { font-size: 9px; fill: #5a6472 }
  @page { size: A4 landscape; margin: 12mm }
  @media print { body { margin: 0; padding: 0; max-width: none; font-size: 10px } h2 { break-after: avoid } tr, svg { break-inside: avoid } thead { display: table-header-group } }
`
/** What a Content-Security-Policy must let through for the page: its own style and nothing else. */
export const PAGE_STYLE_HASH = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`

export function accountPage(page: AccountPage): string {
  const say = (zh: string, en: string) => (page.lang === 'zh' ? zh : en)
  const time = (at: number) => DateTime.fromMillis(at, { zone: ZONE }).toFormat('yyyy-MM-dd HH:mm')
  const title = `${page.district} ${say('行政问效报告', 'accountability report')}`
  const period = `${time(page.from)} – ${time(page.to)}`
  const grouped = (grouping: 'street' | 'team' | 'category' | 'rule', rows: readonly Titled[]) =>
    figuresTable(page.lang, GROUPING_TERMS[grouping][page.lang], rows, page.total)
  return `<!doctype html>
<html lang="${page.lang === 'zh' ? 'zh-CN' : 'en'}">
<head><meta charset="utf-8"><title>${escaped(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escaped(title)}</h1>
<p>${say('统计时段', 'Cases queued')}: ${period} ${say('（含起始，不含截止）', '(end excluded)')} · ${say('数据截至', 'as of')} ${time(page.asOf)} · Asia/Shanghai</p>
<p class="note">${say(
    '全部数据由案件时间线重新计算。用时不含挂起时间；百分位数为最近秩法；按时率 = 按时 ÷（按时 + 超时），时限未到的案件不计入。',
    'All figures are computed from the timelines of the cases. Times leave out suspension; percentiles are by nearest rank; in time = in time ÷ (in time + late), cases whose time has not run out are in neither.',
  )}</p>
<h2>${say('按街道', 'By street')}</h2>${grouped('street', page.streets)}
<h2>${say('按队伍', 'By team')}</h2>${grouped('team', page.teams)}
<p class="note">${say(
    '案件计入最后接单或当前负责的队伍；每项承诺计入履行它的队伍，超时计入时限届满时持有案件的队伍。',
    'A case is on the account of the team that took it on last or answers for it now; a promise on that of the team that kept it, or that held the case when its time ran out.',
  )}</p>
<h2>${say('按类别', 'By category')}</h2>${grouped('category', page.categories)}
<h2>${say('按规则', 'By rule')}</h2>${grouped('rule', page.rules)}
<p class="note">${say(
    '由多条规则引发的案件计入每一条规则；无告警的案件计入其事项族。',
    'A case that several rules raised counts for each of them; one that no alarm opened for its family.',
  )}</p>
<h2>${say('每日趋势', 'Day by day')}</h2>${trend(page, say)}
<h2>${say('问题突出点位', 'Sites with the most confirmed cases')}</h2>${sites(page, say)}
<h2>${say('办结超时案件', 'Longest overdue to be resolved')}</h2>${cases(page, page.overdue, say)}
<h2>${say('督办清单', 'Supervision list')}</h2>${cases(page, page.supervised, say)}
</body></html>
`
}

type Say = (zh: string, en: string) => string

const SHOWN = columnsNamed(
  'received',
  'closed_share',
  'response_share',
  'response_p50_min',
  'response_p95_min',
  'arrival_share',
  'arrival_p50_min',
  'arrival_p95_min',
  'resolution_share',
  'resolution_p50_min',
  'rework_share',
  'false_alarm_share',
  'precision',
  'satisfied_share',
  'supervised',
)

function figuresTable(lang: 'zh' | 'en', of: string, rows: readonly Titled[], total: Figures): string {
  const head = [of, ...SHOWN.map(({ term }) => term[lang])].map((cell) => `<th>${escaped(cell)}</th>`)
  const line = (name: string, figures: Figures, kind = '') =>
    `<tr${kind}><td>${escaped(name)}</td>${SHOWN.map((column) => `<td>${shown(column, figures)}</td>`).join('')}</tr>`
  const body = rows.map((row) => line(row.title, row)).join('')
  const sum = line(lang === 'zh' ? '合计' : 'Total', total, ' class="total"')
  return `<table><thead><tr>${head.join('')}</tr></thead><tbody>${body}${sum}</tbody></table>`
}

function shown({ unit, of }: Column, figures: Figures): string {
  const value = of(figures)
  if (value === null) return '–'
  switch (unit) {
    case 'count':
      return String(value)
    case 'share':
      return `${(value * 100).toFixed(1)} %`
    case 'minutes':
      return (value / MINUTE).toFixed(1)
    default:
      return unit satisfies never
  }
}

/** Bars of received cases, what was answered late in red. */
function trend({ days }: AccountPage, say: Say): string {
  const most = Math.max(1, ...days.map((day) => day.received))
  // A month's width for each bar, however few days there are yet.
  const step = 1000 / Math.max(31, days.length)
  const bars = days.map((day, index) => {
    const [x, width] = [index * step, step * 0.8]
    const height = (count: number) => (count / most) * 100
    const tip = `${day.key}: ${day.received} · ${say('超时响应', 'answered late')} ${day.response.late}`
    return `<g><title>${escaped(tip)}</title>
<rect class="bar" x="${x.toFixed(1)}" width="${width.toFixed(1)}" y="${(110 - height(day.received)).toFixed(1)}" height="${height(day.received).toFixed(1)}"/>
<rect class="bad" x="${x.toFixed(1)}" width="${width.toFixed(1)}" y="${(110 - height(day.response.late)).toFixed(1)}" height="${height(day.response.late).toFixed(1)}"/>
<text x="${x.toFixed(1)}" y="122">${escaped(day.key.slice(8))}</text></g>`
  })
  const caption = say('每日受理（红色：超时响应）', 'Received each day (red: answered late)')
  return `<p class="note">${caption}, ${say('最多', 'at most')} ${most}</p><svg viewBox="0 0 1000 126" role="img" preserveAspectRatio="none">${bars.join('')}</svg>`
}

function sites({ sites, nameOf }: AccountPage, say: Say): string {
  const head = [say('点位', 'Site'), say('街道', 'Street'), say('案件', 'Cases'), say('属实', 'Confirmed')]
  return table(
    [...head, say('有超时', 'With a promise broken')],
    sites.map((site) => [
      site.site,
      nameOf(site.street),
      String(site.cases),
      String(site.confirmed),
      String(site.late),
    ]),
    say('无', 'None'),
  )
}

function cases({ nameOf }: AccountPage, listed: readonly ListedCase[], say: Say): string {
  const states = { open: say('在办', 'open'), closed: say('结案', 'closed'), void: say('作废', 'void') }
  return table(
    [
      say('案件', 'Case'),
      say('标题', 'Title'),
      say('街道', 'Street'),
      say('队伍', 'Team'),
      say('立案时间', 'Queued'),
      say('状态', 'State'),
      say('办结超时（小时）', 'Resolved late by, h'),
    ],
    listed.map((found) => [
      found.id,
      found.title,
      nameOf(found.street),
      nameOf(found.team),
      DateTime.fromMillis(found.queuedAt, { zone: ZONE }).toFormat('yyyy-MM-dd HH:mm'),
      states[found.state],
      found.overMs === 0 ? '–' : (found.overMs / (60 * MINUTE)).toFixed(1),
    ]),
    say('无', 'None'),
  )
}

function table(head: readonly string[], rows: readonly (readonly string[])[], none: string): string {
  if (rows.length === 0) return `<p>${escaped(none)}</p>`
  const cells = (row: readonly string[]) =>
    row.map((cell) => `<td class="text">${escaped(cell)}</td>`).join('')
  const lines = rows.map((row) => `<tr>${cells(row)}</tr>`).join('')
  return `<table><thead><tr>${head.map((cell) => `<th class="text">${escaped(cell)}</th>`).join('')}</tr></thead><tbody>${lines}</tbody></table>`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (sign) => ENTITIES[sign]!)
}
