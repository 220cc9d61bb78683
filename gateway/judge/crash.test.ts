import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Database } from '../registry/database.ts'
import { newFolder, PlainBook, type Recorded } from './judge.fixture.ts'

const program = fileURLToPath(new URL('./judge-until-killed.fixture.ts', import.meta.url))
const READINGS = 8_000
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

test(
  'kill −9 anywhere, also around a change of the rules, neither loses nor doubles an alarm',
  { timeout: 120_000 },
  async () => {
    const [calm, stormy] = folders.map(({ path }) => path) as [string, string]
    expect(await run(calm, Infinity)).toBe('done')
    // The rules change at the middle: two of the kills are right before and right after.
    for (const share of [1 / 7, 2 / 7, 0.499, 0.502, 5 / 7, 6 / 7]) {
      expect(await run(stormy, READINGS * share)).toBe('killed')
    }
    expect(await run(stormy, Infinity)).toBe('done')
    const expected = settled(calm)
    expect(expected.length).toBeGreaterThan(100)
    expect(expected.filter(({ reason }) => reason === 'rule_removed').length).toBeGreaterThan(0)
    expect(settled(stormy)).toEqual(expected)
  },
)
