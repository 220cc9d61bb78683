import { cpSync } from 'node:fs'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { Court, MINUTE, newFolder, originOf, rule, START } from './judge.fixture.ts'
import { JudgeBusy } from './judge.ts'

const HIGH = rule({ yellow: { metric: 'x', above: 2 }, red: { metric: 'x', above: 4 } })
const OTHER_KIND = { ...HIGH, id: 'other', kind: 'other' }
const nothing = (): void => {}

let folder: ReturnType<typeof newFolder>
let court: Court
beforeEach(() => {
  folder = newFolder()
})
afterEach(async () => {
  await court.stop()
  folder.remove()
})

const soon = (check: () => void) => vi.waitFor(check, { interval: 5, timeout: 10_000 })

async function judged(of: Court): Promise<void> {
  await soon(() => expect(of.judge.health()).toEqual({ ready: true, detail: 'in step' }))
  await soon(() => expect(of.judge.lag()).toBe(0))
}

async function open(rules: ConstructorParameters<typeof Court>[1]): Promise<void> {
  court = await new Court(folder.path, rules).start()
  await judged(court)
}

/** What a crash right now would leave, and a judge over it. */
async function afterCrash(rules: ConstructorParameters<typeof Court>[1]): Promise<Court> {
  const left = newFolder()
  cpSync(folder.path, left.path, { recursive: true })
  const again = new Court(left.path, rules)
  onTestFinished(async () => {
    await again.stop()
    left.remove()
  })
  again.now = court.now
  await again.start()
  await judged(again)
  return again
}

const byRule = (of: Court) => Object.fromEntries(of.book.all().map((alarm) => [alarm.rule, alarm]))

test('an edited rule keeps its running alarm, and the book learns of the version at once', async () => {
  await open([HIGH])
  await court.at(0, { x: 5 })
  await judged(court)
  const edited = { ...HIGH, version: 2, severity: { red: { metric: 'x', above: 8 } }, clear: { for: '2m' } }
  court.judge.adopt([edited], nothing)
  expect(court.book.all()).toMatchObject([
    { state: 'firing', startedAt: START, severity: 'red', ruleVersion: 2 },
  ])
  await court.at(1, { x: 3 })
  await court.at(4, { x: 3 })
  await soon(() =>
    expect(court.book.all()).toMatchObject([{ state: 'cleared', clearedAt: START + 3 * MINUTE }]),
  )
})

test('a removed rule clears its alarms and says why; those of other rules stay', async () => {
  await open([HIGH, { ...HIGH, id: 'gone' }, OTHER_KIND])
  await court.at(0, { x: 5 })
  await court.at(1, { x: 5 }, originOf('e', 'other'))
  await judged(court)
  court.judge.adopt([HIGH], nothing)
  expect(byRule(court)).toMatchObject({
    r: { state: 'firing' },
    gone: { state: 'cleared', clearedAt: START, reason: 'rule_removed' },
    other: { state: 'cleared', clearedAt: START + MINUTE, reason: 'rule_removed' },
  })
  expect(byRule(court)['r']).not.toHaveProperty('reason')
})

test('a new rule judges what comes after it, in this run and in every later one', async () => {
  await open([])
  await court.at(0, { x: 5 })
  await judged(court)
  court.judge.adopt([HIGH], nothing)
  const crashed = await afterCrash([HIGH])
  for (const one of [court, crashed]) {
    await one.at(1, { x: 1 })
    await one.at(2, { x: 3 })
    await judged(one)
    await soon(() => expect(one.book.all()).toMatchObject([{ startedAt: START + 2 * MINUTE }]))
  }
})

test('a crash right after a change judges nothing again by the new rules', async () => {
  await open([HIGH, OTHER_KIND])
  await court.at(0, { x: 3 })
  await court.at(1, { x: 0 })
  await court.at(1, { x: 5 }, originOf('e', 'other'))
  await judged(court)
  const before = court.book.all()
  const stricter = { ...HIGH, version: 2, severity: { red: { metric: 'x', atLeast: 0 } } }
  court.judge.adopt([stricter, OTHER_KIND], nothing)
  expect(court.book.all()).toEqual(before)
  const crashed = await afterCrash([stricter, OTHER_KIND])
  expect(crashed.book.all()).toEqual(before)
  await crashed.at(2, { x: 0 })
  await soon(() => expect(crashed.book.all()).toHaveLength(3))
})

test('what was due before the change is said by the former rules', async () => {
  await open([{ ...HIGH, for: '3m' }])
  await court.at(0, { x: 5 })
  await judged(court)
  court.now = START + 4 * MINUTE
  court.judge.adopt([{ ...HIGH, version: 2, for: '1h' }], nothing)
  expect(court.book.all()).toMatchObject([{ state: 'firing', startedAt: START + 3 * MINUTE }])
})

test('a rule about silence also counts the silence that it finds', async () => {
  await open([HIGH])
  await court.at(0, { x: 0 })
  await judged(court)
  court.now = START + 60 * MINUTE
  court.judge.adopt([HIGH, rule({ blue: { absent: '15m' } }, { id: 'offline' })], nothing)
  await soon(() => expect(court.book.all()).toMatchObject([{ startedAt: START + 15 * MINUTE }]))
})

test('a change that the disk does not take changes nothing', async () => {
  await open([HIGH])
  await court.at(0, { x: 5 })
  await judged(court)
  const before = court.book.all()
  court.book.failure = new Error('disk full')
  expect(() => court.judge.adopt([], nothing)).toThrow('disk full')
  court.book.failure = null
  expect(court.book.all()).toEqual(before)
  await judged(court)
  await court.at(1, { x: 6 })
  await court.at(2, { x: 0 })
  await soon(() => expect(court.book.all()).toMatchObject([{ state: 'cleared', peak: 6 }]))
  expect(court.book.all()[0]).not.toHaveProperty('reason')
})

test('what is written along is there exactly when the rules are', async () => {
  await open([HIGH])
  await court.at(0, { x: 5 })
  await judged(court)
  court.database.sql.exec('CREATE TABLE along (one INTEGER) STRICT')
  const count = () => court.database.sql.prepare('SELECT count(*) AS n FROM along').get()!['n']
  const write = () => court.database.sql.exec('INSERT INTO along VALUES (1)')
  court.book.failure = new Error('disk full')
  expect(() => court.judge.adopt([], write)).toThrow('disk full')
  court.book.failure = null
  expect(count()).toBe(0)
  await judged(court)
  court.judge.adopt([], write)
  expect(count()).toBe(1)
})

test('rules do not change before it is known where the last run stood', async () => {
  court = new Court(folder.path, [HIGH])
  expect(() => court.judge.adopt([], nothing)).toThrow(JudgeBusy)
  await court.start()
  expect(() => court.judge.adopt([], nothing)).toThrow(JudgeBusy)
  await judged(court)
  court.judge.adopt([], nothing)
})
