import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Alarm } from '../model/alarm.ts'
import { Database } from '../registry/database.ts'
import { Alarms } from './alarms.ts'
import { alarm, NOON } from './test-stage.ts'

let database: Database
let alarms: Alarms
beforeEach(() => {
  database = new Database(':memory:')
  alarms = new Alarms(database)
})
afterEach(() => database.close())

const full = (more: Partial<Alarm> = {}): Alarm => ({ case: null, ...alarm(), ...more })

test('an alarm is read back as it was stored', () => {
  for (const one of [full(), full({ id: 'b', stale: true, clearedAt: NOON, peak: null, case: 'c' })]) {
    alarms.upsert(one, NOON)
    expect(alarms.get(one.id)).toEqual(one)
  }
})

test('the log has one entry for each change of state, at event time, and none for a new value or a repeat', () => {
  expect(alarms.upsert(full(), NOON + 100)).toBe(true)
  expect(alarms.upsert(full(), NOON + 100)).toBe(false)
  expect(alarms.upsert(full({ value: 3, peak: 3 }), NOON)).toBe(false)
  expect(alarms.get(full().id)?.value).toBe(3)
  expect(alarms.upsert(full({ severity: 'red' }), NOON + 1)).toBe(true)
  expect(alarms.upsert(full({ severity: 'red', state: 'cleared', clearedAt: NOON + 2 }), NOON + 200)).toBe(
    true,
  )
  const log = alarms.after(0, 10)
  expect(log.map((change) => [change.at, change.alarm.severity, change.alarm.state])).toEqual([
    [NOON, 'orange', 'firing'],
    [NOON + 1, 'red', 'firing'],
    [NOON + 2, 'red', 'cleared'],
  ])
  expect(alarms.after(log[1]!.seq, 10)).toEqual(log.slice(2))
  expect(alarms.after(0, 2)).toEqual(log.slice(0, 2))
})

test('firing gives what a restart has to go on with', () => {
  alarms.upsert(full({ id: 'a' }), NOON)
  alarms.upsert(full({ id: 'b', severity: 'red' }), NOON)
  alarms.upsert(full({ id: 'b', severity: 'red', state: 'cleared', clearedAt: NOON }), NOON)
  alarms.upsert(full({ id: 'c', state: 'withdrawn' }), NOON)
  expect([...alarms.firing()].map((one) => one.id)).toEqual(['a'])
  expect(alarms.firingBySeverity()).toEqual({ blue: 0, yellow: 0, orange: 1, red: 0 })
})

test('pages hold every alarm once, newest first, whatever their size', () => {
  const ids = Array.from({ length: 23 }, (_, i) => `alarm-${String(i).padStart(2, '0')}`)
  // many at the same instant: the id decides
  for (const [i, id] of ids.entries()) alarms.upsert(full({ id, startedAt: NOON + Math.floor(i / 5) }), NOON)
  for (const size of [1, 4, 23, 50]) {
    const seen: string[] = []
    let page = alarms.list({}, size)
    for (;;) {
      expect(page.items.length).toBeLessThanOrEqual(size)
      seen.push(...page.items.map((one) => one.id))
      if (page.next === undefined) break
      page = alarms.list({}, size, page.next)
    }
    expect(seen).toEqual(ids.toReversed())
  }
})

test.each([
  [{ state: 'cleared' }, ['b']],
  [{ severity: 'red' }, ['c']],
  [{ rule: 'other' }, ['d']],
  [{ device: 'fume-2' }, ['b']],
  [{ site: 'pier' }, ['c']],
  [{ streets: ['xingfu', 'qinzao'] }, ['d']],
  [{ streets: [] }, []],
  [{ grids: ['tangzhazhen-002'] }, ['a']],
  [{ from: NOON + 2 }, ['d', 'c']],
  [{ to: NOON + 1 }, ['a']],
  [{ from: NOON + 1, to: NOON + 2, device: 'fume-2' }, ['b']],
  [{ device: "' OR 1=1 --" }, []],
] as const)('the filter %j finds %j', (filter, ids) => {
  alarms.upsert(full({ id: 'a', grid: 'tangzhazhen-002' }), NOON)
  alarms.upsert(full({ id: 'b', startedAt: NOON + 1, state: 'cleared', device: 'fume-2' }), NOON)
  alarms.upsert(full({ id: 'c', startedAt: NOON + 2, severity: 'red', site: 'pier' }), NOON)
  alarms.upsert(full({ id: 'd', startedAt: NOON + 3, rule: 'other', street: 'xingfu' }), NOON)
  expect(alarms.list(filter, 10).items.map((one) => one.id)).toEqual(ids)
})
