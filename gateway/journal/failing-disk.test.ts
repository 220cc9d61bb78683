import { execFileSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { JournalUnavailable } from '../model/pipeline.ts'
import type { SqliteJournal } from './journal.ts'
import { entryOf, Folder, originOf, refusalOf, writeOf } from './journal.fixture.ts'
import { verifyJournal } from './verify.ts'

const origin = originOf('fume-1')

let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder.remove())

function valuesIn(journal: SqliteJournal): unknown[] {
  return journal
    .read(0, Number.MAX_SAFE_INTEGER)
    .deliveries.flatMap((delivery) => delivery.readings.map((reading) => reading.metrics['fume']))
}

async function green(journal: SqliteJournal): Promise<void> {
  await expect.poll(() => journal.health().ready, { timeout: 10_000 }).toBe(true)
}

test('a commit that fails takes everything behind it along, and the journal recovers by itself', async () => {
  const journal = await folder.open()
  await journal.append(writeOf(entryOf(origin, [1]), { duplicates: 1 }))
  const before = journal.ledger()
  const blocker = new DatabaseSync(folder.file)
  blocker.exec('BEGIN IMMEDIATE')

  const unseen = originOf('fume-2')
  const failing = journal.append(writeOf(entryOf(unseen, [2])))
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  // The first is in flight by now: this one waits behind it, and may be its duplicate.
  const behind = journal.append(writeOf(undefined, { duplicates: 1, refusals: [refusalOf('fume-2')] }))
  await expect(failing).rejects.toBeInstanceOf(JournalUnavailable)
  await expect(behind).rejects.toBeInstanceOf(JournalUnavailable)
  await expect(journal.append(writeOf(entryOf(unseen, [3])))).rejects.toThrow(/locked/)
  await expect(journal.advance('historian', 1, [refusalOf('a')])).rejects.toBeInstanceOf(JournalUnavailable)
  expect(journal.health()).toMatchObject({ ready: false })
  expect(journal.health().detail).toMatch(/locked, since 20/)
  expect(journal.ledger()).toEqual(before)

  blocker.exec('ROLLBACK')
  blocker.close()
  await green(journal)
  await journal.append(writeOf(entryOf(unseen, [4])))
  expect(valuesIn(journal)).toEqual([1, 4])
  expect(journal.read(1, 1).deliveries[0]).toMatchObject({ seq: 1, origin: unseen })
  expect(journal.ledger()).toMatchObject({ received: 3, accepted: 2, duplicates: 1, quarantined: 0 })
})

test('a journal whose file was taken away acknowledges nothing until it is back', async () => {
  const journal = await folder.open()
  await journal.append(writeOf(entryOf(origin, [1])))
  renameSync(folder.path, `${folder.path}-away`)
  try {
    await expect(journal.append(writeOf(entryOf(origin, [2])))).rejects.toThrow(/removed or replaced/)
    expect(journal.health().ready).toBe(false)
  } finally {
    renameSync(`${folder.path}-away`, folder.path)
  }
  await green(journal)
  await journal.append(writeOf(entryOf(origin, [3])))
  expect(valuesIn(journal)).toEqual([1, 3])
})

const mountPoint = mkdtempSync(join(tmpdir(), 'gridwhistle-full-'))
const mounts = canMount(mountPoint)

test.skipIf(!mounts)(
  'on a full disk nothing is acknowledged and nothing of it is kept; with room again it goes on by itself',
  async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'gridwhistle-test', mountPoint])
    const ballast = join(mountPoint, 'ballast')
    let journal: SqliteJournal | undefined
    try {
      journal = await folder.open({ file: join(mountPoint, 'journal.db') })
      const acknowledged: number[] = []
      await journal.append(writeOf(entryOf(origin, [0])))
      acknowledged.push(0)
      fillUp(ballast)

      const filler = 'x'.repeat(50_000)
      const heavy = (value: number) => ({
        ...entryOf(origin, [value]),
        body: Buffer.from(JSON.stringify({ ts: 1, metrics: { fume: value }, filler })),
      })
      const outcomes = await Promise.allSettled(
        Array.from({ length: 100 }, (_, index) =>
          journal!.append(writeOf(heavy(index + 1), { duplicates: 1 })),
        ),
      )
      expect(outcomes.every((outcome) => outcome.status === 'rejected')).toBe(true)
      expect(journal.health().ready).toBe(false)
      expect(journal.health().detail).toMatch(/full/)
      const ledger = journal.ledger()
      expect(ledger).toMatchObject({ received: 1, accepted: 1, duplicates: 0 })

      rmSync(ballast)
      await green(journal)
      for (let value = 1000; value < 1010; value++) {
        await journal.append(writeOf(heavy(value)))
        acknowledged.push(value)
      }
      expect(valuesIn(journal)).toEqual(acknowledged)
      expect(verifyJournal(join(mountPoint, 'journal.db'))).toMatchObject({ ok: true, head: 11 })
      expect(journal.ledger()).toMatchObject({ received: 11, accepted: 11, duplicates: 0 })
    } finally {
      await journal?.stop()
      execFileSync('umount', [mountPoint])
    }
  },
)

afterAll(() => {
  rmSync(mountPoint, { recursive: true, force: true })
})

function canMount(point: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'gridwhistle-test', point], { stdio: 'ignore' })
    execFileSync('umount', [point])
    return true
  } catch {
    return false
  }
}

function fillUp(file: string): void {
  for (const size of [1024 * 1024, 4096]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}
