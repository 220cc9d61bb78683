import { createWriteStream, existsSync, readFileSync, statSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Command } from 'commander'
import { fingerprintFrom } from '../gateway/evidence/evidence-key.ts'
import { verifyCaseFile, type Damage, type Verification } from '../gateway/evidence/verify.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { Refused } from './api.ts'
import { Progress } from './progress.ts'
import { httpOptions, targetOf, tokenOf, type TargetOptions } from './target.ts'

export function caseCommand(): Command {
  return new Command('case')
    .description('the file of a case (一哨一档)')
    .addCommand(exportCommand())
    .addCommand(verifyCommand())
}

function exportCommand(): Command {
  return httpOptions(new Command('export'))
    .description('write the file of a case: a ZIP with a report to read and print, and parts for programs')
    .argument('<id>', 'the case')
    .option('--out <file>', 'where to write it (default: the id, with .zip)')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle case export 20241127-cooking-fume-1a2b3c4d --out case.zip`,
    )
    .action(async (id: string, options: TargetOptions & { out?: string }) => {
      const target = targetOf(options)
      const out = options.out ?? `${id.replaceAll(/[^\w.-]/g, '_')}.zip`
      const bytes = await download(
        new URL(`/api/v1/cases/${encodeURIComponent(id)}/export`, target.httpUrl),
        tokenOf(target),
        out,
      )
      process.stdout.write(`${out}: ${bytes} bytes\n`)
    })
}

/** What was there under the name stays until all of the new one is there. */
async function download(url: URL, token: string, out: string): Promise<number> {
  let response: Response
  try {
    response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  } catch (error) {
    throw new Error(`cannot reach ${url.origin}`, { cause: error })
  }
  if (!response.ok || response.body === null)
    throw new Refused(response.status, await response.json().catch(() => null))
  const part = `${out}.part`
  const progress = new Progress('exporting')
  let bytes = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.byteLength
      // How long it will be, nobody knows before its end.
      progress.update(bytes, bytes, `${(bytes / 1e6).toFixed(1)} MB`)
      done(null, chunk)
    },
  })
  try {
    await pipeline(Readable.fromWeb(response.body), counted, createWriteStream(part))
    await rename(part, out)
  } catch (error) {
    await rm(part, { force: true })
    throw new Error(`${out} was not written whole`, { cause: error })
  } finally {
    progress.stop()
  }
  return bytes
}

function verifyCommand(): Command {
  return new Command('verify')
    .description(
      'say whether a byte of a case file has changed since it was exported, and where; works offline',
    )
    .argument('<file>', 'the ZIP')
    .option(
      '--key <key>',
      'key that must have signed it: its fingerprint, the key itself, or a file with either (GET /api/v1/evidence-key)',
    )
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Exit 0: intact. 1: something has changed. 2: there is no such file, or the key is none.

Example:
  gridwhistle case verify case.zip --key evidence-key.txt`,
    )
    .action(async (file: string, { key, json }: { key?: string; json?: true }) => {
      if (!existsSync(file) || !statSync(file).isFile())
        throw new WrongUsage(`${file}: there is no such file`)
      const progress = new Progress('verifying')
      const found = await verifyCaseFile(file, keyNamed(key), (done, total) => progress.update(done, total))
      progress.stop()
      process.stdout.write(json === true ? `${JSON.stringify(found)}\n` : written(found))
      if (!found.intact) throw new Error(`${file} is not as it was exported`)
    })
}

function keyNamed(key: string | undefined): string | undefined {
  if (key === undefined) return undefined
  const text = existsSync(key) && statSync(key).isFile() ? readFileSync(key, 'utf8') : key
  const fingerprint = fingerprintFrom(text)
  if (fingerprint === undefined)
    throw new WrongUsage('--key: expected a fingerprint, an Ed25519 key (PEM or base64), or a file with one')
  return fingerprint
}

function written(found: Verification): string {
  const lines = [
    ...(found.case === null ? [] : [`case ${found.case}: ${found.entries} entries, ${found.parts} parts`]),
    ...found.damage.map((damage) => `changed: ${lineOf(damage)}`),
    ...(found.fingerprint === null ? [] : [`key: ${found.fingerprint}${trust(found)}`]),
    found.intact ? 'intact: every byte is as it was signed' : 'NOT intact',
  ]
  return `${lines.map(printable).join('\n')}\n`
}

function lineOf({ part, what }: Damage): string {
  return part === undefined ? what : `${part}: ${what}`
}

function trust({ isExpectedKey }: Verification): string {
  if (isExpectedKey === null) return ' (whose it is, only --key can tell)'
  return isExpectedKey ? ' (the expected one)' : ' (NOT the expected one)'
}

/** Names in the file are somebody else's: they do not command the terminal. */
function printable(line: string): string {
  return line.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}
