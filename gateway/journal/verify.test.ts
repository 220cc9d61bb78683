import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { entryOf, Folder, originOf, writeOf } from './journal.fixture.ts'
import { JournalReader } from './reader.ts'
import { verifyJournal } from './verify.ts'

const origin = originOf('fume-1')

let folder: Folder
beforeEach(async () => {
  folder = new Folder()
  const journal = await folder.open()
  for (let batch = 0; batch < 5; batch++) await journal.append(writeOf(entryOf(origin, [batch, batch])))
  await journal.stop()
})
afterEach(() => folder.remove())

function damage(statement: string): void {
  const sql = new DatabaseSync(folder.file)
  sql.exec(statement)
  sql.close()
}

test('a whole journal is found whole, at rest and while it is written', async () => {
  const whole = {
    batches: 5,
    readings: 10,
    frames: 0,
    firstSeq: 0,
    head: 10,
    gaps: [],
    corrupt: [],
    integrity: 'ok',
    ok: true,
  }
  expect(verifyJournal(folder.file)).toEqual(whole)
  const journal = await folder.open()
  await journal.append(writeOf(entryOf(origin, [1])))
  const seen: number[] = []
  expect(verifyJournal(folder.file, (done) => seen.push(done))).toMatchObject({ head: 11, ok: true })
  expect(seen.at(-1)).toBe(11)
})

test('a journal as a power cut left it is read without being written', async () => {
  const journal = await folder.open()
  await journal.append(writeOf(entryOf(origin, [1])))
  const crashed = folder.crashed()
  expect(verifyJournal(crashed.file)).toMatchObject({ head: 11, ok: true })
  await crashed.remove()
})

test.each([
  ['a changed body', 'UPDATE batches SET body = zeroblob(length(body)) WHERE first = 8', 8, /checksum/],
  ['a missing origin', 'DELETE FROM origins', 0, /origin 0 is missing/],
])('%s is found, and reading that batch names it', (_, statement, first, reason) => {
  damage(statement)
  const report = verifyJournal(folder.file)
  expect(report.ok).toBe(false)
  expect(report.corrupt[0]).toMatchObject({ first, reason: expect.stringMatching(reason) as string })
  const reader = new JournalReader(folder.file)
  expect(() => reader.read(first, 1)).toThrow(new RegExp(`batch ${first}–${first + 1} is damaged`))
  reader.close()
})

test('a batch that is missing between others is a gap', () => {
  damage('DELETE FROM batches WHERE first = 4')
  expect(verifyJournal(folder.file)).toMatchObject({ ok: false, gaps: [{ from: 4, to: 6 }], readings: 8 })
})
