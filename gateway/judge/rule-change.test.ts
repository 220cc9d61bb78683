import { cpSync } from 'node:fs'
import { StatementSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
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

const soon = (check: () => void) => vi.waitFor(check, { interval: 5, timeout: 30_000 })

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
  await court.judge.adopt([edited], nothing)
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
  await court.judge.adopt([HIGH], nothing)
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
  await court.judge.adopt([HIGH], nothing)
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
  await court.judge.adopt([stricter, OTHER_KIND], nothing)
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
  await court.judge.adopt([{ ...HIGH, version: 2, for: '1h' }], nothing)
  expect(court.book.all()).toMatchObject([{ state: 'firing', startedAt: START + 3 * MINUTE }])
})

test('a rule about silence also counts the silence that it finds', async () => {
  await open([HIGH])
  await court.at(0, { x: 0 })
  await judged(court)
  court.now = START + 60 * MINUTE
  await court.judge.adopt([HIGH, rule({ blue: { absent: '15m' } }, { id: 'offline' })], nothing)
  await soon(() => expect(court.book.all()).toMatchObject([{ startedAt: START + 15 * MINUTE }]))
})

test('a change that the disk does not take changes nothing', async () => {
  await open([HIGH])
  await court.at(0, { x: 5 })
  await judged(court)
  const before = court.book.all()
  court.book.failure = new Error('disk full')
  await expect(court.judge.adopt([], nothing)).rejects.toThrow('disk full')
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
  await expect(court.judge.adopt([], write)).rejects.toThrow('disk full')
  court.book.failure = null
  expect(count()).toBe(0)
  await judged(court)
  await court.judge.adopt([], write)
  expect(count()).toBe(1)
})

test('rules do not change before it is known where the last run stood', async () => {
  court = new Court(folder.path, [HIGH])
  await expect(court.judge.adopt([], nothing)).rejects.toThrow(JudgeBusy)
  await court.start()
  await expect(court.judge.adopt([], nothing)).rejects.toThrow(JudgeBusy)
  await judged(court)
  await court.judge.adopt([], nothing)
})

describe('a change over many devices', () => {
  const DEVICES = ['a', 'b', 'e']
  const FORMER = [
    rule({ yellow: { metric: 'x', mean: '3m', above: 2 } }),
    rule({ red: { metric: 'x', above: 4 } }, { id: 'gone' }),
    rule({ red: { of: 'e', metric: 'x', above: 4 } }, { id: 'gone-linked' }),
  ]
  const NEW = [
    rule({ yellow: { metric: 'x', mean: '3m', above: 3 } }, { version: 2, for: '2m' }),
    rule({ blue: { metric: 'x', max: '2m', above: 4 } }, { id: 'new' }),
  ]

  /** So that each slice ends after its first piece of work. */
  function shortSlices(): void {
    let now = performance.now()
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 100))
    onTestFinished(() => clock.mockRestore())
  }

  async function report(of: Court, minute: number): Promise<void> {
    for (const [index, device] of DEVICES.entries())
      await of.at(minute, { x: [1, 3, 5, 0, 6][(index + minute) % 5]! }, originOf(device))
    await judged(of)
  }

  /** What the book holds in the end when the history goes on. */
  async function end(of: Court): Promise<unknown> {
    for (let minute = 4; minute < 7; minute++) await report(of, minute)
    of.now += 60 * MINUTE
    await of.judge.settle()
    await of.judge.stop()
    return of.book.all()
  }

  async function openWithHistory(): Promise<void> {
    await open(FORMER)
    for (let minute = 0; minute < 4; minute++) await report(court, minute)
  }

  test(
    'whatever statement the process dies at, all goes on as before or all by the new rules',
    { timeout: 120_000 },
    async () => {
      await openWithHistory()
      court.database.sql.exec('CREATE TABLE along (one INTEGER) STRICT')
      const along = () => court.database.sql.exec('INSERT INTO along VALUES (1)')
      const unchanged = await afterCrash(FORMER)
      shortSlices()
      const left: ReturnType<typeof newFolder>[] = []
      const real = Object.getOwnPropertyDescriptor(StatementSync.prototype, 'run')!.value as (
        ...values: unknown[]
      ) => ReturnType<StatementSync['run']>
      const statements = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (
        this: StatementSync,
        ...values: unknown[]
      ) {
        const result = real.apply(this, values)
        const copy = newFolder()
        cpSync(folder.path, copy.path, { recursive: true })
        left.push(copy)
        return result
      })
      await court.judge.adopt(NEW, along)
      statements.mockRestore()
      const changed = await afterCrash(NEW)
      const [before, after] = [await end(unchanged), await end(changed)]
      expect(after).not.toEqual(before)
      expect(await end(court)).toEqual(after)

      const outcomes = await Promise.all(
        left.map(async (copy) => {
          const heir = new Court(copy.path, [])
          const isChanged = heir.database.sql.prepare('SELECT one FROM along').get() !== undefined
          heir.newJudge(isChanged ? NEW : FORMER)
          heir.now = START + 3 * MINUTE
          await heir.start()
          await judged(heir)
          expect(await end(heir)).toEqual(isChanged ? after : before)
          await heir.stop()
          copy.remove()
          return isChanged ? 'changed' : 'unchanged'
        }),
      )
      // Each device is written by itself before, and what its former state was is swept away after.
      expect(outcomes.filter((one) => one === 'unchanged').length).toBeGreaterThan(2 * DEVICES.length)
      expect(outcomes.join()).toMatch(/^(unchanged,)+changed(,changed)*$/)
    },
  )

  test('everything else has its turn in between; what comes in meanwhile the new rules judge', async () => {
    await openWithHistory()
    shortSlices()
    const end = { isThere: false }
    let turns = 0
    const changed = court.judge.adopt(NEW, nothing).then(() => (end.isThere = true))
    await expect(court.judge.adopt([], nothing)).rejects.toThrow(JudgeBusy)
    const acknowledged = court.at(4, { x: 9 }, originOf('f'))
    expect(court.judge.health()).toMatchObject({ ready: true })
    for (; !end.isThere; turns++) await nextTurn()
    expect(turns).toBeGreaterThan(2 * DEVICES.length)
    await changed
    await acknowledged
    await soon(() =>
      expect(court.book.all()).toContainEqual(
        expect.objectContaining({ rule: 'new', device: 'f', startedAt: START + 4 * MINUTE }),
      ),
    )
  })

  test('a device that is removed meanwhile has its alarms cleared', async () => {
    await openWithHistory()
    shortSlices()
    const changed = court.judge.adopt(NEW, nothing)
    await nextTurn()
    court.judge.forget('a')
    await changed
    const firing = () => court.book.all().filter(({ state }) => state === 'firing')
    await soon(() => expect(firing().map(({ device }) => device)).not.toContain('a'))
    expect(firing()).not.toEqual([])
    await judged(court)
    const { judge } = court
    await judge.stop()
    const rows = court.database.sql.prepare('SELECT DISTINCT device FROM judge_states').all()
    expect(rows.map(({ device }) => device)).toEqual(['b', 'e'])
  })

  test('a gateway that stops in its midst has changed nothing', async () => {
    await openWithHistory()
    const unchanged = await end(await afterCrash(FORMER))
    shortSlices()
    const changed = court.judge.adopt(NEW, nothing)
    const refused = expect(changed).rejects.toThrow(JudgeBusy)
    await nextTurn()
    await court.judge.stop()
    await refused
    await court.newJudge(FORMER).start()
    await judged(court)
    expect(await end(court)).toEqual(unchanged)
  })

  test('saved states that count no more are gone after it, those of a change that failed before the next', async () => {
    await openWithHistory()
    const batches = () =>
      court.database.sql.prepare('SELECT device, batch FROM judge_states ORDER BY device, batch').all()
    court.book.failure = new Error('disk full')
    await expect(court.judge.adopt(NEW, nothing)).rejects.toThrow('disk full')
    court.book.failure = null
    await judged(court)
    await court.judge.adopt(NEW, nothing)
    await judged(court)
    expect(batches()).toEqual(DEVICES.map((device) => ({ device, batch: 1 })))
  })
})
