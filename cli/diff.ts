import { Command } from 'commander'
import type { BackTest } from '../gateway/backtest/backtest.ts'
import { differenceOf, type Difference } from '../gateway/backtest/difference.ts'
import { loadConfig } from '../gateway/config.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { columns, differenceLines, shown, ZONE } from './alarm-lines.ts'
import { overHistory, stretchOptions, type Stretch } from './over-history.ts'
import { rulesNamed } from './rules-named.ts'

export function diffCommand(): Command {
  return stretchOptions(
    new Command('diff')
      .description('judge the stored history by two versions of rules and say in what they differ')
      .argument('<a>', 'FILE.yaml, ID (the rule in force) or ID@VERSION')
      .argument('<b>', 'the same'),
  )
    .option('--json', 'print both answers and the difference as JSON')
    .addHelpText(
      'after',
      `
Reads the historian and registry.db and changes nothing; the gateway may run meanwhile or not.

Examples:
  gridwhistle rules diff rules/packs/cooking-fume.yaml mine.yaml --from 2024-06-01 --to 2024-07-01
  gridwhistle rules diff fume-over-limit@3 fume-over-limit`,
    )
    .action(async (a: string, b: string, options: Stretch & { json?: true }) => {
      const config = loadConfig(options.config, process.env)
      const compared = await compare(rulesNamed(a, config), rulesNamed(b, config), options)
      const text = options.json === true ? JSON.stringify(compared) : describeComparison(compared).join('\n')
      process.stdout.write(`${text}\n`)
    })
}

/** Two judgements of the same history. */
export interface Comparison {
  readonly a: BackTest
  readonly b: BackTest
  readonly difference: Difference
}

export async function compare(a: readonly Rule[], b: readonly Rule[], stretch: Stretch): Promise<Comparison> {
  const [before, after] = (await overHistory([a, b], stretch)) as [BackTest, BackTest]
  const difference = differenceOf(
    before.alarms,
    after.alarms.map(({ case: _case, ...alarm }) => alarm),
  )
  return { a: before, b: after, difference }
}

export function describeComparison({ a, b, difference }: Comparison): readonly string[] {
  const row = (name: string, of: BackTest) => [
    name,
    ...[of.alarms.length, of.cases.length, of.missed.respond, of.missed.arrive, of.missed.resolve].map(
      String,
    ),
  ]
  return [
    `${shown(a.from)} to ${shown(a.to)}, ${ZONE}; ${a.devices} devices`,
    ...columns([
      ['', 'alarms', 'cases', 'responses missed', 'arrivals missed', 'ends missed'],
      row('a', a),
      row('b', b),
    ]),
    ...differenceLines(difference, 'a', 'b'),
  ]
}
