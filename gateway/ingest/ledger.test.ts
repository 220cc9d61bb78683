import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { Folder, originOf } from '../journal/journal.fixture.ts'
import { readingsOf } from '../model/body.ts'
import { loadKinds } from '../model/kinds.ts'
import type { Journal } from '../model/pipeline.ts'
import { Duplicates } from './duplicates.ts'
import { ReadingIntake } from './intake.ts'

const NOW = 1_718_000_000_000
const folders: Folder[] = []
afterAll(async () => {
  for (const folder of folders) await folder.remove()
})

function newFolder(): Folder {
  const folder = new Folder()
  folders.push(folder)
  return folder
}

const fume1 = originOf('fume-1')
const kinds = new Map([['cooking_fume', loadKinds().get('cooking_fume')!]])
function intakeOver(journal: Journal): ReadingIntake {
  const intake = new ReadingIntake({
    kinds,
    devices: { origin: (id) => (id === fume1.device ? fume1 : undefined) },
    journal,
    clock: { now: () => NOW },
    maxMessageBytes: 524_288,
    duplicates: new Duplicates(10_000),
  })
  intake.restore()
  return intake
}

const message = (payload: unknown, device = 'fume-1') => ({
  device,
  payload: Buffer.from(JSON.stringify(payload)),
  receivedAt: NOW,
})

const sent = fc.array(
  fc.record({
    ts: fc.integer({ min: NOW, max: NOW + 500 }),
    metrics: fc.record({ fume: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant('x')) }),
  }),
  { minLength: 1, maxLength: 5 },
)

test('the ledger always adds up, and every distinct reading is in the journal once', async () => {
  const journal = await newFolder().open({ quarantineKeep: 100_000 })
  const intake = intakeOver(journal)
  const distinct = new Set<string>()
  let received = 0
  await fc.assert(
    fc.asyncProperty(fc.array(sent, { maxLength: 10 }), async (messages) => {
      await Promise.all(messages.map((readings) => intake.accept(message(readings))))
      for (const reading of messages.flat()) {
        received++
        if (reading.metrics.fume !== 'x') distinct.add(JSON.stringify(reading))
      }
      const ledger = journal.ledger()
      expect(ledger.received).toBe(received)
      expect(ledger.received).toBe(ledger.accepted + ledger.duplicates + ledger.quarantined)
      expect(ledger.accepted).toBe(ledger.stored + ledger.pending)
      expect(ledger.accepted).toBe(distinct.size)
    }),
  )
  const held = journal.read(0, 100_000).deliveries.flatMap(({ readings }) => readings)
  expect(new Set(held.map((reading) => JSON.stringify(reading)))).toEqual(distinct)
  expect(held).toHaveLength(distinct.size)
})

test('a redelivery across a restart is recognised', async () => {
  const folder = newFolder()
  const first = await folder.open()
  const reading = { ts: NOW, metrics: { fume: 1 } }
  await intakeOver(first).accept(message([reading, { metrics: { fume: 2 } }]))
  await first.stop()

  const second = await folder.open()
  expect(await intakeOver(second).accept(message(reading))).toMatchObject({ accepted: 0, duplicates: 1 })
  expect(second.ledger()).toMatchObject({ accepted: 2, duplicates: 1 })
})

test('a retry moves a reading from the quarantine to the accepted ones', async () => {
  const journal = await newFolder().open()
  const intake = intakeOver(journal)
  const { refused } = await intake.accept(message({ ts: NOW, metrics: { fume: 1 } }, 'fume-2'))
  expect(journal.ledger()).toMatchObject({ received: 1, accepted: 0, quarantined: 1 })
  // The quarantine numbers its entries from 1.
  const outcome = await intake.retry({ ...refused[0]!, id: 1, device: 'fume-1' })
  expect(outcome).toMatchObject({ released: true })
  expect(journal.ledger()).toMatchObject({ received: 1, accepted: 1, quarantined: 0 })
})

test('what does not fit into the memory bound is refused together with its duplicates, and nothing else', async () => {
  const journal = await newFolder().open({ maxPendingBytes: 1500 })
  const intake = intakeOver(journal)
  const big = { ts: NOW, metrics: { fume: 1 } }
  const fillers = Array.from({ length: 20 }, (_, i) => ({ ts: NOW + 1 + i, metrics: { fume: 1 } }))
  const filled = fillers.map((reading) => intake.accept(message(reading)))
  const outcomes = await Promise.allSettled([
    ...filled,
    intake.accept(message(big)),
    intake.accept(message(big)),
  ])
  expect(outcomes.slice(-2).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const accepted = outcomes.filter(({ status }) => status === 'fulfilled').length
  expect(accepted).toBeGreaterThan(0)
  expect(journal.ledger()).toMatchObject({ received: accepted, accepted, duplicates: 0 })
  expect(await intake.accept(message(big))).toMatchObject({ accepted: 1 })
})

test('the raw bytes on disk read back as the readings that live consumers saw', async () => {
  const journal = await newFolder().open()
  const intake = intakeOver(journal)
  const payload = Buffer.from(`[{"metrics":{"fume":1,"fume":2}},\n {"ts":${NOW},"metrics":{"fan":true}} ]`)
  const live: unknown[] = []
  journal.onCommit((deliveries) => live.push(...deliveries.flatMap(({ readings }) => readings)))
  await intake.accept({ device: 'fume-1', payload, receivedAt: NOW })
  expect(live).toEqual(readingsOf(payload, NOW))
  expect(journal.read(0, 10).deliveries.flatMap(({ readings }) => readings)).toEqual(live)
})
