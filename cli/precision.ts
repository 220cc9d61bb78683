import { Command, Option } from 'commander'
import { PRECISION_KEYS, type Precision, type PrecisionBy } from '../gateway/dispatch/precision.ts'
import { columns } from './alarm-lines.ts'
import { Api } from './api.ts'
import { httpOptions, targetOf, tokenOf, type TargetOptions } from './target.ts'

interface Options extends TargetOptions {
  by: PrecisionBy
  from?: string
  to?: string
  json?: true
}

export function precisionCommand(): Command {
  return httpOptions(
    new Command('precision')
      .description(
        'how often alarms were right, by what crews found: confirmed / (confirmed + false + not found)',
      )
      .addOption(
        new Option('--by <what>', 'a line for each').choices(Object.keys(PRECISION_KEYS)).default('rule'),
      )
      .option(
        '--from <time>',
        'cases queued at or after, ISO 8601 or epoch ms (default: 90 days before --to)',
      )
      .option('--to <time>', 'and before (default: now)')
      .option('--json', 'print a line of JSON for each'),
  )
    .addHelpText(
      'after',
      `
The two figures after a precision are where it truly lies, 19 times of 20. "few" stands beside what fewer than 20
cases say.

Example:
  gridwhistle rules precision --by device --from 2024-06-01T00:00:00+08:00`,
    )
    .action(async (options: Options) => {
      const { by, from, to, json } = options
      const target = targetOf(options)
      const asked = new URLSearchParams({ by, ...(from && { from }), ...(to && { to }), limit: '1000' })
      const rows: Precision[] = []
      for await (const item of new Api(target.httpUrl, tokenOf(target)).list(
        `/api/v1/stats/precision?${asked.toString()}`,
      ))
        rows.push(item as unknown as Precision)
      const lines = json === true ? rows.map((row) => JSON.stringify(row)) : described(by, rows)
      process.stdout.write(lines.map((line) => `${line}\n`).join(''))
    })
}

function described(by: PrecisionBy, rows: readonly Precision[]): string[] {
  if (rows.length === 0) return ['no case was closed in this time']
  const head = [by, 'confirmed', 'false', 'not found', 'fault', 'duplicate', 'precision', '']
  const cells = rows.map((row) => [
    row.key,
    ...[row.confirmed, row.false_alarm, row.not_found, row.device_fault, row.duplicate].map(String),
    ...precisionCells(row),
  ])
  return columns([head, ...cells])
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

function precisionCells({ precision, interval, few }: Precision): string[] {
  if (precision === null || interval === null) return ['–', '']
  const [low, high] = interval
  return [percent(precision), `${percent(low)} to ${percent(high)}${few ? ', few' : ''}`]
}
