import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { csvLine } from '../gateway/registry/csv-line.ts'
import { readDeviceFile, type DeviceRow } from '../gateway/registry/import.ts'
import { parallel } from '../simulators/parallel.ts'
import { Secrets } from '../simulators/secrets.ts'
import { Api, Refused } from './api.ts'
import { Progress } from './progress.ts'
import { httpOptions, targetOf, type TargetOptions, tokenOf } from './target.ts'

interface ImportOptions extends TargetOptions {
  secrets?: string
  json?: true
}

interface Imported {
  readonly created: { readonly id: string; readonly secret: string }[]
  /** Lines of devices that are registered already: they are left as they are. */
  readonly existing: number[]
  readonly problems: { readonly line: number; readonly message: string }[]
}

/** Requests under way at once. */
const PARALLEL = 8

export function devicesCommand(): Command {
  return new Command('devices')
    .description('the registry of devices')
    .addCommand(importCommand())
    .addCommand(listCommand())
}

function importCommand(): Command {
  return httpOptions(new Command('import'))
    .description('register the devices of a CSV file; prints their secrets, this once')
    .argument(
      '<file>',
      'columns id, kind, site, street, grid, and as wanted lon, lat, alt, secret, attr.NAME',
    )
    .option('--secrets <file>', 'write the secrets here (mode 0600) instead of printing them')
    .option('--json', 'print the outcome as JSON')
    .addHelpText(
      'after',
      `
A file that is not right in itself registers nothing; a device that the gateway refuses is named by its line, and
the others are registered. Devices that are there already are left as they are: mend the file and run it again.

Example:
  gridwhistle devices import kitchens.csv --secrets kitchens.secrets.json`,
    )
    .action(async (file: string, options: ImportOptions) => {
      const { rows, problems } = readDeviceFile(readFileSync(file))
      const target = targetOf(options)
      const imported: Imported = { created: [], existing: [], problems: [...problems] }
      if (problems.length === 0) await register(rows, new Api(target.httpUrl, tokenOf(target)), imported)
      if (options.secrets !== undefined) {
        const secrets = new Secrets(options.secrets)
        for (const { id, secret } of imported.created) secrets.set(id, secret)
        secrets.save()
      }
      print(imported, options)
      if (imported.problems.length > 0) throw new Error('not every device could be registered')
    })
}

async function register(rows: readonly DeviceRow[], api: Api, imported: Imported): Promise<void> {
  const progress = new Progress('registering')
  let done = 0
  try {
    await parallel(rows, PARALLEL, async ({ line, device, secret }) => {
      try {
        const body = { ...(device as object), ...(secret !== undefined && { secret }) }
        const created = (await api.post('/api/v1/devices', body)) as { id: string; secret: string }
        imported.created.push({ id: created.id, secret: created.secret })
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        if (error.status === 409) imported.existing.push(line)
        else imported.problems.push({ line, message: error.message })
      }
      progress.update(++done, rows.length)
    })
  } finally {
    progress.stop()
  }
  imported.problems.sort((a, b) => a.line - b.line)
}

function print({ created, existing, problems }: Imported, { secrets, json }: ImportOptions): void {
  const shown = secrets === undefined ? created : created.map(({ id }) => ({ id }))
  if (json === true) {
    process.stdout.write(`${JSON.stringify({ created: shown, existing: existing.length, problems })}\n`)
    return
  }
  for (const { line, message } of problems) process.stderr.write(`line ${line}: ${message}\n`)
  process.stderr.write(
    `${created.length} registered, ${existing.length} there already, ${problems.length} refused\n`,
  )
  if (secrets !== undefined || created.length === 0) return
  process.stdout.write(csvLine(['id', 'secret']))
  for (const { id, secret } of created) process.stdout.write(csvLine([id, secret]))
}

interface ListOptions extends TargetOptions {
  kind?: string
  street?: string
  site?: string
  json?: true
}

function listCommand(): Command {
  return httpOptions(new Command('list'))
    .description('show registered devices')
    .option('--kind <kind>', 'only this kind')
    .option('--street <id>', 'only this street')
    .option('--site <id>', 'only this site')
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle devices list --kind cooking_fume --street tangzhazhen`,
    )
    .action(async (options: ListOptions) => {
      const target = targetOf(options)
      const api = new Api(target.httpUrl, tokenOf(target))
      const query = new URLSearchParams({ limit: '1000' })
      for (const key of ['kind', 'street', 'site'] as const) {
        const value = options[key]
        if (value !== undefined) query.set(key, value)
      }
      for await (const device of api.list(`/api/v1/devices?${query.toString()}`)) {
        process.stdout.write(options.json === true ? `${JSON.stringify(device)}\n` : row(device))
      }
    })
}

function row(device: Record<string, unknown>): string {
  const { online } = (device['presence'] ?? {}) as { online?: boolean }
  const presence = online === undefined ? 'never seen' : online ? 'online' : 'offline'
  const columns = [device['id'], device['kind'], device['site'], device['grid'], presence]
  return `${columns
    .map((value) => String(value).padEnd(28))
    .join(' ')
    .trimEnd()}\n`
}
