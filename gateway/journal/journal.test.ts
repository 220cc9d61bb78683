import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { JournalUnavailable } from '../model/pipeline.ts'
import { RAW_LIMIT, type Delivery } from '../model/reading.ts'
import { entryOf, Folder, originOf, refusalOf, writeOf } from './journal.fixture.ts'
import { QuarantineReader } from './quarantine.ts'
import { JournalReader } from './reader.ts'

let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

const origin = originOf('fume-1')

describe('appending', () => {
  test('a write is acknowledged only after its commit', async () => {
    const journal = await folder.open()
    const other = new JournalReader(folder.file)
    for (let round = 0; round < 20; round++) {
      const written = Array.from({ length: 10 }, (_, index) =>
        journal.append(writeOf(entryOf(origin, [round * 10 + index]))).then(() => other.head()),
      )
      expect(other.head()).toBe(round * 10)
      for (const head of await Promise.all(written)) expect(head).toBe((round + 1) * 10)
    }
    other.close()
  })

  test('readings are numbered from 0 without a gap, in the order of their appends, live and when read back', async () => {
    const journal = await folder.open()
    const live: Delivery[] = []
    journal.onCommit((deliveries) => live.push(...deliveries))
    const sizes = Array.from({ length: 500 }, (_, index) => 1 + ((index * 7) % 40))
    let value = 0
    await Promise.all(
      sizes.map((size) =>
        journal.append(
          writeOf(
            entryOf(
              origin,
              Array.from({ length: size }, () => value++),
            ),
          ),
        ),
      ),
    )
    expect(journal.head()).toBe(value)
    const { deliveries, next } = journal.read(0, Number.MAX_SAFE_INTEGER)
    expect(next).toBe(value)
    expect(deliveries).toEqual(live)
    let seq = 0
    for (const delivery of live) {
      expect(delivery.seq).toBe(seq)
      for (const reading of delivery.readings) expect(reading.metrics['fume']).toBe(seq++)
    }
  })

  test('a message is never split, and one larger than a batch gets a batch of its own', async () => {
    const journal = await folder.open()
    const long = 'x'.repeat(3 * 1024 * 1024)
    const heavy = { ...entryOf(origin, [1]), body: Buffer.from(JSON.stringify({ ts: 1, metrics: {}, long })) }
    const thousand = Array.from({ length: 1000 }, (_, index) => index)
    await Promise.all([
      journal.append(writeOf(heavy)),
      journal.append(writeOf(heavy)),
      ...Array.from({ length: 25 }, () => journal.append(writeOf(entryOf(origin, thousand)))),
    ])
    const sql = new DatabaseSync(folder.file, { readOnly: true })
    const counts = sql.prepare('SELECT count FROM batches ORDER BY first').all()
    sql.close()
    expect(counts.map((row) => row['count'])).toEqual([1, 9001, 10_000, 6000])
  })

  test('a reading without a time of its own gets the receive time when it is read back', async () => {
    const journal = await folder.open()
    const body = Buffer.from('{"metrics":{"fume":1}}')
    await journal.append(writeOf({ origin, receivedAt: 5000, body, readings: [{ ts: 5000, metrics: {} }] }))
    expect(journal.read(0, 1).deliveries[0]!.readings).toEqual([
      { ts: 5000, clock: 'gateway', metrics: { fume: 1 } },
    ])
  })

  test('an old reading keeps the origin that it was accepted under', async () => {
    let journal = await folder.open()
    const moved = { ...origin, street: 'rengang' }
    await journal.append(writeOf(entryOf(origin, [1])))
    await journal.append(writeOf(entryOf(moved, [2])))
    await journal.stop()
    journal = await folder.open()
    await journal.append(writeOf(entryOf({ ...origin }, [3])))
    const streets = journal.read(0, 10).deliveries.map((delivery) => delivery.origin.street)
    expect(streets).toEqual(['wenfeng', 'rengang', 'wenfeng'])
    const sql = new DatabaseSync(folder.file, { readOnly: true })
    expect(sql.prepare('SELECT count(*) AS origins FROM origins').get()).toEqual({ origins: 2 })
    sql.close()
  })

  test('beyond the bound on memory an append is refused at once, and the bound is said', async () => {
    const maxPendingBytes = 100_000
    const journal = await folder.open({ maxPendingBytes })
    const writes = Array.from({ length: 3000 }, (_, index) =>
      journal.append(writeOf(entryOf(origin, [index]))),
    )
    const outcomes = await Promise.allSettled(writes)
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]!.reason).toBeInstanceOf(JournalUnavailable)
    expect(String(refused[0]!.reason)).toContain(String(maxPendingBytes))
    expect(journal.head()).toBe(outcomes.length - refused.length)
    expect(journal.health().ready).toBe(true)
    await journal.append(writeOf(entryOf(origin, [0])))
  })

  test('a stopped journal takes nothing, and stopping commits what was waiting', async () => {
    const journal = await folder.open()
    const waiting = Array.from({ length: 100 }, (_, index) =>
      journal.append(writeOf(entryOf(origin, [index]))),
    )
    const stopped = Promise.all([journal.stop(), journal.stop()])
    await expect(journal.append(writeOf(entryOf(origin, [1])))).rejects.toBeInstanceOf(JournalUnavailable)
    await Promise.all(waiting)
    await stopped
    expect((await folder.open()).head()).toBe(100)
  })
})

describe('one writer', () => {
  test('a journal that is open cannot be opened again, and can once it is closed', async () => {
    const journal = await folder.open()
    await expect(folder.open()).rejects.toThrow(/journal\.db: it is open already/)
    await journal.stop()
    await folder.open()
  })

  test('a file of another format is left alone', async () => {
    const sql = new DatabaseSync(folder.file)
    sql.exec('PRAGMA user_version = 99')
    sql.close()
    await expect(folder.open()).rejects.toThrow(/format 99/)
  })
})

describe('the ledger', () => {
  test('adds up after every write and after a restart', async () => {
    let journal = await folder.open()
    const holds = (): void => {
      const { received, accepted, duplicates, quarantined, stored, pending } = journal.ledger()
      expect(received).toBe(accepted + duplicates + quarantined)
      expect(accepted).toBe(stored + pending)
    }
    await journal.append(writeOf(entryOf(origin, [1, 2, 3]), { duplicates: 2, refusals: [refusalOf('a')] }))
    holds()
    await journal.append(writeOf(undefined, { duplicates: 4 }))
    await journal.append(writeOf(undefined, { refusals: [refusalOf('a'), refusalOf(null)] }))
    holds()
    await journal.advance('historian', 2, [refusalOf('a')])
    holds()
    const before = journal.ledger()
    expect(before).toEqual({
      received: 12,
      accepted: 2,
      duplicates: 6,
      quarantined: 4,
      stored: 1,
      pending: 1,
    })
    await journal.stop()
    journal = await folder.open()
    expect(journal.ledger()).toEqual(before)
    expect(journal.head()).toBe(3)
    expect(journal.cursor('historian')).toBe(2)
  })

  test('a write of duplicates or refusals alone is on disk when it resolves', async () => {
    const journal = await folder.open()
    await journal.append(writeOf(undefined, { duplicates: 3, refusals: [refusalOf('a')] }))
    const crashed = folder.crashed()
    const recovered = await crashed.open()
    expect(recovered.ledger()).toMatchObject({ received: 4, duplicates: 3, quarantined: 1 })
    await crashed.remove()
  })

  test('a released refusal leaves the quarantine with the entry that took its place, and counts once', async () => {
    const journal = await folder.open()
    await journal.append(writeOf(undefined, { refusals: [refusalOf('a'), refusalOf('b')] }))
    await journal.append(writeOf(entryOf(origin, [1]), { released: [1] }))
    expect(journal.ledger()).toMatchObject({ received: 2, accepted: 1, quarantined: 1 })
    // Twice, or one that was never there: nothing to take out.
    await journal.append(writeOf(undefined, { duplicates: 1, released: [1, 77] }))
    expect(journal.ledger()).toMatchObject({ received: 3, accepted: 1, duplicates: 1, quarantined: 1 })
    const quarantine = new QuarantineReader(folder.file)
    expect(quarantine.list({ limit: 10 }).items.map((item) => item.device)).toEqual(['b'])
    quarantine.close()
  })
})

describe('cursors', () => {
  test('never go backwards, and not beyond the head', async () => {
    const journal = await folder.open()
    await journal.append(writeOf(entryOf(origin, [1, 2, 3, 4])))
    expect(journal.cursor('rules')).toBe(0)
    await journal.advance('rules', 3)
    await journal.advance('rules', 1)
    expect(journal.cursor('rules')).toBe(3)
    await journal.advance('rules', 2, [refusalOf('a')])
    expect(journal.cursor('rules')).toBe(3)
    await expect(journal.advance('rules', 5)).rejects.toBeInstanceOf(RangeError)
    await journal.stop()
    expect((await folder.open()).cursor('rules')).toBe(3)
  })

  test('a cursor with rejects is on disk with their refusals when it resolves', async () => {
    const journal = await folder.open()
    await journal.append(writeOf(entryOf(origin, [1, 2, 3, 4])))
    await journal.advance('historian', 4, [refusalOf('fume-1', 'x'.repeat(RAW_LIMIT + 10))])
    const crashed = folder.crashed()
    const recovered = await crashed.open()
    expect(recovered.cursor('historian')).toBe(4)
    expect(recovered.ledger()).toMatchObject({ accepted: 3, stored: 3, pending: 0, quarantined: 1 })
    const quarantine = new QuarantineReader(crashed.file)
    expect(quarantine.get(1)).toMatchObject({ device: 'fume-1', rawSize: RAW_LIMIT + 10 })
    expect(quarantine.get(1)!.raw.byteLength).toBe(RAW_LIMIT)
    quarantine.close()
    await crashed.remove()
  })

  test('a cursor without rejects is on disk within about a second', async () => {
    const journal = await folder.open()
    await journal.append(writeOf(entryOf(origin, [1, 2, 3, 4])))
    await journal.advance('rules', 4)
    const sql = new DatabaseSync(folder.file, { readOnly: true })
    await expect
      .poll(() => sql.prepare('SELECT next FROM cursors WHERE consumer = ?').get('rules'), { timeout: 5000 })
      .toEqual({ next: 4 })
    sql.close()
  })
})
