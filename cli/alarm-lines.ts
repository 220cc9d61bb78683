import { DateTime } from 'luxon'
import type { Difference } from '../gateway/backtest/difference.ts'
import type { Finding } from '../gateway/dispatch/opening.ts'

export const ZONE = 'Asia/Shanghai'
/** Lines of each list that a person is shown. */
const SHOWN = 10

/** Epoch milliseconds as people here read them. */
export function shown(ms: number): string {
  return DateTime.fromMillis(ms, { zone: ZONE }).toFormat("yyyy-LL-dd'T'HH:mm:ss")
}

/** What two lists of alarms have in common and what not; `before` and `after` are what people call them. */
export function differenceLines(
  { same, onlyBefore, onlyAfter, different, rules }: Difference,
  before: string,
  after: string,
): readonly string[] {
  return [
    ...table(rules, before, after),
    `the same: ${same}; only ${before}: ${onlyBefore.length}; only ${after}: ${onlyAfter.length}; different: ${different.length}`,
    ...some(`only ${before}`, onlyBefore, line),
    ...some(`only ${after}`, onlyAfter, line),
    ...some('different', different, (changed) => `${line(changed.before)}  →  ${line(changed.after)}`),
  ]
}

function table(rules: Difference['rules'], before: string, after: string): string[] {
  if (rules.length === 0) return []
  return columns([
    ['rule', before, after, `only ${before}`, `only ${after}`, 'different'],
    ...rules.map(({ rule, ...counts }) =>
      [rule, counts.before, counts.after, counts.onlyBefore, counts.onlyAfter, counts.different].map(String),
    ),
  ])
}

/** Rows below each other: the first cell to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)))
  return rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd(),
  )
}

function some<T>(title: string, items: readonly T[], lineOf: (item: T) => string): string[] {
  if (items.length === 0) return []
  const rest = items.length - SHOWN
  return [
    `${title}:`,
    ...items.slice(0, SHOWN).map((item) => `  ${lineOf(item)}`),
    ...(rest > 0 ? [`  … and ${rest} more; --json has them all`] : []),
  ]
}

function line({ rule, device, severity, startedAt, clearedAt }: Finding): string {
  return `${rule} ${device} ${severity} ${shown(startedAt)} – ${clearedAt === null ? 'firing' : shown(clearedAt)}`
}
