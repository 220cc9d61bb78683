import { Command } from 'commander'
import { stringify } from 'yaml'
import { loadConfig } from '../gateway/config.ts'
import { wilson } from '../gateway/dispatch/precision.ts'
import { LEAST_CASES, suggest, type Outcome, type Suggestion } from '../rules/suggest.ts'
import { columns } from './alarm-lines.ts'
import { compare, describeComparison } from './diff.ts'
import { stretchOptions, type Stretch } from './over-history.ts'
import { rulesNamed, withRulePicture } from './rules-named.ts'

export function suggestCommand(): Command {
  return stretchOptions(
    new Command('suggest')
      .description('propose a limit out of what crews found, and show what it would have done')
      .argument('<id>', 'the rule'),
  )
    .option('--json', 'print suggestion and back-test as JSON')
    .addHelpText(
      'after',
      `
The limit on the peak of an alarm that keeps the greatest share of the confirmed cases less the share of the false
ones (false_alarm, not_found), out of ${LEAST_CASES} of each at least. It is stricter than the present one, for of what was
never raised nobody knows whether it was right. Nothing activates by itself: the draft is for you to read, to test
over another stretch with "rules diff", and to put.

Example:
  gridwhistle rules suggest fume-over-limit --from 2024-06-01`,
    )
    .action(async (id: string, options: Stretch & { json?: true }) => {
      const config = loadConfig(options.config, process.env)
      const rules = rulesNamed(id, config)
      const [rule] = rules
      const verdicts = withRulePicture(config, (picture) => picture.verdicts(rule!.id))
      const found = suggest(rule!, verdicts)
      const comparison = await compare(rules, [found.draft], options)
      const text =
        options.json === true
          ? JSON.stringify({ ...found, backTest: comparison })
          : [...described(id, found), '', ...describeComparison(comparison)].join('\n')
      process.stdout.write(`${text}\n`)
    })
}

function described(id: string, { path, present, proposed, draft }: Suggestion): string[] {
  return [
    `${id}, ${path}: ${present.limit} → ${proposed.limit}`,
    ...columns([
      ['', 'limit', 'confirmed', 'false', 'precision', ''],
      ['present (a)', ...cells(present)],
      ['proposed (b)', ...cells(proposed)],
    ]),
    '',
    stringify({ rules: [draft] }).trimEnd(),
  ]
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

function cells({ limit, confirmed, false: wrong }: Outcome): string[] {
  const [low, high] = wilson(confirmed, confirmed + wrong)
  const precision = percent(confirmed / (confirmed + wrong))
  return [String(limit), String(confirmed), String(wrong), precision, `${percent(low)} to ${percent(high)}`]
}
