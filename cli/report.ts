import { Command } from 'commander'
import { sectionCsv } from '../gateway/reports/section-csv.ts'
import { NOTICE, type SectionReport } from '../gateway/reports/section-report.ts'
import type { Compensation } from '../gateway/reports/compensation.ts'
import { CLASS_NAMES } from '../rules/surface-water.ts'
import { Api } from './api.ts'
import { month } from './options.ts'
import { accountabilityCommand } from './accountability.ts'
import { httpOptions, targetOf, type TargetOptions, tokenOf } from './target.ts'

interface Options extends TargetOptions {
  month: string
  csv?: true
  json?: true
}

/** Sections in one request: a report asks the historian much, and a request has half a minute. */
const PAGE = 10

export function reportCommand(): Command {
  return new Command('report')
    .description('reports over what was measured and what people did about it')
    .addCommand(sectionsCommand())
    .addCommand(accountabilityCommand())
}

function sectionsCommand(): Command {
  return httpOptions(new Command('sections'))
    .description('a month of the river sections: class, excess and compensation; reference only (仅供参考)')
    .requiredOption('--month <month>', 'such as 2026-10, of Asia/Shanghai', month)
    .option('--csv', 'print as CSV, for a spreadsheet')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle report sections --month 2026-10 --csv > sections-2026-10.csv`,
    )
    .action(async (options: Options) => {
      const target = targetOf(options)
      const api = new Api(target.httpUrl, tokenOf(target))
      const query = new URLSearchParams({ month: options.month, limit: String(PAGE) })
      const items: SectionReport[] = []
      for await (const item of api.list(`/api/v1/reports/sections?${query.toString()}`))
        items.push(item as unknown as SectionReport)
      process.stdout.write(written(items, options))
    })
}

function written(items: readonly SectionReport[], { month, csv, json }: Options): string {
  if (csv === true) return sectionCsv(month, items)
  if (json === true) return `${JSON.stringify({ month, notice: NOTICE, items })}\n`
  const lines = items.map((item) =>
    [
      item.section.padEnd(28),
      `${classOf(item)} (${CLASS_NAMES[item.target]})`.padEnd(10),
      (excesses(item) || '-').padEnd(28),
      money('load', item.load).padEnd(36),
      money('tiers', item.tiers),
    ].join(' '),
  )
  return `${[...lines, `${NOTICE.en} ${NOTICE.zh}`].join('\n')}\n`
}

/** `Ⅰ?` of too few factors to say that the target is met. */
function classOf({ class: found, meetsTarget }: SectionReport): string {
  return found === null ? '-' : `${CLASS_NAMES[found]}${meetsTarget === null ? '?' : ''}`
}

/** `nh3n +0.35, do`: what is worse than the target, and by how much where that means something. */
function excesses({ worse, factors }: SectionReport): string {
  return worse
    .map((metric) => {
      const excess = factors.find((factor) => factor.metric === metric)?.excess ?? null
      return excess === null ? metric : `${metric} +${excess.toFixed(2)}`
    })
    .join(', ')
}

function money(scheme: string, { direction, yuan, reason }: Compensation): string {
  const amount = yuan === null ? (reason ?? '') : `${yuan.toLocaleString('en')} yuan`
  return `${scheme}: ${direction === 'nobody_pays' ? direction : `${direction} ${amount}`}`
}
