import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Database } from '../registry/database.ts'
import { newFolder, PlainBook, type Recorded } from './judge.fixture.ts'

const program = fileURLToPath(new URL('./judge-until-killed.fixture.ts', import.meta.url))
const READINGS = 12_000
const SEED = 20_240_601

let folders: ReturnType<typeof newFolder>[]
beforeEach(() => {
  folders = [newFolder(), newFolder()]
})
afterEach(() => {
  for (const folder of folders) folder.remove()
})

/** Runs the program until it is done, or kills it so many ms after it has begun to write. */
async function run(folder: string, killAfterMs: number | null): Promise<'done' | 'killed'> {
  const args = [program, folder, String(READINGS), String(SEED)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = killAfterMs === null ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  const code = await new Promise<number | null>((resolve) => child.on('exit', resolve))
  clearTimeout(timer)
  return code === 0 ? 'done' : 'killed'
}

function settled(folder: string): Recorded[] {
  const database = new Database(join(folder, 'registry.db'))
  const alarms = new PlainBook(database).settled()
  database.close()
  return alarms
}

test('kill −9 anywhere neither loses nor doubles an alarm', { timeout: 120_000 }, async () => {
  const [calm, stormy] = folders.map(({ path }) => path) as [string, string]
  expect(await run(calm, null)).toBe('done')
  let kills = 0
  // Kills come earlier when the machine is quick, until the history is through.
  for (const afterMs of [450, 600, 500, 700, 550, 800, 650]) {
    if ((await run(stormy, afterMs)) === 'done') break
    kills++
  }
  expect(kills).toBeGreaterThan(2)
  expect(await run(stormy, null)).toBe('done')
  const expected = settled(calm)
  expect(expected.length).toBeGreaterThan(100)
  expect(settled(stormy)).toEqual(expected)
})
