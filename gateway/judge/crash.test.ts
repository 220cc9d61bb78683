import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Database } from '../registry/database.ts'
import { newFolder, PlainBook, type Recorded } from './judge.fixture.ts'

const program = fileURLToPath(new URL('./judge-until-killed.fixture.ts', import.meta.url))
const READINGS = 8_000
const KILLS = 6
const SEED = 20_240_601

let folders: ReturnType<typeof newFolder>[]
beforeEach(() => {
  folders = [newFolder(), newFolder()]
})
afterEach(() => {
  for (const folder of folders) folder.remove()
})

/** Runs the program until it is done, or until it has judged so many readings: then it is killed. */
async function run(folder: string, killAt: number): Promise<'done' | 'killed'> {
  const args = [program, folder, String(READINGS), String(SEED)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'done') return 'done'
    if (Number(line) >= killAt) child.kill('SIGKILL')
  }
  return 'killed'
}

function settled(folder: string): Recorded[] {
  const database = new Database(join(folder, 'registry.db'))
  const alarms = new PlainBook(database).settled()
  database.close()
  return alarms
}

test('kill −9 anywhere neither loses nor doubles an alarm', { timeout: 120_000 }, async () => {
  const [calm, stormy] = folders.map(({ path }) => path) as [string, string]
  expect(await run(calm, Infinity)).toBe('done')
  for (let kill = 1; kill <= KILLS; kill++) {
    expect(await run(stormy, (READINGS * kill) / (KILLS + 1))).toBe('killed')
  }
  expect(await run(stormy, Infinity)).toBe('done')
  const expected = settled(calm)
  expect(expected.length).toBeGreaterThan(100)
  expect(settled(stormy)).toEqual(expected)
})
