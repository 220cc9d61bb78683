import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { explain, type Explained } from '../adapters/hj212/explain.ts'

export function hj212Command(): Command {
  return new Command('hj212').description('HJ 212 monitors').addCommand(decodeCommand())
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
