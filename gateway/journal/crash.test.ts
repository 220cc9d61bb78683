import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Folder } from './journal.fixture.ts'
import { JournalReader } from './reader.ts'
import { verifyJournal } from './verify.ts'

const KILLS = 3
const program = fileURLToPath(new URL('./append-until-killed.fixture.ts', import.meta.url))

let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

/** Runs the appending process until it has said `lines` acknowledgements, kills it, answers all that it said. */
async function appendAndKill(lines: number): Promise<number[]> {
  const child = spawn(process.execPath, [program, folder.file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: number[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(Number(line))
    if (said.length === lines) child.kill('SIGKILL')
  }
  return said
}

test('acknowledged ⇒ journaled, at every kill −9, and the next process can open it at once', async () => {
  const acknowledged: number[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const said = await appendAndKill(200 + kill * 777)
    expect(said.length).toBeGreaterThanOrEqual(200)
    acknowledged.push(...said)

    const report = verifyJournal(folder.file)
    expect(report).toMatchObject({ ok: true, firstSeq: 0, readings: report.head })
    const reader = new JournalReader(folder.file)
    const held = reader
      .read(0, Number.MAX_SAFE_INTEGER)
      .deliveries.flatMap((delivery) => delivery.readings.map((reading) => Number(reading.metrics['fume'])))
    reader.close()
    const there = new Set(held)
    expect(there.size).toBe(held.length)
    expect(acknowledged.filter((value) => !there.has(value))).toEqual([])
  }
})
