import { Command } from 'commander'
import { loadKinds } from '../gateway/model/kinds.ts'
import { readRules, RuleError } from '../rules/pack.ts'
import { backTestCommand } from './backtest.ts'
import { diffCommand } from './diff.ts'
import { precisionCommand } from './precision.ts'
import { suggestCommand } from './suggest.ts'

export function rulesCommand(): Command {
  return new Command('rules')
    .description('rule files')
    .addCommand(checkCommand())
    .addCommand(backTestCommand())
    .addCommand(diffCommand())
    .addCommand(precisionCommand())
    .addCommand(suggestCommand())
}

function checkCommand(): Command {
  return new Command('check')
    .description('hold rule files against the rule language and the kinds; needs no gateway')
    .argument('<file...>', 'rule files (YAML)')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle rules check rules/packs/*.yaml`,
    )
    .action((files: string[], { json }: { json?: true }) => {
      try {
        const rules = readRules(files, loadKinds()).map(({ id, version }) => ({ id, version }))
        const summary = `${rules.length} rules in ${files.length} files, all right`
        process.stdout.write(
          `${json === true ? JSON.stringify({ ok: true, rules, problems: [] }) : summary}\n`,
        )
      } catch (error) {
        if (!(error instanceof RuleError)) throw error
        const findings = { ok: false, rules: [], problems: error.problems }
        if (json === true) process.stdout.write(`${JSON.stringify(findings)}\n`)
        // Its message is the list of problems, a line each.
        throw error
      }
    })
}
