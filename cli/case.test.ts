import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN_TOKEN, fume, Site } from '../gateway/http/server.fixture.ts'

const command = fileURLToPath(new URL('gridwhistle.ts', import.meta.url))

let site: Site
let folder: string
let id: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-case-'))
  site = await new Site().start()
  await site.device(fume('fume-1'))
  id = site.alarm({ device: 'fume-1' })!
})
afterAll(async () => {
  await site.stop()
  rmSync(folder, { recursive: true })
})

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, GW_ADMIN_TOKEN: ADMIN_TOKEN }
  try {
    const done = await promisify(execFile)(process.execPath, [command, 'case', ...args], { env, cwd: folder })
    return { code: 0, out: done.stdout, err: done.stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, out: stdout, err: stderr }
  }
}

test('a case is exported, and verify says what became of the file', async () => {
  expect(await run('export', id, '--url', site.origin, '--out', 'case.zip')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^case\.zip: \d+ bytes\n$/) as string,
  })
  const { fingerprint, publicKey } = site.parts.evidenceKey.public
  writeFileSync(join(folder, 'key.txt'), `${publicKey}\n`)
  expect(await run('verify', 'case.zip', '--key', 'key.txt')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/\(the expected one\)\nintact: every byte is as it was signed\n$/) as string,
  })

  const bytes = readFileSync(join(folder, 'case.zip'))
  bytes[100]! ^= 1
  writeFileSync(join(folder, 'changed.zip'), bytes)
  const changed = await run('verify', 'changed.zip', '--key', fingerprint, '--json')
  expect(changed).toMatchObject({ code: 1, err: expect.stringMatching(/not as it was exported/) as string })
  expect(JSON.parse(changed.out)).toMatchObject({ intact: false, case: id, isExpectedKey: true })
})

test('a case that is not there leaves no file, and wrong usage is told apart from a changed file', async () => {
  const before = readdirSync(folder)
  expect(await run('export', 'nothing', '--url', site.origin)).toMatchObject({
    code: 1,
    err: expect.stringContaining('case "nothing" does not exist (404)') as string,
  })
  expect(readdirSync(folder)).toEqual(before)
  expect(await run('verify', 'nothing.zip')).toMatchObject({ code: 2 })
  expect(await run('verify', 'case.zip', '--key', 'nonsense')).toMatchObject({ code: 2 })
})
