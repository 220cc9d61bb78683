import { cpSync } from 'node:fs'
import { setImmediate as aTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  append,
  BOUNDS,
  Court,
  everyDevice,
  historyOf,
  MINUTE,
  newFolder,
  originOf,
  rule,
  RULES,
  START,
  type Recorded,
} from './judge.fixture.ts'

const HIGH = rule({ yellow: { metric: 'x', above: 2 }, red: { metric: 'x', above: 4 } })

let folder: ReturnType<typeof newFolder>
let courts: Court[]
beforeEach(() => {
  folder = newFolder()
  courts = []
})
afterEach(async () => {
  for (const court of courts) await court.stop()
  folder.remove()
})

async function open(
  ...[rules, parts]: [ConstructorParameters<typeof Court>[1], ConstructorParameters<typeof Court>[2]?]
): Promise<Court> {
  const court = new Court(folder.path, rules, parts)
  courts.push(court)
  return court.start()
}

const soon = (check: () => void) => vi.waitFor(check, { interval: 5, timeout: 10_000 })

/** `[rule, severity, state, from, to]` in minutes. */
function story({ rule, severity, state, startedAt, clearedAt }: Recorded): unknown[] {
  return [
    rule,
    severity,
    state,
    (startedAt - START) / MINUTE,
    clearedAt === null ? null : (clearedAt - START) / MINUTE,
  ]
}

/** Everything in the journal is judged and in the book. */
async function judged(court: Court): Promise<void> {
  await soon(() => expect(court.judge.health()).toEqual({ ready: true, detail: 'in step' }))
  await soon(() => expect(court.judge.lag()).toBe(0))
}

describe('following the journal', () => {
  test('a long message that many rules look at is judged in portions, and a crash in its midst changes nothing', async () => {
    // As many windows as it takes for a message to be far longer than a slice.
    const rules = Array.from({ length: 300 }, (_, index) =>
      rule({ red: { metric: 'x', mean: `${(index % 50) + 1}s`, above: 5 } }, { id: `r-${index}` }),
    )
    // The newest first, as some loggers send what they had buffered.
    const readings = Array.from({ length: 600 }, (_, index) => ({
      ts: START + (600 - index) * 10_000,
      metrics: { x: index > 200 && index < 400 ? 7 : 1 + (index % 3) },
    }))
    const court = await open(rules)
    await judged(court)
    court.now = readings[0]!.ts
    await append(court.journal, originOf('d'), court.now, readings)
    while (court.judge.lag() !== 0 && court.judge.lag() === readings.length) await aTurn()
    expect(court.judge.lag()).toBeGreaterThan(0)
    const left = newFolder()
    onTestFinished(() => left.remove())
    cpSync(folder.path, left.path, { recursive: true })
    const crashed = new Court(left.path, rules)
    courts.push(crashed)
    crashed.now = court.now
    await crashed.start()
    for (const one of [court, crashed]) {
      await judged(one)
      await append(one.journal, originOf('d'), (one.now += 7 * MINUTE), [{ ts: one.now, metrics: { x: 0 } }])
      await judged(one)
      expect(one.judge.late()).toBe(0)
    }
    expect(court.book.settled()).toHaveLength(rules.length)
    expect(crashed.book.settled()).toEqual(court.book.settled())
  })

  test('of many devices that report in turn each has its own alarm', async () => {
    const court = await open([HIGH])
    await judged(court)
    const devices = Array.from({ length: 700 }, (_, index) => `many-${index}`)
    for (const minute of [0, 1]) {
      court.now = START + minute * MINUTE
      const { now } = court
      await Promise.all(
        devices.map((device, index) =>
          append(court.journal, originOf(device), now, [
            { ts: now, metrics: { x: minute * (index % 2) * 5 } },
          ]),
        ),
      )
      await judged(court)
    }
    const odd = devices.filter((_, index) => index % 2 === 1)
    await soon(() => expect(new Set(court.book.all().map(({ device }) => device))).toEqual(new Set(odd)))
  })

  test('a reading over the limit is an alarm in the book, with the tags of its device', async () => {
    const court = await open([HIGH])
    await judged(court)
    await court.at(0, { x: 5 })
    await soon(() => expect(court.book.all()).toHaveLength(1))
    expect(court.book.all()[0]).toEqual({
      id: `d~r~${START}`,
      rule: 'r',
      ruleVersion: 1,
      ...originOf('d'),
      severity: 'red',
      state: 'firing',
      startedAt: START,
      clearedAt: null,
      peak: 5,
      value: 5,
    })
  })

  test('what was journaled while nobody judged is judged at the start', async () => {
    const court = new Court(folder.path, [HIGH])
    courts.push(court)
    await court.journal.start()
    for (let minute = 0; minute < 20; minute++) await court.at(minute, { x: minute === 7 ? 3 : 0 })
    await court.judge.start()
    await judged(court)
    expect(court.book.all().map(story)).toEqual([['r', 'yellow', 'cleared', 7, 8]])
  })

  test('the journal may drop what is in saved states', async () => {
    const court = await open([HIGH])
    for (let minute = 0; minute < 20; minute++) await court.at(minute, { x: 0 })
    await judged(court)
    await court.judge.stop()
    expect(court.journal.cursor('rules')).toBe(20)
  })

  test('readings beyond the memory bound are judged from the journal', async () => {
    const court = await open([HIGH])
    await judged(court)
    const readings = Array.from({ length: 1000 }, (_, index) => ({ ts: START + index, metrics: { x: 0 } }))
    await Promise.all(
      Array.from({ length: 80 }, (_, device) =>
        append(court.journal, originOf(`d-${device}`), START + 1000, readings),
      ),
    )
    await court.at(1, { x: 3 })
    await soon(() => expect(court.book.all()).toHaveLength(1))
    await judged(court)
  })

  test('late readings are counted across restarts, once', async () => {
    const court = await open([HIGH])
    await court.at(10, { x: 0 })
    await court.at(2, { x: 9 })
    await judged(court)
    expect(court.judge.late()).toBe(1)
    await court.judge.stop()
    await court.newJudge([HIGH]).start()
    await judged(court)
    expect(court.judge.late()).toBe(1)
    expect(court.book.all()).toEqual([])
  })

  test('values and peaks follow without being a change each', async () => {
    const told: Recorded[] = []
    const court = await open([HIGH], { onChanges: (alarms) => void told.push(...alarms) })
    for (const [minute, x] of [5, 7, 6].entries()) await court.at(minute, { x })
    await soon(() => expect(court.book.all()).toMatchObject([{ value: 6, peak: 7 }]))
    expect(told.length).toBeLessThanOrEqual(2)
  })
})

describe('clocks', () => {
  test('`for` runs out without new readings', async () => {
    const court = await open([{ ...HIGH, for: '3m' }])
    await court.at(0, { x: 5 })
    await judged(court)
    expect(court.book.all()).toEqual([])
    court.now = START + 4 * MINUTE
    await soon(() => expect(court.book.all().map(story)).toEqual([['r', 'red', 'firing', 3, null]]))
  })

  test('after a start silence does not count until devices had time to reconnect', async () => {
    const rules = [
      rule({ blue: { absent: '15m' } }, { id: 'offline' }),
      rule({ red: { metric: 'x', above: 2 } }, { id: 'slow', for: '3m' }),
    ]
    const court = await open(rules, { reconnectMs: 10 * MINUTE })
    await court.at(0, { x: 5 })
    await judged(court)
    await court.judge.stop()
    court.now = START + 60 * MINUTE
    await court.newJudge(rules).start()
    await soon(() => expect(court.book.all().map(story)).toEqual([['slow', 'red', 'firing', 3, null]]))
    court.now = START + 69 * MINUTE
    await court.at(69, { x: 5 }, originOf('other'))
    await judged(court)
    expect(court.book.all().filter(({ rule }) => rule === 'offline')).toEqual([])
    court.now = START + 70 * MINUTE
    await soon(() =>
      expect(court.book.all().map(story)).toContainEqual(['offline', 'blue', 'firing', 15, null]),
    )
  })
})

describe('after a restart', () => {
  test('a late reading withdraws what fired before it', async () => {
    const slow = { ...HIGH, for: '3m' }
    const court = await open([slow])
    await court.at(0, { x: 5 })
    await judged(court)
    court.now = START + 4 * MINUTE
    await soon(() => expect(court.book.settled()).toHaveLength(1))
    await court.judge.stop()
    await court.newJudge([slow]).start()
    await judged(court)
    await court.at(2, { x: 0 })
    await soon(() => expect(court.book.all()).toMatchObject([{ state: 'withdrawn' }]))
  })

  test('an alarm that the clock had raised is still firing, also while silence does not count yet', async () => {
    const offline = rule({ blue: { absent: '15m' } })
    const court = await open([offline])
    await court.at(0, { x: 5 })
    await judged(court)
    court.now = START + 30 * MINUTE
    await soon(() => expect(court.book.all()).toHaveLength(1))
    const crashed = newFolder()
    cpSync(folder.path, crashed.path, { recursive: true })
    const told: Recorded[] = []
    const onChanges = (alarms: readonly Recorded[]) => void told.push(...alarms)
    const again = new Court(crashed.path, [offline], { reconnectMs: 10 * MINUTE, onChanges })
    again.now = START + 31 * MINUTE
    onTestFinished(async () => {
      await again.stop()
      crashed.remove()
    })
    await again.start()
    await judged(again)
    expect(told.map(story)).toEqual([['r', 'blue', 'firing', 15, null]])
    await again.at(32, { x: 1 })
    await soon(() => expect(again.book.all().map(story)).toEqual([['r', 'blue', 'cleared', 15, 32]]))
  })

  test('an edited rule keeps its running alarm; a removed one’s is cleared', async () => {
    const court = await open([HIGH, { ...HIGH, id: 'gone' }, { ...HIGH, id: 'whole-kind', kind: 'other' }])
    await court.at(0, { x: 5 })
    await court.at(1, { x: 5 }, originOf('e', 'other'))
    await soon(() => expect(court.book.all()).toHaveLength(3))
    await court.judge.stop()
    await court
      .newJudge([{ ...HIGH, version: 2, severity: { red: { metric: 'x', above: 3 } }, for: '1h' }])
      .start()
    await judged(court)
    const byRule = Object.fromEntries(court.book.all().map((alarm) => [alarm.rule, alarm]))
    expect(byRule['r']).toMatchObject({ state: 'firing', startedAt: START, ruleVersion: 2 })
    expect(byRule['gone']).toMatchObject({ state: 'cleared', clearedAt: START })
    expect(byRule['whole-kind']).toMatchObject({ state: 'cleared' })
    await court.at(2, { x: 1 })
    await soon(() => expect(court.book.all()[1]).toMatchObject({ rule: 'r', state: 'cleared' }))
  })

  test('alarms equal those of an uninterrupted run, wherever it was stopped', async () => {
    const arrivals = historyOf(6, 1500, 7)
    const calmFolder = newFolder()
    const calm = new Court(calmFolder.path, RULES)
    onTestFinished(async () => {
      await calm.stop()
      calmFolder.remove()
    })
    await calm.start()
    const stormy = await open(RULES)
    for (const [index, { origin, receivedAt, reading }] of arrivals.entries()) {
      for (const court of [calm, stormy]) {
        court.now = receivedAt
        void append(court.journal, origin, receivedAt, [reading])
      }
      if (index % 150 === 149) {
        await judged(stormy)
        await stormy.judge.stop()
        await stormy.newJudge(RULES).start()
      }
    }
    for (const court of [calm, stormy]) {
      await judged(court)
      court.now += 86_400_000
    }
    const isLast = ({ rule, severity, state }: Recorded) =>
      rule === 'silent' && severity === 'yellow' && state === 'firing'
    for (const court of [calm, stormy]) {
      // Every device's last silence has risen as far as it can.
      await soon(() => expect(court.book.settled().filter(isLast)).toHaveLength(6))
      await court.judge.stop()
    }
    expect(stormy.book.settled()).toEqual(calm.book.settled())
  })
})

describe('trouble', () => {
  test('a book that fails loses nothing: the alarm is recorded when it works again', async () => {
    const court = await open([HIGH])
    await judged(court)
    court.book.failure = new Error('disk full')
    await court.at(0, { x: 5 })
    await soon(() =>
      expect(court.judge.health()).toEqual({ ready: false, detail: 'rules are stuck: disk full' }),
    )
    await court.at(1, { x: 0 })
    court.book.failure = null
    await soon(() => expect(court.book.all().map(story)).toEqual([['r', 'red', 'cleared', 0, 1]]))
    await judged(court)
  })

  test('a device that is deleted has its alarms cleared and is not missed', async () => {
    const court = await open([HIGH, rule({ blue: { absent: '15m' } }, { id: 'offline' })])
    await court.at(0, { x: 5 })
    await judged(court)
    court.judge.forget('d')
    await soon(() => expect(court.book.all().map(story)).toEqual([['r', 'red', 'cleared', 0, 0]]))
    expect(court.book.all()[0]).toMatchObject({ reason: 'device_removed' })
    court.now = START + 60 * MINUTE
    await court.at(60, { x: 5 }, originOf('other'))
    await soon(() => expect(court.book.all()).toHaveLength(2))
    expect(court.book.all().filter(({ rule }) => rule === 'offline')).toEqual([])
  })

  test('a device that is deleted while its readings wait to be judged raises nothing', async () => {
    const devices = new Set(['d'])
    const court = await open([HIGH, rule({ blue: { absent: '15m' } }, { id: 'offline' })], {
      devices: everyDevice((device) => devices.has(device)),
    })
    await judged(court)
    await court.at(0, { x: 5 })
    devices.delete('d')
    court.judge.forget('d')
    await judged(court)
    court.now = START + 60 * MINUTE
    devices.add('other')
    await court.at(60, { x: 5 }, originOf('other'))
    await soon(() => expect(court.book.all().map(({ device }) => device)).toEqual(['other']))
  })

  test('a device that was deleted just before a crash has its alarms cleared and is not missed', async () => {
    const rules = [HIGH, rule({ blue: { absent: '15m' } }, { id: 'offline' })]
    const court = await open(rules)
    await court.at(0, { x: 5 })
    await soon(() => expect(court.journal.cursor('rules')).toBe(1))
    await court.at(1, { x: 6 })
    await judged(court)
    const crashed = newFolder()
    cpSync(folder.path, crashed.path, { recursive: true })
    const again = new Court(crashed.path, rules, { devices: everyDevice(() => false) })
    onTestFinished(async () => {
      await again.stop()
      crashed.remove()
    })
    again.now = START + 60 * MINUTE
    await again.start()
    await judged(again)
    await soon(() =>
      expect(again.book.all()).toMatchObject([{ rule: 'r', state: 'cleared', reason: 'device_removed' }]),
    )
    await soon(() =>
      expect(again.database.sql.prepare('SELECT count(*) AS n FROM judge_states').get()).toEqual({ n: 0 }),
    )
    expect(again.book.all()).toHaveLength(1)
  })

  test('what the book has heard of stays heard, though a device is deleted while that is judged again', async () => {
    const court = await open([HIGH])
    await court.at(0, { x: 5 })
    await soon(() => expect(court.journal.cursor('rules')).toBe(1))
    const readings = Array.from({ length: 1000 }, (_, index) => ({ ts: START + index, metrics: { x: 0 } }))
    await append(court.journal, originOf('e'), court.now, readings)
    await append(court.journal, originOf('f'), court.now, readings)
    await court.at(1, { x: 5 }, originOf('g'))
    await soon(() => expect(court.book.all()).toHaveLength(2))
    const crashed = newFolder()
    cpSync(folder.path, crashed.path, { recursive: true })
    const again = new Court(crashed.path, [HIGH])
    onTestFinished(async () => {
      await again.stop()
      crashed.remove()
    })
    await again.start()
    const cursor = () => again.database.sql.prepare('SELECT cursor FROM judge_progress').get()!['cursor']
    expect(cursor()).toBe(2002)
    again.judge.forget('d')
    await aTurn()
    expect(cursor()).toBe(2002)
    await judged(again)
    expect(again.book.all().map(story)).toContainEqual(['r', 'red', 'cleared', 0, 0])
  })

  test('while states cannot be saved the judge is not well at any moment', async () => {
    const court = await open([HIGH])
    await judged(court)
    court.database.sql.exec('PRAGMA query_only = ON')
    await court.at(0, { x: 0 })
    await soon(() => expect(court.judge.health().ready).toBe(false))
    for (const until = performance.now() + 1200; performance.now() < until; await aTurn())
      expect(court.judge.health().ready).toBe(false)
    court.database.sql.exec('PRAGMA query_only = OFF')
    await judged(court)
    await soon(() => expect(court.journal.cursor('rules')).toBe(1))
  })

  test('a device that becomes one of another kind ends its alarms', async () => {
    const court = await open([HIGH, { ...HIGH, id: 's', kind: 'other' }])
    await court.at(0, { x: 5 })
    await court.at(1, { x: 3 }, originOf('d', 'other'))
    await soon(() =>
      expect(court.book.all().map(story)).toEqual([
        ['r', 'red', 'cleared', 0, 0],
        ['s', 'yellow', 'firing', 1, null],
      ]),
    )
    expect(court.book.all()[0]).toMatchObject({ reason: 'device_changed' })
  })

  test('a backlog of more than an hour raises stale alarms', async () => {
    const court = await open([HIGH])
    court.now = START + 2 * 60 * MINUTE
    await court.at(0, { x: 5 })
    await soon(() => expect(court.book.all()).toMatchObject([{ stale: true }]))
    expect(court.now - START).toBeGreaterThan(BOUNDS.staleAfterMs)
  })
})
