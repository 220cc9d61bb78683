import { Command, InvalidArgumentError } from 'commander'
import { DateTime } from 'luxon'
import type { BackTest } from '../gateway/backtest/backtest.ts'
import { backTest } from '../gateway/backtest/backtest.ts'
import { MANNING } from '../gateway/backtest/crews.ts'
import { withSources } from '../gateway/backtest/sources.ts'
import { loadConfig } from '../gateway/config.ts'
import type { Finding } from '../gateway/dispatch/opening.ts'
import { loadKinds } from '../gateway/model/kinds.ts'
import { readRules } from '../rules/pack.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { stopSignal } from './exit.ts'
import { duration, wholeNumber } from './options.ts'
import { Progress } from './progress.ts'

interface Options {
  from?: number
  to?: number
  devices?: string[]
  crews: number
  travel?: number
  handle?: number
  config?: string
  json?: true
}

/** How far back when nobody says, ms. */
const WEEK = 7 * 86_400_000
/** Lines of each list that a person is shown. */
const SHOWN = 10
/** Steps of the progress bar. */
const STEPS = 1000

export function backTestCommand(): Command {
  return new Command('backtest')
    .description(
      'judge the stored history by rules: alarms, cases, load, and the difference to what happened',
    )
    .argument('<file...>', 'rule files (YAML)')
    .option('--from <time>', 'alarms that began at or after (default: a week before --to)', time)
    .option('--to <time>', 'and before (default: now)', time)
    .option('--devices <ids>', 'only these, with commas between', (text) => text.split(','))
    .option('--crews <n>', 'crews of each team', wholeNumber(1, 1000), MANNING.crews)
    .option('--travel <time>', 'from taking a case to being on site (default: 10m)', duration)
    .option('--handle <time>', 'from there until it is handled (default: 30m)', duration)
    .option('--config <file>', 'gateway.yaml that names the historian and dataDir')
    .option('--json', 'print the whole answer as JSON')
    .addHelpText(
      'after',
      `
Reads the historian and registry.db and changes nothing; the gateway may run meanwhile or not.

Example:
  gridwhistle rules backtest rules/packs/*.yaml --from 2024-06-01 --to 2024-07-01`,
    )
    .action(async (files: string[], options: Options) => {
      const config = loadConfig(options.config, process.env)
      const rules = readRules(files, loadKinds())
      const now = Date.now()
      const { to = now, from = to - WEEK, devices, crews } = options
      const { travel: travelMs = MANNING.travelMs, handle: handleMs = MANNING.handleMs } = options
      if (from >= to) throw new WrongUsage('--from must be before --to')
      const progress = new Progress('judging')
      const signal = stopSignal()
      try {
        const answer = await withSources(config, now, (sources) =>
          backTest(
            {
              rules,
              from,
              to,
              ...(devices !== undefined && { devices }),
              manning: { crews, travelMs, handleMs },
            },
            sources,
            (share, device) => progress.update(Math.round(share * STEPS), STEPS, device),
            signal,
          ),
        )
        progress.stop()
        process.stdout.write(options.json === true ? `${JSON.stringify(answer)}\n` : described(answer))
      } finally {
        progress.stop()
      }
    })
}

const ZONE = 'Asia/Shanghai'

/** Epoch milliseconds, a day (its beginning in China) or ISO 8601. */
function time(text: string): number {
  const ms = /^\d{1,16}$/.test(text) ? Number(text) : DateTime.fromISO(text, { zone: ZONE }).toMillis()
  if (Number.isSafeInteger(ms)) return ms
  throw new InvalidArgumentError('Expected a time such as 2024-06-01, 2024-06-01T12:00:00+08:00 or epoch ms.')
}

function shown(ms: number): string {
  return DateTime.fromMillis(ms, { zone: ZONE }).toFormat("yyyy-LL-dd'T'HH:mm:ss")
}

function described(answer: BackTest): string {
  const { alarms, cases, difference, missed, load } = answer
  const { onlyBefore, onlyAfter, different, same } = difference
  const busiest = load.toSorted((a, b) => b.open - a.open || b.cases - a.cases).slice(0, 3)
  const lines = [
    `${shown(answer.from)} to ${shown(answer.to)}, ${ZONE}`,
    `${answer.readings} readings of ${answer.devices} devices judged by ${answer.rules} rules, ${answer.late} too late`,
    `${alarms.length} alarms, ${cases.length} cases`,
    `missed with ${missed.crews} crews a team: respond ${missed.respond}, arrive ${missed.arrive}, resolve ${missed.resolve}`,
    ...busiest.map(
      ({ team, hour, cases, open }) => `busy: ${team}, ${shown(hour)}: ${cases} new, ${open} open at once`,
    ),
    `as it happened: ${same}; only then: ${onlyBefore.length}; only now: ${onlyAfter.length}; different: ${different.length}`,
    ...table(difference.rules),
    ...some('only then', onlyBefore, line),
    ...some('only now', onlyAfter, line),
    ...some('different', different, ({ before, after }) => `${line(before)}  →  ${line(after)}`),
  ]
  return `${lines.join('\n')}\n`
}

function table(rules: BackTest['difference']['rules']): string[] {
  if (rules.length === 0) return []
  const rows = [
    ['rule', 'then', 'now', 'only then', 'only now', 'different'],
    ...rules.map(({ rule, ...counts }) =>
      [rule, counts.before, counts.after, counts.onlyBefore, counts.onlyAfter, counts.different].map(String),
    ),
  ]
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)))
  return rows.map((row) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '),
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
