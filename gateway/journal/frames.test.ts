import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JournalEntry, WireForm, WireText } from '../model/pipeline.ts'
import { entryOf, Folder, originOf, writeOf } from './journal.fixture.ts'
import { JournalReader } from './reader.ts'
import { verifyJournal } from './verify.ts'

const origin = originOf('fume-1')

let folder: Folder
let reader: JournalReader | undefined
beforeEach(() => {
  folder = new Folder()
})
afterEach(async () => {
  reader?.close()
  reader = undefined
  await folder.remove()
})

const form: WireForm = { wire: 'hj212', checksum: 'annex-a', masked: [] }
const wireOf = (frame: string): WireText => ({ ...form, frames: [frame, '油烟'] })
const framed = (values: readonly number[], frame: string): JournalEntry => ({
  ...entryOf(origin, values),
  wire: { form, frames: [Buffer.from(frame), Buffer.from('油烟')], leftOut: 0 },
})
function reading(): JournalReader {
  reader?.close()
  return (reader = new JournalReader(folder.file))
}
function change(statements: string): void {
  const sql = new DatabaseSync(folder.file)
  sql.exec(statements)
  sql.close()
}

test('what came over a wire is kept beside its readings, across a restart, and readers of readings do not see it', async () => {
  let journal = await folder.open()
  await Promise.all([
    journal.append(writeOf(entryOf(origin, [1]))),
    journal.append(writeOf(framed([2, 3], 'a'))),
    journal.append(writeOf(framed([4], 'b'))),
  ])
  await journal.stop()
  journal = await folder.open()
  await journal.append(writeOf(framed([5], 'c')))
  expect([0, 1, 2, 3, 4, 5].map((seq) => reading().wire(seq)?.frames[0])).toEqual([
    undefined,
    'a',
    undefined,
    'b',
    'c',
    undefined,
  ])
  expect(reading().wire(1)).toEqual(wireOf('a'))
  const plain = [[1], [2, 3], [4], [5]].map((values) => entryOf(origin, values))
  const { messages } = journal.messages(0, 100)
  expect(messages.map(({ body }) => Buffer.from(body).toString())).toEqual(
    plain.map(({ body }) => Buffer.from(body).toString()),
  )
  expect(Object.keys(messages[1]!)).not.toContain('wire')
  expect(journal.read(0, 100).deliveries.map(({ readings }) => readings)).toEqual(
    plain.map(({ readings }) => readings),
  )
  expect(verifyJournal(folder.file)).toMatchObject({ readings: 5, frames: 3, ok: true })
})

test('frames that are no UTF-8 come back as base64, and what was left out is said', async () => {
  const journal = await folder.open()
  const bytes = Buffer.from([0x23, 0xd6, 0xd0])
  const entry = entryOf(origin, [1])
  await journal.append(writeOf({ ...entry, wire: { form, frames: [bytes], leftOut: 3 } }))
  expect(reading().wire(0)).toEqual({
    ...form,
    frames: [bytes.toString('base64')],
    encoding: 'base64',
    leftOut: 3,
  })
})

test('frames of one batch may have come in different forms, and are copied when they are handed over', async () => {
  const journal = await folder.open()
  const forms = [form, { ...form, checksum: 'modbus' }, { ...form, masked: ['PW'] }]
  const bytes = Buffer.from('a'.repeat(5000))
  const writes = Array.from({ length: 60 }, async (_, i) => {
    bytes.fill(0x61 + (i % 26))
    const wire = { form: forms[i % 3]!, frames: [bytes, bytes.subarray(0, i)], leftOut: 0 }
    await journal.append(writeOf({ ...entryOf(origin, [i, i]), wire }))
  })
  await Promise.all(writes)
  for (let i = 0; i < 60; i++) {
    const letter = String.fromCharCode(0x61 + (i % 26))
    const frames = [letter.repeat(5000), letter.repeat(i)]
    expect(reading().wire(2 * i)).toEqual({ ...forms[i % 3], frames })
  }
})

test('a journal from before there were frames is read as ever, and keeps them from then on', async () => {
  let journal = await folder.open()
  await journal.append(writeOf(entryOf(origin, [1, 2])))
  await journal.stop()
  change('DROP TABLE frames')
  expect(verifyJournal(folder.file)).toMatchObject({ readings: 2, frames: 0, ok: true })
  const before = reading()
  expect(before.wire(0)).toBeUndefined()
  journal = await folder.open()
  await journal.append(writeOf(framed([3], 'a')))
  expect(before.wire(2)).toEqual(wireOf('a'))
  expect(journal.read(0, 100).deliveries.flatMap(({ readings }) => readings)).toHaveLength(3)
})

test('frames go with their batch', async () => {
  let now = 1_718_000_000_000
  const journal = await folder.open({ clock: { now: () => now }, keepMs: 1000 })
  journal.cursor('historian')
  for (const frame of ['a', 'b', 'c']) await journal.append(writeOf(framed([1], frame)))
  now += 120_000
  await journal.advance('historian', 3)
  await expect.poll(() => journal.tail(), { timeout: 5000 }).toBe(2)
  expect([0, 1, 2].map((seq) => reading().wire(seq)?.frames[0])).toEqual([undefined, undefined, 'c'])
})

test('a frame that is not what it was is found; the readings beside it are whole', async () => {
  const journal = await folder.open()
  for (const frame of ['a', 'b']) await journal.append(writeOf(framed([1], frame)))
  await journal.append(writeOf(entryOf(origin, [1])))
  await journal.stop()
  change('UPDATE frames SET body = zeroblob(length(body)) WHERE seq = 1')
  const report = verifyJournal(folder.file)
  expect(report).toMatchObject({ ok: false, readings: 3, frames: 1 })
  expect(report.corrupt).toEqual([
    { first: 1, reason: expect.stringMatching(/frames from reading 1 on are damaged/) as string },
  ])
  expect(() => reading().wire(1)).toThrow(/frames from reading 1 on are damaged/)
  // A batch without frames of its own has nothing to do with those of the batch before.
  expect(reading().wire(2)).toBeUndefined()
})

test('frames count as what waits for the disk', async () => {
  const journal = await folder.open({ maxPendingBytes: 10_000 })
  await expect(journal.append(writeOf(framed([1], 'x'.repeat(20_000))))).rejects.toThrow(
    /waiting for the disk/,
  )
})
