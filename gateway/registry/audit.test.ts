import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { verifyAudit } from './audit-chain.ts'
import { PERSONAL_READ } from './audit.ts'
import { RegistryFolder, type Registry } from './registry.fixture.ts'

let folder: RegistryFolder
let registry: Registry
beforeEach(() => {
  folder = new RegistryFolder()
  registry = folder.open()
})
afterEach(() => folder.remove())

const file = () => join(folder.path, 'registry.db')

function fill(count = 5): void {
  registry.database.transaction(() => {
    for (let i = 1; i <= count; i++) {
      folder.clock.time++
      registry.audit.note(i % 2 === 0 ? 'zhou' : 'lin', i === 5 ? 'user.lock' : 'device.create', `fume-${i}`)
    }
  })
}

describe('the chain', () => {
  test('holds whatever is noted, across restarts, and its head stands for all of it', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 })
    const odd = fc.oneof(text, fc.constantFrom('\ud800', 'a\0b', '', '"', 'x'.repeat(2000), '\u0000'))
    // One wait for the disk instead of one for each.
    registry.database.transaction(() => {
      fc.assert(
        fc.property(odd, odd, fc.option(odd), (actor, subject, detail) => {
          registry.audit.from('192.0.2.1', () => registry.audit.note(actor, 'device.create', subject, detail))
        }),
        { numRuns: 200 },
      )
    })
    registry = folder.open()
    fill()
    const report = verifyAudit(file())
    expect(report).toMatchObject({ ok: true, faults: [], head: registry.audit.head() })
    expect(verifyAudit(file(), report.head!).ok).toBe(true)
    fill(1)
    expect(verifyAudit(file(), report.head!).ok).toBe(true)
  })

  test('an entry that a transaction took back was never there', () => {
    fill()
    expect(() =>
      registry.database.transaction(() => {
        registry.audit.note('lin', 'device.remove', 'fume-1')
        throw new Error('no')
      }),
    ).toThrow('no')
    fill(1)
    expect(verifyAudit(file())).toMatchObject({ ok: true, entries: 6 })
  })

  test.each<[string, string, string, number]>([
    ['taken out', 'DELETE FROM audit WHERE id = 3', 'missing', 3],
    ['taken out at the beginning', 'DELETE FROM audit WHERE id = 1', 'missing', 1],
    ['taken out at the end', 'DELETE FROM audit WHERE id = 5', 'cut_off', 5],
    ['changed', "UPDATE audit SET actor = 'nobody' WHERE id = 3", 'changed', 3],
    ['moved in time', 'UPDATE audit SET at = at - 1 WHERE id = 5', 'changed', 5],
    ['given another address', "UPDATE audit SET address = '::1' WHERE id = 2", 'changed', 2],
    ['taken off the chain', 'UPDATE audit SET hash = NULL WHERE id = 5', 'unchained', 5],
    [
      'slipped in',
      "INSERT INTO audit (at, actor, action, subject, hash) VALUES (1, 'a', 'b', 'c', x'00')",
      'changed',
      6,
    ],
  ])('an entry that was %s is noticed', (_what, statement, what, id) => {
    fill()
    registry.database.sql.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    const copy = join(folder.path, 'copy.db')
    copyFileSync(file(), copy)
    const sql = new DatabaseSync(copy)
    sql.exec('DROP TRIGGER audit_stays; DROP TRIGGER audit_keeps')
    sql.exec(statement)
    sql.close()
    const report = verifyAudit(copy)
    expect(report.ok).toBe(false)
    expect(report.faults).toContainEqual({ id, what })
  })

  test('one that was written anew from end to end does not have the head that was noted', () => {
    fill()
    const { head } = verifyAudit(file())
    folder.remove()
    folder = new RegistryFolder()
    registry = folder.open()
    fill(4)
    expect(verifyAudit(file(), head!).faults).toEqual([{ id: 5, what: 'other_head' }])
    registry.audit.note('mallory', 'device.create', 'fume-5')
    expect(verifyAudit(file()).ok).toBe(true)
    expect(verifyAudit(file(), head!).faults).toEqual([{ id: 5, what: 'other_head' }])
  })

  test('takes in what was noted before there was a chain', () => {
    registry.database.sql.exec(
      "INSERT INTO audit (at, actor, action, subject) VALUES (1, 'a', 'b', 'c'), (2, 'a', 'b', 'd')",
    )
    registry = folder.open()
    fill()
    expect(verifyAudit(file())).toMatchObject({ ok: true, entries: 7 })
    registry.database.sql.exec('DROP TRIGGER audit_stays')
    registry.database.sql.exec("UPDATE audit SET subject = 'x' WHERE id = 1")
    expect(verifyAudit(file()).faults).toEqual([{ id: 3, what: 'changed' }])
  })
})

test('a look at personal data is noted without a wait for the disk, and is as much a part of the chain', () => {
  fill()
  const synced: string[] = []
  const exec = registry.database.sql.exec.bind(registry.database.sql)
  registry.database.sql.exec = (text) => {
    synced.push(text)
    exec(text)
  }
  registry.audit.note('lin', PERSONAL_READ, 'case-1', 'phone')
  expect(synced).toEqual(['PRAGMA synchronous=NORMAL', 'PRAGMA synchronous=FULL'])
  registry.audit.note('lin', 'device.create', 'fume-9')
  expect(synced).toHaveLength(2)
  expect(verifyAudit(file())).toMatchObject({ ok: true, entries: 7 })
})

test('an entry knows where it came from, whatever was awaited in between', async () => {
  const { audit } = registry
  await Promise.all(
    ['192.0.2.1', '192.0.2.2'].map((address, i) =>
      audit.from(address, async () => {
        await new Promise((resolve) => setTimeout(resolve, 5 - i))
        audit.note(address, 'device.create', 'x')
      }),
    ),
  )
  audit.note('gateway', 'device.create', 'x')
  const { items } = audit.list({ limit: 9 })
  // Whichever of them came first.
  expect(new Map(items.map(({ actor, address }) => [actor, address]))).toEqual(
    new Map([
      ['gateway', null],
      ['192.0.2.1', '192.0.2.1'],
      ['192.0.2.2', '192.0.2.2'],
    ]),
  )
})

test('the list is cut to actor, kind of action, subject and time, and pages without loss or repetition', () => {
  fill(9)
  const start = folder.clock.time - 9
  const ids = (query: Parameters<Registry['audit']['list']>[0]) =>
    registry.audit.list(query).items.map(({ id }) => id)
  expect(ids({ limit: 9, actor: 'zhou' })).toEqual([8, 6, 4, 2])
  expect(ids({ limit: 9, action: 'user.' })).toEqual([5])
  expect(ids({ limit: 9, action: 'user' })).toEqual([])
  expect(ids({ limit: 9, subject: 'fume-3' })).toEqual([3])
  expect(ids({ limit: 9, from: start + 3, to: start + 5 })).toEqual([4, 3])
  // A clock that was set back: by time, and by number within the same time.
  folder.clock.time = start + 4
  registry.audit.note('lin', 'device.create', 'late')
  const seen: number[] = []
  let cursor: readonly [number, number] | undefined
  do {
    const page = registry.audit.list({ limit: 3, cursor })
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(seen).toEqual([9, 8, 7, 6, 5, 10, 4, 3, 2, 1])
})
