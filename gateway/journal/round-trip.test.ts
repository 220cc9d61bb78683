import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Delivery } from '../model/reading.ts'
import { entryOf, Folder, originOf, refusalOf, writeOf } from './journal.fixture.ts'
import { JournalReader } from './reader.ts'

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      device: fc.integer({ min: 0, max: 3 }),
      street: fc.constantFrom('wenfeng', 'rengang'),
      values: fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 20 }),
      duplicates: fc.nat(3),
      refusals: fc.nat(2),
      wait: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('crash' as const, 'restart' as const) }) },
)

/** What reading `from` and on should give: the model's deliveries, the first one cut. */
function since(model: readonly Delivery[], from: number): Delivery[] {
  return model
    .filter((delivery) => delivery.seq + delivery.readings.length > from)
    .map((delivery) => {
      const skipped = Math.max(0, from - delivery.seq)
      return { ...delivery, seq: delivery.seq + skipped, readings: delivery.readings.slice(skipped) }
    })
}

test('any writes, crashes and restarts give the same deliveries from any reading on, in any limit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.array(fc.record({ from: fc.nat(300), limit: fc.integer({ min: 1, max: 200 }) }), { maxLength: 5 }),
      async (steps, reads) => {
        const folders = [new Folder()]
        try {
          let journal = await folders[0]!.open()
          const model: Delivery[] = []
          let head = 0
          let received = 0
          let pending: Promise<void>[] = []
          for (const action of steps) {
            if (action.kind === 'write') {
              const origin = { ...originOf(`fume-${action.device}`), street: action.street }
              const entry = entryOf(origin, action.values, 1_718_000_000_000 + head)
              // What JSON cannot tell from another value (-0) comes back as that.
              const readings = JSON.parse(JSON.stringify(entry.readings)) as Delivery['readings']
              model.push({ seq: head, origin, receivedAt: entry.receivedAt, readings })
              head += action.values.length
              received += action.values.length + action.duplicates + action.refusals
              const refusals = Array.from({ length: action.refusals }, () => refusalOf(null))
              pending.push(journal.append(writeOf(entry, { duplicates: action.duplicates, refusals })))
            }
            if (action.kind !== 'write' || action.wait) {
              await Promise.all(pending)
              pending = []
            }
            if (action.kind === 'crash') folders.push(folders.at(-1)!.crashed())
            if (action.kind === 'restart') await journal.stop()
            if (action.kind !== 'write') journal = await folders.at(-1)!.open()
          }
          await Promise.all(pending)

          expect(journal.head()).toBe(head)
          expect(journal.ledger().received).toBe(received)
          const reader = new JournalReader(folders.at(-1)!.file)
          for (const { from, limit } of reads) {
            const read: Delivery[] = []
            let next = Math.min(from, head)
            while (next < head) {
              const part = reader.read(next, limit)
              expect(part.next).toBeGreaterThan(next)
              read.push(...part.deliveries)
              next = part.next
            }
            expect(read).toEqual(since(model, Math.min(from, head)))
          }
          reader.close()
        } finally {
          for (const folder of folders) await folder.remove()
        }
      },
    ),
    { numRuns: 15 },
  )
})
