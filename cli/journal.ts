import { join } from 'node:path'
import { Command } from 'commander'
import { loadConfig } from '../gateway/config.ts'
import { verifyJournal } from '../gateway/journal/verify.ts'
import { Progress } from './progress.ts'

export function journalCommand(): Command {
  return new Command('journal').description('the durable log').addCommand(verifyCommand())
}

function verifyCommand(): Command {
  return new Command('verify')
    .description('read the whole journal and check every batch of it; changes nothing, live or not')
    .argument('[file]', 'journal.db (default: the one in dataDir)')
    .option('--config <file>', 'gateway.yaml that names dataDir')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle journal verify data/journal.db`,
    )
    .action((file: string | undefined, { config, json }: { config?: string; json?: true }) => {
      const journal = file ?? join(loadConfig(config, process.env).dataDir, 'journal.db')
      const progress = new Progress('verifying')
      const report = verifyJournal(journal, (done, total) => progress.update(done, total))
      progress.stop()
      if (json === true) {
        process.stdout.write(`${JSON.stringify(report)}\n`)
      } else {
        const { readings, batches, frames, firstSeq, head, gaps, corrupt, integrity } = report
        process.stdout.write(`${readings} readings in ${batches} batches, numbers ${firstSeq} to ${head}\n`)
        if (frames > 0) process.stdout.write(`${frames} messages with what came over their wire\n`)
        for (const { from, to } of gaps) process.stdout.write(`missing: ${from} to ${to - 1}\n`)
        for (const { first, reason } of corrupt)
          process.stdout.write(`damaged: from reading ${first}: ${reason}\n`)
        if (integrity !== 'ok') process.stdout.write(`SQLite: ${integrity}\n`)
      }
      if (!report.ok) throw new Error('the journal is damaged')
    })
}
