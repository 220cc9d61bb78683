import { Command } from 'commander'
import { loadConfig } from '../gateway/config.ts'
import { RuleError, ruleFilesIn } from '../rules/pack.ts'
import { backTestCommand } from './backtest.ts'
import { diffCommand } from './diff.ts'
import { precisionCommand } from './precision.ts'
import { rulesIn } from './rules-named.ts'
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
    .description('hold rule files against the rule language, the kinds and the district; needs no gateway')
    .argument('<file...>', 'rule files (YAML), or folders of which all are taken, as rules.dir would')
    .option('--config <file>', 'gateway.yaml that names the district, whose areas rules may name')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle rules check rules/packs/*.yaml`,
    )
    .action((paths: string[], { json, config }: { json?: true; config?: string }) => {
      try {
        const files = ruleFilesIn(paths)
        const rules = rulesIn(files, loadConfig(config, process.env)).map(({ id, version }) => ({
          id,
          version,
        }))
        const summary = `${counted(rules.length, 'rule')} in ${counted(files.length, 'file')}, all right`
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

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
