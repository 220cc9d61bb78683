import { Command } from 'commander'
import { readDistrict } from '../gateway/district/district.ts'
import { findingLine } from '../gateway/district/finding.ts'

export function districtCommand(): Command {
  return new Command('district').description('the district file').addCommand(checkCommand())
}

/** A file with mistakes in it, which have been told one by one. */
class UnfitDistrict extends Error {
  override readonly name = 'UnfitDistrict'
}

function checkCommand(): Command {
  return new Command('check')
    .description('find every mistake in a district file: names, numbers, rosters, places; needs no gateway')
    .argument('<file>', 'district file (YAML)')
    .option('--json', 'print the findings as JSON')
    .option('--allow-warnings', 'exit 0 when there is nothing that keeps a gateway from starting')
    .addHelpText(
      'after',
      `
Errors keep a gateway from starting; warnings (an hour in which nobody is on duty, a site that lies elsewhere) do not.

Example:
  gridwhistle district check gateway/district/districts/harbour.yaml`,
    )
    .action((file: string, { json, allowWarnings }: { json?: true; allowWarnings?: true }) => {
      const { district, findings } = readDistrict(file)
      const errors = findings.filter(({ severity }) => severity === 'error').length
      const warnings = findings.length - errors
      const ok = errors === 0 && (allowWarnings === true || warnings === 0)
      if (json === true) {
        const problems = findings.map((finding) => ({ file, ...finding }))
        process.stdout.write(`${JSON.stringify({ ok, district: district?.id ?? null, problems })}\n`)
      } else {
        for (const finding of findings) process.stdout.write(`${findingLine(file, finding, finding.line)}\n`)
        if (district !== null && findings.length === 0) {
          const { streets, teams, sites = [] } = district
          const parts = [`${streets.length} streets`, `${teams.length} teams`, `${sites.length} sites`]
          process.stdout.write(`${district.id}: ${parts.join(', ')}, all right\n`)
        }
      }
      if (!ok)
        throw new UnfitDistrict(`${file}: ${counted(errors, 'error')}, ${counted(warnings, 'warning')}`)
    })
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
