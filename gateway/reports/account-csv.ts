import { csvLine } from '../registry/csv-line.ts'
import { COLUMNS, GROUPING_TERMS, type Column } from './account-columns.ts'
import type { Figures, Grouping } from './accountability.ts'

/** Spreadsheets take a file for their own old encoding unless it begins with this. */
const BYTE_ORDER_MARK = '\uFEFF'
const MINUTE = 60_000

/**
 * The figures as a spreadsheet, a key a line and the total last, without a key. The first line has names for programs,
 * or what people call the columns in Chinese. Shares are 0 to 1, times minutes. Cells that come from other hands
 * cannot be formulas.
 */
export function accountCsv(
  grouping: Grouping,
  period: { readonly from: string; readonly to: string },
  items: readonly (Figures & { readonly key: string; readonly title: string })[],
  total: Figures,
  lang: 'zh' | 'en',
): string {
  const row = (key: string, title: string, figures: Figures) =>
    csvLine([period.from, period.to, key, title, ...COLUMNS.map((column) => valueOf(column, figures))])
  return [
    BYTE_ORDER_MARK,
    lang === 'zh'
      ? csvLine(['起', '止', GROUPING_TERMS[grouping].zh, '名称', ...COLUMNS.map(({ term }) => term.zh)])
      : csvLine(['from', 'to', grouping, 'title', ...COLUMNS.map(({ name }) => name)]),
    ...items.map((item) => row(item.key, item.title, item)),
    row('', lang === 'zh' ? '合计' : 'total', total),
  ].join('')
}

function valueOf({ unit, of }: Column, figures: Figures): number | null {
  const value = of(figures)
  if (value === null) return null
  switch (unit) {
    case 'count':
      return value
    case 'share':
      return Math.round(value * 10_000) / 10_000
    case 'minutes':
      return Math.round((value / MINUTE) * 10) / 10
    default:
      return unit satisfies never
  }
}
