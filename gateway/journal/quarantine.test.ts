import { afterEach, beforeEach, expect, test } from 'vitest'
import { Folder, refusalOf, writeOf } from './journal.fixture.ts'
import { QuarantineReader } from './quarantine.ts'

let folder: Folder
let quarantine: QuarantineReader
beforeEach(() => {
  folder = new Folder()
})
afterEach(async () => {
  quarantine.close()
  await folder.remove()
})

test('pages lead through every refusal once, newest first, by device and code', async () => {
  const journal = await folder.open()
  quarantine = new QuarantineReader(folder.file)
  const refusals = Array.from({ length: 25 }, (_, index) =>
    refusalOf(index % 5 === 0 ? 'a' : 'b', `${index}`),
  )
  await journal.append(writeOf(undefined, { refusals }))

  const ids: number[] = []
  let cursor: string | undefined
  do {
    const page = quarantine.list({ limit: 10, cursor })
    ids.push(...page.items.map((item) => item.id))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(ids).toEqual(Array.from({ length: 25 }, (_, index) => 25 - index))

  const ofA = quarantine.list({ limit: 10, device: 'a', code: 'bad_json' }).items
  expect(ofA.map((item) => Buffer.from(item.raw).toString())).toEqual(['20', '15', '10', '5', '0'])
  expect(quarantine.list({ limit: 10, code: 'too_large' })).toEqual({ items: [] })
  expect(() => quarantine.list({ limit: 10, cursor: '1 OR 1' })).toThrow(RangeError)
  expect(quarantine.get(99)).toBeUndefined()
})

test('the oldest refusals go when there are more than are kept; their count stays', async () => {
  const journal = await folder.open({ quarantineKeep: 100 })
  quarantine = new QuarantineReader(folder.file)
  for (let round = 0; round < 4; round++)
    await journal.append(writeOf(undefined, { refusals: Array.from({ length: 100 }, () => refusalOf('a')) }))
  await expect.poll(() => quarantine.list({ limit: 1000 }).items.length, { timeout: 5000 }).toBe(100)
  expect(quarantine.list({ limit: 1 }).items[0]!.id).toBe(400)
  expect(journal.ledger().quarantined).toBe(400)
})

test('a device that fills the quarantine on its own pushes out only what is its own', async () => {
  const journal = await folder.open({ quarantineKeep: 100 })
  quarantine = new QuarantineReader(folder.file)
  const quiet = Array.from({ length: 30 }, (_, index) => refusalOf(`quiet-${index % 3}`))
  await journal.append(writeOf(undefined, { refusals: quiet }))
  for (let round = 0; round < 10; round++)
    await journal.append(
      writeOf(undefined, { refusals: Array.from({ length: 100 }, () => refusalOf('noisy')) }),
    )
  await expect.poll(() => quarantine.list({ limit: 2000 }).items.length, { timeout: 5000 }).toBe(100)
  const { items } = quarantine.list({ limit: 1000 })
  expect(items.slice(0, 70).map((item) => item.device)).toEqual(Array(70).fill('noisy'))
  expect(items.slice(70).map((item) => item.id)).toEqual(Array.from({ length: 30 }, (_, i) => 30 - i))
})
