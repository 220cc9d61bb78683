import { statSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SqliteJournal } from './journal.ts'
import { entryOf, Folder, originOf, writeOf } from './journal.fixture.ts'
import { verifyJournal } from './verify.ts'

const HOUR = 3_600_000
const origin = originOf('fume-1')

let folder: Folder
let now: number
const clock = { now: () => now }
beforeEach(() => {
  folder = new Folder()
  now = 1_718_000_000_000
})
afterEach(() => folder.remove())

async function fill(journal: SqliteJournal, batches: number): Promise<void> {
  for (let batch = 0; batch < batches; batch++) await journal.append(writeOf(entryOf(origin, [batch])))
}

async function tidied(journal: SqliteJournal, tail: number): Promise<void> {
  await expect.poll(() => journal.tail(), { timeout: 5000 }).toBe(tail)
}

test('a batch goes once every consumer is past it and it is old enough, and no sooner', async () => {
  const journal = await folder.open({ clock, keepMs: HOUR })
  journal.cursor('historian')
  journal.cursor('rules')
  await fill(journal, 10)
  now += 2 * HOUR
  await fill(journal, 10)
  await journal.advance('historian', 20)
  await journal.advance('rules', 5)
  await tidied(journal, 5)
  await journal.advance('rules', 15)
  // Readings 10 to 14 are past both cursors, but too young.
  await tidied(journal, 10)
  now += 2 * HOUR
  await tidied(journal, 15)
  await journal.advance('rules', 20)
  // The newest batch stays: it tells the head.
  await tidied(journal, 19)
  await journal.stop()
  const again = await folder.open({ clock })
  expect([again.tail(), again.head()]).toEqual([19, 20])
  expect(again.read(0, 100).deliveries.map((delivery) => delivery.seq)).toEqual([19])
  expect(again.cursor('newcomer')).toBe(19)
})

test('the cursor of a consumer that is not of this run holds nothing back, and is kept', async () => {
  let journal = await folder.open({ clock, keepMs: HOUR })
  await fill(journal, 10)
  await journal.advance('old historian', 2)
  await journal.stop()
  journal = await folder.open({ clock, keepMs: HOUR })
  journal.cursor('historian')
  now += 2 * HOUR
  await journal.advance('historian', 8)
  await tidied(journal, 8)
  // What it had not read is gone: it goes on from the tail.
  expect(journal.cursor('old historian')).toBe(8)
})

test('a drained backlog gives its pages back to the disk, and the journal stays whole meanwhile', async () => {
  const journal = await folder.open({ clock, keepMs: HOUR })
  journal.cursor('historian')
  const text = Buffer.from(JSON.stringify({ ts: 1, metrics: {}, filler: 'x'.repeat(1024 * 1024) }))
  for (let batch = 0; batch < 40; batch++)
    await journal.append(writeOf({ ...entryOf(origin, [batch]), body: text }))
  now += 2 * HOUR
  await journal.advance('historian', 40)
  await tidied(journal, 39)
  await expect
    .poll(() => statSync(folder.file).size, { timeout: 20_000, interval: 100 })
    .toBeLessThan(20 * 1024 * 1024)
  await fill(journal, 5)
  expect(verifyJournal(folder.file)).toMatchObject({ ok: true, readings: 6, firstSeq: 39, head: 45 })
})
