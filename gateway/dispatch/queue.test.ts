import { StatementSync } from 'node:sqlite'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Alarm } from '../model/alarm.ts'
import type { Rule } from '../model/rule.ts'
import { caseId } from './opening.ts'
import { admin, alarm, device, MINUTE, NOON, rule, Stage } from './test-stage.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(async () => stage.close())

const allCases = () => stage.cases.list({}, 1000).items
const actions = (id: string) => stage.case(id).timeline.map((entry) => entry.action)

/** Through to the end, by somebody who may. */
function close(id: string): void {
  for (const action of ['accept', 'arrive', 'handle', 'verify', 'close'] as const) {
    const outcome = stage.queue.act(id, admin, {
      action,
      position: device.position!,
      code: 'confirmed',
    })
    expect(outcome.type).toBe('ok')
  }
}

test('the id of a case fits into topics, addresses and headers, whatever its family is called', () => {
  for (const family of ['report-餐饮油烟', 'patrol-../#', 'a+b\n\0c', 'report-litter'])
    expect(caseId(family, NOON, 'seed')).toMatch(/^20240601-[A-Za-z0-9_.-]+-[0-9a-f]{8}$/)
  expect(caseId('report-litter', NOON, 'seed')).toMatch(/^20240601-report-litter-/)
})

test('a firing alarm opens a case that is routed and on the clock', () => {
  const id = stage.opened()
  expect(id).toMatch(/^20240601-fume-over-limit-[0-9a-f]{8}$/)
  expect(stage.case(id)).toEqual({
    id,
    state: 'dispatched',
    severity: 'orange',
    category: 'cooking-fume',
    title: '油烟浓度超标 Cooking fume over the limit · restaurant-1',
    site: 'restaurant-1',
    street: 'tangzhazhen',
    grid: 'tangzhazhen-001',
    position: [120.8239, 32.0616],
    team: 'tangzhazhen-crew',
    crew: null,
    alarms: [alarm().id],
    queuedAt: NOON,
    respondBy: NOON + 10 * MINUTE,
    arriveBy: NOON + 20 * MINUTE,
    resolveBy: NOON + 240 * MINUTE,
    deadlineColour: 'none',
    timeline: [
      {
        at: NOON,
        actor: 'gateway',
        action: 'opened',
        note: alarm().id,
        position: null,
        files: [],
      },
      {
        at: NOON,
        actor: 'gateway',
        action: 'assign',
        note: null,
        position: null,
        files: [],
        team: 'tangzhazhen-crew',
      },
    ],
    links: { map: expect.stringContaining('position=120.823900,32.061600'), console: `/#/cases/${id}` },
    family: 'fume-over-limit',
    closeCode: null,
    supervised: false,
    simulated: false,
    version: 1,
    allowed: ['accept', 'return', 'void', 'suspend', 'extend', 'supervise'],
    teams: ['tangzhazhen-crew'],
    standby: [],
    proposal: null,
    previous: null,
    reports: 0,
    recurrence: false,
    called: [],
    pendingUntil: null,
    whistles: [],
  })
  expect(stage.alarms.get(alarm().id)?.case).toBe(id)
})

test('the same alarm recorded twice changes nothing', () => {
  const id = stage.opened()
  const before = stage.case(id)
  stage.queue.record(alarm(), rule, NOON + MINUTE)
  expect(stage.case(id)).toEqual(before)
  expect(stage.alarms.after(0, 10)).toHaveLength(1)
})

describe('no case is opened', () => {
  const { dispatch: _, ...watchOnly } = rule
  test.each<[string, Partial<Alarm>, Rule]>([
    ['for an alarm below the severity that calls a crew', { severity: 'yellow' }, rule],
    ['for a stale alarm', { stale: true, severity: 'red' }, rule],
    ['for a rule that calls nobody', { severity: 'red' }, watchOnly],
    ['for an alarm that is over already', { state: 'cleared', clearedAt: NOON }, rule],
    ['for an alarm that was withdrawn', { state: 'withdrawn' }, rule],
  ])('%s', (_name, more, by) => {
    stage.queue.record(alarm(more), by, NOON)
    expect(allCases()).toEqual([])
    expect(stage.alarms.get(alarm().id)).toMatchObject({ ...more, case: null })
  })
})

test('an alarm that gets worse opens its case when it is bad enough', () => {
  stage.queue.record(alarm({ severity: 'yellow' }), rule, NOON)
  stage.queue.record(alarm({ severity: 'orange' }), rule, NOON + MINUTE)
  expect(allCases()).toMatchObject([{ severity: 'orange', queuedAt: NOON + MINUTE }])
})

test('further alarms of the family and site join the open case, and the worst of them is its severity', () => {
  const id = stage.opened()
  const sibling: Rule = { ...rule, id: 'fume-purifier-off', family: 'fume-over-limit' }
  stage.queue.record(alarm({ id: 'b', rule: sibling.id, severity: 'red' }), sibling, NOON + 1)
  stage.queue.record(alarm({ id: 'c', device: 'fume-2' }), rule, NOON + 2)
  expect(allCases()).toHaveLength(1)
  expect(stage.case(id)).toMatchObject({ alarms: [alarm().id, 'b', 'c'], severity: 'red', version: 3 })
  expect(actions(id)).toEqual(['opened', 'assign', 'alarm_joined', 'alarm_joined'])
})

test('a device that flickers does not drown its case: people still act on it, and its alarms name it', () => {
  const id = stage.opened()
  for (let i = 0; i < 1000; i++) {
    const flicker = alarm({ id: `flicker-${i}`, startedAt: NOON + i })
    stage.queue.record(flicker, rule, NOON + i)
    stage.queue.record({ ...flicker, state: 'cleared', clearedAt: NOON + i }, rule, NOON + i)
  }
  const { version } = stage.case(id)
  expect(stage.case(id).timeline.length).toBeLessThan(510)
  expect(actions(id).at(-1)).toBe('alarms_left_out')
  expect(stage.alarms.list({ case: id }, 2000).items).toHaveLength(1001)
  // The worst of them still is its severity, and what is not told is not announced.
  stage.queue.record(alarm({ id: 'worse', severity: 'red' }), rule, NOON + 2000)
  stage.queue.record(alarm({ id: 'another' }), rule, NOON + 2001)
  expect(stage.case(id)).toMatchObject({ severity: 'red', version: version + 1 })
  stage.queue.act(id, admin, { action: 'accept' })
  expect(actions(id).at(-1)).toBe('accept')
})

test('another family or another site has a case of its own', () => {
  stage.opened()
  stage.queue.record(alarm({ id: 'b' }), { ...rule, id: 'purifier-off' }, NOON)
  stage.queue.record(alarm({ id: 'c', site: 'restaurant-2' }), rule, NOON)
  expect(allCases()).toHaveLength(3)
})

test('the severity of a case rises with its alarms and never falls', () => {
  const id = stage.opened()
  stage.queue.record(alarm({ severity: 'red' }), rule, NOON + 1)
  stage.queue.record(alarm({ severity: 'orange' }), rule, NOON + 2)
  expect(stage.case(id).severity).toBe('red')
  expect(actions(id)).toEqual(['opened', 'assign', 'severity_raised'])
})

test.each(['cleared', 'withdrawn'] as const)(
  'an alarm that is %s is noted in its case, which stays open',
  (state) => {
    const id = stage.opened()
    stage.queue.record(alarm({ state, clearedAt: NOON + 5 }), rule, NOON + 5)
    stage.queue.record(alarm({ state, clearedAt: NOON + 5 }), rule, NOON + 6)
    expect(stage.case(id).state).toBe('dispatched')
    expect(actions(id)).toEqual(['opened', 'assign', `alarm_${state}`, 'verify_proposed'])
  },
)

test('an alarm that is withdrawn after its case was closed is noted there too', () => {
  const id = stage.opened()
  close(id)
  stage.queue.record(alarm({ state: 'withdrawn' }), rule, NOON + 5)
  expect(actions(id).at(-1)).toBe('alarm_withdrawn')
  expect(stage.case(id).state).toBe('closed')
})

test('what fires after a close opens a new case, and the closed one keeps its alarms', () => {
  const first = stage.opened()
  close(first)
  // still firing, new values: the matter that was just closed
  stage.queue.record(alarm({ value: 2.5 }), rule, NOON + 1)
  expect(allCases()).toHaveLength(1)
  // fires again under the same id (a corrected history), then a new alarm
  stage.queue.record(alarm({ state: 'cleared', clearedAt: NOON + 2 }), rule, NOON + 2)
  stage.queue.record(alarm(), rule, NOON + 3)
  const second = stage.alarms.get(alarm().id)!.case!
  expect(second).toBe(`${first}-2`)
  stage.queue.record(alarm({ id: 'b' }), rule, NOON + 4)
  expect(stage.case(second)).toMatchObject({ state: 'dispatched', alarms: [alarm().id, 'b'] })
  expect(stage.case(first)).toMatchObject({ state: 'closed', alarms: [alarm().id] })
  expect(stage.alarms.list({ case: first }, 10).items).toMatchObject([{ id: alarm().id, case: second }])
})

test('text from devices is not in titles, and a long one is cut', () => {
  const id = stage.opened()
  expect(stage.case(id).title).not.toContain(device.id)
  const long: Rule = { ...rule, id: 'long', title: { zh: `长${'🔥'.repeat(500)}`, en: 'x' } }
  stage.queue.record(alarm({ id: 'b' }), long, NOON)
  const other = stage.case(stage.alarms.get('b')!.case!)
  expect(other.title).toHaveLength(200)
  expect(other.links.map).toContain('%E9%95%BF')
})

test('listeners hear of a case once for each commit, after it', () => {
  const heard: string[] = []
  stage.queue.onCase((found) => heard.push(`${found.version} ${found.alarms.length}`))
  stage.queue.onAlarm((one) => heard.push(one.id))
  stage.database.transaction(() => {
    stage.queue.record(alarm({ id: 'a' }), rule, NOON)
    stage.queue.record(alarm({ id: 'b' }), rule, NOON)
    expect(heard).toEqual([])
  })
  expect(heard).toEqual(['a', '2 2', 'b'])
})

test('a listener that throws does not undo what was stored', () => {
  stage.queue.onCase(() => {
    throw new Error('broken')
  })
  expect(stage.case(stage.opened()).version).toBe(1)
})

test('the database itself refuses a second open case of a family at a site', () => {
  const record = stage.cases.record(stage.opened())!
  expect(() => stage.cases.insert({ ...record, id: 'second' }, [])).toThrow(/UNIQUE/)
})

describe('invariant 5: at most one open case per rule family and site; no alarm without its case', () => {
  const sites = ['north', 'south']
  const anyEvent = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    family: fc.constantFrom('fume', 'purifier'),
    site: fc.nat(1),
    state: fc.constantFrom('firing', 'firing', 'cleared', 'withdrawn'),
    severity: fc.constantFrom('yellow', 'orange', 'red'),
    next: fc.constantFrom('nothing', 'void', 'close'),
  })

  test('whatever the order of alarms and actions', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
        stage.database.sql.exec(
          'DELETE FROM case_alarms; DELETE FROM case_timeline; DELETE FROM cases; DELETE FROM alarms',
        )
        for (const { id, family, site, state, severity, next } of events) {
          const one = alarm({ id: `${family}-${site}-${id}`, site: sites[site]!, state, severity })
          stage.queue.record(one, { ...rule, id: family }, NOON)
          const found = stage.alarms.get(one.id)!.case
          if (state === 'firing' && severity !== 'yellow') {
            expect(found).not.toBeNull()
            expect(stage.case(found!).alarms).toContain(one.id)
          }
          const open = allCases().filter((other) => other.state !== 'closed' && other.state !== 'void')
          const matters = open.map((other) => `${other.family} ${other.site}`)
          expect(new Set(matters).size).toBe(matters.length)
          if (next === 'void' && open[0]) stage.queue.act(open[0].id, admin, { action: 'void' })
          if (next === 'close' && open[0]) close(open[0].id)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('whatever statement the process dies at, and whenever the history is replayed', async () => {
    const steps = [
      alarm({ severity: 'yellow' }),
      alarm(),
      alarm({ id: 'b', severity: 'red' }),
      alarm({ state: 'cleared', clearedAt: NOON + 9 }),
    ]
    const real = Object.getOwnPropertyDescriptor(StatementSync.prototype, 'run')!.value as (
      ...values: unknown[]
    ) => ReturnType<StatementSync['run']>
    let statement = 0
    for (let failAt = 1; ; failAt++) {
      const victim = new Stage()
      statement = 0
      const spy = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (
        this: StatementSync,
        ...values: unknown[]
      ) {
        if (++statement === failAt) throw new Error('killed')
        return real.apply(this, values)
      })
      let killed = false
      try {
        for (const step of steps) victim.queue.record(step, rule, NOON)
      } catch {
        killed = true
      }
      spy.mockRestore()
      const heir = victim.afterCrash()
      await victim.close()
      for (const one of heir.alarms.list({ state: 'firing' }, 10).items) {
        expect(one.case === null).toBe(one.severity === 'yellow')
      }
      for (const step of steps) heir.queue.record(step, rule, NOON)
      const cases = heir.cases.list({}, 10).items
      expect(cases).toHaveLength(1)
      expect(cases[0]).toMatchObject({ severity: 'red' })
      expect([...cases[0]!.alarms].sort()).toEqual([alarm().id, 'b'].sort())
      await heir.close()
      if (!killed) break
    }
    // 4 steps of several statements each: the loop has seen all of them
    expect(statement).toBeGreaterThan(20)
  })
})
