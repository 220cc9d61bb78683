import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { loadConfig } from '../gateway/config.ts'
import { verifyAudit } from '../gateway/registry/audit-chain.ts'
import { Progress } from './progress.ts'

interface Options {
  config?: string
  noted?: { id: number; hash: string }
  json?: true
}

const SAID = {
  missing: 'is missing',
  changed: 'does not follow from the one before: it was changed, or what was before it',
  unchained: 'has no hash',
  cut_off: 'and what followed it were cut off',
  other_head: 'is not the one that was noted',
} as const

export function auditCommand(): Command {
  return new Command('audit').description('who changed what and saw whose data').addCommand(verifyCommand())
}

function verifyCommand(): Command {
  return new Command('verify')
    .description('check the chain of the whole audit; changes nothing, live or not')
    .argument('[file]', 'registry.db (default: the one in dataDir)')
    .option('--noted <id:hash>', 'a head that an earlier run has printed and that must still hold', head)
    .option('--config <file>', 'gateway.yaml that names dataDir')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Whoever can write the file can write the whole chain anew. Note the head elsewhere and give it next time.

Example:
  gridwhistle audit verify data/registry.db --noted 4711:9f86d081…`,
    )
    .action((file: string | undefined, { config, noted, json }: Options) => {
      const registry = file ?? join(loadConfig(config, process.env).dataDir, 'registry.db')
      const progress = new Progress('verifying')
      const report = verifyAudit(registry, noted, (done, total) => progress.update(done, total))
      progress.stop()
      if (json === true) {
        process.stdout.write(`${JSON.stringify(report)}\n`)
      } else {
        const { entries, head: end, faults } = report
        process.stdout.write(`${entries} entries${end === null ? '' : `, head ${end.id}:${end.hash}`}\n`)
        for (const { id, what } of faults) process.stdout.write(`entry ${id} ${SAID[what]}\n`)
      }
      if (!report.ok) throw new Error('the audit was tampered with or is damaged')
    })
}

function head(text: string): { id: number; hash: string } {
  const [, id, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (id !== undefined && hash !== undefined) return { id: Number(id), hash }
  throw new InvalidArgumentError(
    'Expected a head as it is printed: its number, a colon, 64 hexadecimal digits.',
  )
}
