import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { explain, type Explained } from '../adapters/hj212/explain.ts'
import type { Stranger } from '../adapters/hj212/strangers.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { Api } from './api.ts'
import { httpOptions, targetOf, type TargetOptions, tokenOf } from './target.ts'

export function hj212Command(): Command {
  return new Command('hj212')
    .description('HJ 212 monitors')
    .addCommand(decodeCommand())
    .addCommand(unknownCommand())
    .addCommand(registerCommand())
}

function apiOf(options: TargetOptions): Api {
  const target = targetOf(options)
  return new Api(target.httpUrl, tokenOf(target))
}

async function strangersOf(api: Api): Promise<readonly Stranger[]> {
  const { items } = (await api.get('/api/v1/hj212/unknown')) as { items: Stranger[] }
  return items
}

function unknownCommand(): Command {
  return httpOptions(new Command('unknown'))
    .description('senders that the gateway does not hear: unknown MN, another checksum, another password')
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle hj212 unknown`,
    )
    .action(async (options: TargetOptions & { json?: true }) => {
      for (const stranger of await strangersOf(apiOf(options))) {
        const { mn, trouble, address, frames, lastSeen, suggestion } = stranger
        const { kind, profile, crc } = suggestion
        const suggested = `${kind ?? '(no kind)'} ${profile ?? '(no profile)'} ${crc}`
        const row = [printable(mn).padEnd(26), trouble.padEnd(10), suggested.padEnd(34), `${frames} frames`]
        const line = `${[...row, `last ${new Date(lastSeen).toISOString()} from ${address}`].join('  ')}\n`
        process.stdout.write(options.json === true ? `${JSON.stringify(stranger)}\n` : line)
      }
    })
}

interface RegisterOptions extends TargetOptions {
  id: string
  site: string
  street: string
  grid: string
  kind?: string
  profile?: string
  json?: true
}

function registerCommand(): Command {
  return httpOptions(new Command('register'))
    .description('register an unknown sender as the gateway suggests; prints its secret, this once')
    .argument('<mn>', 'as `hj212 unknown` shows it')
    .requiredOption('--id <id>', 'id of the new device')
    .requiredOption('--site <id>', 'where it stands')
    .requiredOption('--street <id>', 'its street')
    .requiredOption('--grid <id>', 'its grid')
    .option('--kind <kind>', 'instead of the suggested one')
    .option('--profile <profile>', 'instead of the suggested one')
    .option('--json', 'print the device as JSON')
    .addHelpText(
      'after',
      `
What it has sent before lies in the quarantine and can be retried there.

Example:
  gridwhistle hj212 register 320613000000000000000001 --id fume-1 --site lao-tongzhou --street tangzhazhen --grid tangzhazhen-001`,
    )
    .action(async (mn: string, options: RegisterOptions) => {
      const { id, site, street, grid, json } = options
      const api = apiOf(options)
      const stranger = (await strangersOf(api)).find((one) => one.mn === mn && one.trouble === 'unknown_mn')
      if (stranger === undefined)
        throw new Error('no such unknown sender; `gridwhistle hj212 unknown` lists them')
      const { crc, ...suggested } = stranger.suggestion
      const kind = options.kind ?? suggested.kind
      const profile = options.profile ?? suggested.profile
      if (kind === null || profile === null)
        throw new WrongUsage('its factors are not those of any profile: give --kind and --profile')
      const body = { id, kind, site, street, grid, protocols: { hj212: { mn, profile, crc } } }
      const device = (await api.post('/api/v1/devices', body)) as { secret: string }
      process.stdout.write(json === true ? `${JSON.stringify(device)}\n` : `${id} ${device.secret}\n`)
    })
}

function decodeCommand(): Command {
  return new Command('decode')
    .description('explain HJ 212 frames: what they say, or what is wrong with them')
    .argument('[frame]', 'a frame in quotes, or - for standard input', '-')
    .option('--json', 'one JSON object for each frame')
    .addHelpText(
      'after',
      `
Bytes around the frames are left out. Exit 1 when there is no frame, or one that the gateway would not take.

Example:
  gridwhistle hj212 decode '##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80'
  gridwhistle hj212 decode - < captured.bin`,
    )
    .action((frame: string, { json }: { json?: true }) => {
      const explained = explain(frame === '-' ? readFileSync(0) : Buffer.from(frame))
      for (const one of explained) {
        process.stdout.write(json === true ? `${JSON.stringify(one)}\n` : told(one))
      }
      if (explained.length === 0) throw new Error('there is no frame; one begins with ## and four digits')
      if (explained.some(({ verdict }) => verdict !== 'right')) throw new Error('not every frame is right')
    })
}

function told({ verdict, message, packet, remarks }: Explained): string {
  const lines = [`${verdict}: ${message}`]
  if (packet !== null) {
    const { cp, ...head } = packet
    const known = Object.entries(head).filter(([, value]) => value !== null)
    lines.push(`  ${known.map(([name, value]) => `${name} ${printable(String(value))}`).join(', ')}`)
    for (const [name, value] of cp) lines.push(`  ${printable(name)} = ${printable(value)}`)
  }
  for (const remark of remarks) lines.push(`  note: ${remark}`)
  return `${lines.join('\n')}\n`
}

/** A frame may hold anything: nothing of it may move a terminal's cursor. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�')
}
