import { Command, Option } from 'commander'
import {
  GROUPINGS,
  type Figures,
  type Grouping,
  type PromiseFigures,
} from '../gateway/reports/accountability.ts'
import { columns } from './alarm-lines.ts'
import { Api } from './api.ts'
import { month } from './options.ts'
import { httpOptions, targetOf, tokenOf, type TargetOptions } from './target.ts'

interface Options extends TargetOptions {
  month: string
  by: Grouping
  lang?: 'zh' | 'en'
  csv?: true
  json?: true
  html?: true
}

interface Answer {
  readonly total: Figures
  readonly items: readonly (Figures & { readonly key: string; readonly title: string })[]
}

export function accountabilityCommand(): Command {
  return httpOptions(new Command('accountability'))
    .description(
      'who kept the promises made to citizens in a month: answered, on site, resolved in time (行政问效)',
    )
    .requiredOption('--month <month>', 'such as 2026-10, of Asia/Shanghai', month)
    .addOption(new Option('--by <what>', 'a line for each').choices(GROUPINGS).default('street'))
    .addOption(
      new Option('--lang <language>', 'of --html (zh) and of the heads of --csv (en)').choices(['zh', 'en']),
    )
    .addOption(new Option('--csv', 'print as CSV, for a spreadsheet').conflicts(['json', 'html']))
    .addOption(new Option('--json', 'print as JSON').conflicts('html'))
    .option('--html', 'print the whole report as a page to print')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle report accountability --month 2026-10 --html > accountability-2026-10.html`,
    )
    .action(async (options: Options) => {
      const target = targetOf(options)
      const api = new Api(target.httpUrl, tokenOf(target))
      const { by, lang, csv, html, json } = options
      const asked = new URLSearchParams({ month: options.month, by, ...(lang && { lang }) })
      const path = (format: string) => `/api/v1/stats/accountability?${asked.toString()}&format=${format}`
      if (csv === true || html === true) {
        process.stdout.write(await api.text(path(csv === true ? 'csv' : 'html')))
        return
      }
      const answer = (await api.get(path('json'))) as Answer
      const lines = json === true ? [JSON.stringify(answer)] : described(by, answer)
      process.stdout.write(lines.map((line) => `${line}\n`).join(''))
    })
}

function described(by: Grouping, { items, total }: Answer): string[] {
  if (total.received === 0) return ['no case was queued in this time']
  const head = [
    by,
    'received',
    'closed',
    'answered',
    'p95',
    'on site',
    'p95',
    'resolved',
    'rework',
    'false',
    'satisfied',
  ]
  const line = (key: string, figures: Figures) => [
    key,
    String(figures.received),
    String(figures.closed),
    ...promise(figures.response),
    ...promise(figures.arrival),
    percent(figures.resolution.share),
    percent(figures.reworkShare),
    percent(figures.falseAlarmShare),
    percent(figures.satisfaction.share),
  ]
  return columns([head, ...items.map((item) => line(item.key, item)), line('total', total)])
}

const percent = (share: number | null): string => (share === null ? '–' : `${(share * 100).toFixed(1)} %`)

function promise({ share, p95 }: PromiseFigures): [string, string] {
  return [percent(share), p95 === null ? '–' : `${(p95 / 60_000).toFixed(1)} min`]
}
