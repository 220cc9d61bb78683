import { Command } from 'commander'
import type { BackTest } from '../gateway/backtest/backtest.ts'
import { MANNING } from '../gateway/backtest/crews.ts'
import { loadConfig } from '../gateway/config.ts'
import { differenceLines, shown, ZONE } from './alarm-lines.ts'
import { duration, wholeNumber } from './options.ts'
import { overHistory, stretchOptions, type Stretch } from './over-history.ts'
import { rulesIn } from './rules-named.ts'

interface Options extends Stretch {
  crews: number
  travel?: number
  handle?: number
  json?: true
}

export function backTestCommand(): Command {
  return stretchOptions(
    new Command('backtest')
      .description(
        'judge the stored history by rules: alarms, cases, load, and the difference to what happened',
      )
      .argument('<file...>', 'rule files (YAML)'),
  )
    .option('--crews <n>', 'crews of each team', wholeNumber(1, 1000), MANNING.crews)
    .option('--travel <time>', 'from taking a case to being on site (default: 10m)', duration)
    .option('--handle <time>', 'from there until it is handled (default: 30m)', duration)
    .option('--json', 'print the whole answer as JSON')
    .addHelpText(
      'after',
      `
Reads the historian and registry.db and changes nothing; the gateway may run meanwhile or not.

Example:
  gridwhistle rules backtest rules/packs/*.yaml --from 2024-06-01 --to 2024-07-01`,
    )
    .action(async (files: string[], options: Options) => {
      const rules = rulesIn(files, loadConfig(options.config, process.env))
      const { crews, travel: travelMs = MANNING.travelMs, handle: handleMs = MANNING.handleMs } = options
      const [answer] = await overHistory([rules], options, { crews, travelMs, handleMs })
      process.stdout.write(options.json === true ? `${JSON.stringify(answer)}\n` : described(answer!))
    })
}

function described(answer: BackTest): string {
  const { alarms, cases, difference, missed, load } = answer
  const spoken = cases.filter(({ endedAt }) => endedAt !== undefined).length
  const busiest = load.toSorted((a, b) => b.open - a.open || b.cases - a.cases).slice(0, 3)
  const lines = [
    `${shown(answer.from)} to ${shown(answer.to)}, ${ZONE}`,
    `${answer.readings} readings of ${answer.devices} devices judged by ${answer.rules} rules, ${answer.late} too late`,
    `${alarms.length} alarms, ${cases.length} cases${spoken > 0 ? `, ${spoken} of them ended after speaking` : ''}`,
    `missed with ${missed.crews} crews a team: respond ${missed.respond}, arrive ${missed.arrive}, resolve ${missed.resolve}`,
    ...busiest.map(
      ({ team, hour, cases, open }) => `busy: ${team}, ${shown(hour)}: ${cases} new, ${open} open at once`,
    ),
    ...differenceLines(difference, 'then', 'now'),
  ]
  return `${lines.join('\n')}\n`
}
