import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Case } from '../model/case.ts'
import { holders } from './case-record.ts'
import { admin, alarm, crew, device, MINUTE, NOON, rule, Stage } from './test-stage.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(async () => stage.close())

/** Until the outbox is empty and that is on disk. */
async function settled(of = stage): Promise<void> {
  const due = of.database.sql.prepare('SELECT count(*) AS due FROM case_orders WHERE announced < version')
  await vi.waitUntil(() => due.get()!['due'] === 0, { timeout: 5_000, interval: 1 })
}

const topics = (of = stage) => of.publisher.told.map((told) => told.topic)

/** What every team should find retained, from the cases themselves. */
function expectedOrders(of: Stage): string[] {
  return of.cases
    .list({}, 1_000)
    .items.flatMap((found) =>
      holders({ ...found, team: found.team! }).map(
        (team) => `dispatch/${team}/orders/${found.id} ${found.version}`,
      ),
    )
    .sort()
}

function retainedOrders(of: Stage): string[] {
  return [...of.publisher.retained()]
    .map(([topic, payload]) => `${topic} ${(JSON.parse(payload) as Case).version}`)
    .sort()
}

test('the order leaves in the same turn as the commit, retained, with the case as it is', () => {
  const id = stage.opened()
  const order = stage.publisher.told.find((told) => told.topic === `dispatch/tangzhazhen-crew/orders/${id}`)
  expect(order?.retain).toBe(true)
  expect(JSON.parse(order!.payload)).toEqual({ ...stage.case(id), may: ['accept', 'return'] })
})

test('nothing is told of a transaction that was rolled back', () => {
  expect(() =>
    stage.database.transaction(() => {
      stage.queue.record(alarm(), rule, NOON)
      throw new Error('the judge failed')
    }),
  ).toThrow('the judge failed')
  expect(stage.publisher.told).toEqual([])
  expect(stage.cases.list({}, 10).items).toEqual([])
})

test('the order is cleared when the case is closed or void', async () => {
  const id = stage.opened()
  await settled()
  stage.queue.act(id, admin, { action: 'void' })
  expect(stage.publisher.told.at(-1)).toEqual({
    topic: `dispatch/tangzhazhen-crew/orders/${id}`,
    payload: '',
    retain: true,
  })
  await settled()
  expect(stage.publisher.retained().size).toBe(0)
  expect(stage.database.sql.prepare('SELECT count(*) AS n FROM case_orders').get()!['n']).toBe(0)
})

test('a case that goes up stays with everybody who held it until one of them accepts', async () => {
  const id = stage.opened()
  await settled()
  stage.clock.time += 11 * MINUTE
  stage.queue.checkDeadlines()
  await settled()
  const teams = ['fume-team', 'tangzhazhen-crew', 'tangzhazhen-team']
  expect(retainedOrders(stage)).toEqual(teams.map((team) => `dispatch/${team}/orders/${id} 2`))
  const may = (team: string) =>
    (JSON.parse(stage.publisher.retained().get(`dispatch/${team}/orders/${id}`)!) as { may: unknown }).may
  expect(teams.map(may)).toEqual([['accept', 'return'], ['accept'], ['accept']])

  // The grid's crew was at the door already. The street, which neither answers for it nor works on it, is told so.
  expect(stage.queue.act(id, crew, { action: 'accept' })).toMatchObject({ type: 'ok' })
  await settled()
  expect(stage.case(id)).toMatchObject({ team: 'fume-team', crew: 'tangzhazhen-crew' })
  expect(retainedOrders(stage)).toEqual(
    ['fume-team', 'tangzhazhen-crew'].map((team) => `dispatch/${team}/orders/${id} 3`),
  )
  const street = { ...crew, name: 'wu', team: 'tangzhazhen-team' }
  expect(stage.queue.act(id, street, { action: 'accept' })).toMatchObject({
    type: 'conflict',
    allowed: [],
    doer: { by: 'wang', team: 'tangzhazhen-crew' },
  })
})

test('the crew that accepted and the team that answers for it both hold the order', async () => {
  const id = stage.opened()
  stage.queue.act(id, crew, { action: 'accept' })
  stage.clock.time += 16 * MINUTE
  stage.queue.checkDeadlines()
  await settled()
  expect(retainedOrders(stage)).toEqual([
    `dispatch/tangzhazhen-crew/orders/${id} 3`,
    `dispatch/tangzhazhen-team/orders/${id} 3`,
  ])
})

test('an order that goes away and comes back is there in the end', async () => {
  const id = stage.opened()
  stage.queue.act(id, crew, { action: 'return', note: 'not ours' })
  stage.queue.act(id, admin, { action: 'assign', team: 'tangzhazhen-crew' })
  await settled()
  expect(retainedOrders(stage)).toEqual([`dispatch/tangzhazhen-crew/orders/${id} 3`])
})

test('the order of a long story carries its end, so that it fits a packet', async () => {
  const id = stage.opened()
  for (let i = 0; i < 80; i++) stage.queue.act(id, admin, { action: 'supervise', note: `${i}` })
  await settled()
  const order = stage.publisher.retained().get(`dispatch/tangzhazhen-crew/orders/${id}`)!
  const { timeline } = JSON.parse(order) as Case
  expect(stage.case(id).timeline).toHaveLength(82)
  expect(timeline).toEqual(stage.case(id).timeline.slice(-50))
})

test('an alarm is told on its device’s topic at each change of state, not of value', () => {
  const told = () =>
    stage.publisher.told
      .filter(({ topic }) => topic === 'alarms/tangzhazhen/fume-1')
      .map(({ payload, retain }) => [(JSON.parse(payload) as { state: string }).state, retain])
  stage.opened()
  expect(told()).toEqual([['firing', false]])
  stage.queue.record(alarm({ value: 9, peak: 9 }), rule, NOON)
  expect(told()).toHaveLength(1)
})

test('changes of an alarm are told in their order', async () => {
  for (const severity of ['yellow', 'orange', 'red'] as const) {
    stage.queue.record(alarm({ severity }), rule, NOON)
  }
  stage.queue.record(alarm({ severity: 'red', state: 'cleared', clearedAt: NOON }), rule, NOON)
  const told = () =>
    stage.publisher.told.filter(({ topic }) => topic.startsWith('alarms/')).map(({ payload }) => payload)
  await vi.waitUntil(() => told().length === 4, { timeout: 5_000, interval: 1 })
  expect(told()).toEqual(stage.alarms.after(0, 10).map((change) => JSON.stringify(change.alarm)))
})

describe('after a restart', () => {
  test('a power cut took retained orders: each that is held is there again, as it was, and told once', async () => {
    const id = stage.opened()
    stage.queue.act(id, crew, { action: 'accept' })
    stage.clock.time += 16 * MINUTE
    stage.queue.checkDeadlines()
    await settled()
    const heir = stage.afterCrash()
    await heir.queue.start()
    await settled(heir)
    expect(retainedOrders(heir)).toEqual(retainedOrders(stage))
    expect(heir.publisher.told).toHaveLength(2)
    await heir.close()
  })

  test('a power cut brought back orders that had been cleared: they are cleared again, and no other', async () => {
    const [open, closed] = ['s1', 's2'].map((site) => {
      stage.queue.record(alarm({ id: site, site }), rule, NOON)
      return stage.alarms.get(site)!.case!
    })
    await settled()
    const retained = stage.publisher.told.filter(({ retain }) => retain)
    stage.queue.act(closed!, admin, { action: 'void' })
    await settled()
    const heir = stage.afterCrash()
    heir.publisher.told.push(...retained)
    heir.publisher.told.push({ topic: 'v1/fume-1/status', payload: '{"online":true}', retain: true })
    await heir.queue.start()
    await vi.waitUntil(() => heir.publisher.retained().size === 2, { timeout: 5_000 })
    expect([...heir.publisher.retained().keys()]).toEqual([
      `dispatch/tangzhazhen-crew/orders/${open}`,
      'v1/fume-1/status',
    ])
    await heir.close()
  })

  test('what a power cut brought back is cleared though the broker fails at first', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      stage.publisher.told.push({
        topic: 'dispatch/tangzhazhen-crew/orders/gone',
        payload: '{}',
        retain: true,
      })
      stage.publisher.broken = true
      await stage.queue.start()
      await vi.advanceTimersByTimeAsync(1_500)
      expect(stage.publisher.retained().size).toBe(1)
      stage.publisher.broken = false
      await vi.advanceTimersByTimeAsync(1_000)
      expect(stage.publisher.retained().size).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  test('what a crash left unsaid is said, orders and alarms', async () => {
    stage.publisher.broken = true
    const id = stage.opened()
    const heir = stage.afterCrash()
    await heir.queue.start()
    await settled(heir)
    expect(topics(heir)).toEqual(['alarms/tangzhazhen/fume-1', `dispatch/tangzhazhen-crew/orders/${id}`])
    await heir.close()
  })

  test('an order that must be cleared still is', async () => {
    const id = stage.opened()
    await settled()
    stage.publisher.broken = true
    stage.queue.act(id, admin, { action: 'void' })
    const heir = stage.afterCrash()
    await heir.queue.start()
    expect(heir.publisher.told).toEqual([
      { topic: `dispatch/tangzhazhen-crew/orders/${id}`, payload: '', retain: true },
    ])
    await heir.close()
  })

  test('thousands that were left unsaid are all said', async () => {
    stage.publisher.broken = true
    stage.database.transaction(() => {
      for (let i = 0; i < 1_100; i++)
        stage.queue.record(alarm({ id: `a${i}`, site: `s${i}`, device: `d${i}` }), rule, NOON)
    })
    const heir = stage.afterCrash()
    await heir.queue.start()
    await settled(heir)
    await vi.waitUntil(() => heir.publisher.told.length >= 2_200, { timeout: 5_000 })
    expect(new Set(topics(heir)).size).toBe(2_200)
    expect(heir.publisher.told).toHaveLength(2_200)
    await heir.close()
  })
})

test('orders that are told again after a start leave turns to others in between, and are told once', async () => {
  for (let i = 0; i < 220; i++) stage.queue.record(alarm({ id: `a${i}`, site: `s${i}` }), rule, NOON)
  await settled()
  const heir = stage.afterCrash()
  await heir.queue.start()
  const turns: number[] = []
  const orders = () => topics(heir).filter((topic) => topic.startsWith('dispatch/')).length
  while (orders() < 220) {
    turns.push(orders())
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(turns.length).toBeGreaterThan(3)
  await settled(heir)
  expect(orders()).toBe(220)
  await heir.close()
})

test('a broker that fails is tried again until it takes the order', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    stage.publisher.broken = true
    stage.opened()
    await vi.advanceTimersByTimeAsync(3_000)
    expect(stage.publisher.told).toEqual([])
    stage.publisher.broken = false
    await vi.advanceTimersByTimeAsync(1_000)
    expect(stage.publisher.told).toHaveLength(2)
  } finally {
    vi.useRealTimers()
  }
})

test('whatever happens in whatever order, with crashes and a broker that fails, the retained orders end up as the cases are', async () => {
  const anyStep = fc.constantFrom('fire', 'act', 'act', 'late', 'fail', 'heal', 'pause', 'crash')
  const ways = [
    { action: 'accept' },
    { action: 'return', note: 'no' },
    { action: 'assign' },
    { action: 'void' },
  ] as const
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyStep, fc.nat(3)), { maxLength: 30 }), async (steps) => {
      let now = new Stage()
      for (const [step, number] of steps) {
        const open = now.cases.list({ open: true }, 10).items
        if (step === 'fire')
          now.queue.record(alarm({ id: `a${now.clock.time}`, site: `s${number}` }), rule, now.clock.time++)
        if (step === 'act' && open[0]) now.queue.act(open[0].id, admin, ways[number]!)
        if (step === 'late') {
          now.clock.time += 8 * MINUTE
          now.queue.checkDeadlines()
        }
        if (step === 'fail' || step === 'heal') now.publisher.broken = step === 'fail'
        if (step === 'pause') await new Promise((resolve) => setImmediate(resolve))
        if (step === 'crash') {
          const heir = now.afterCrash()
          // the broker's retained messages are on disk too
          heir.publisher.told.push(...now.publisher.told)
          await now.close()
          now = heir
        }
      }
      const heir = now.afterCrash()
      heir.publisher.told.push(...now.publisher.told)
      await now.close()
      await heir.queue.start()
      await settled(heir)
      expect(retainedOrders(heir)).toEqual(expectedOrders(heir))
      await heir.close()
    }),
    { numRuns: 25 },
  )
})

test('evidence of where the crew is travels with the order', async () => {
  const id = stage.opened()
  stage.queue.act(id, crew, { action: 'accept' })
  stage.queue.act(id, crew, { action: 'arrive', position: device.position!, files: ['door.jpg'] })
  await settled()
  const order = JSON.parse(stage.publisher.retained().get(`dispatch/tangzhazhen-crew/orders/${id}`)!) as Case
  expect(order.timeline.at(-1)).toMatchObject({ position: device.position, files: ['door.jpg'] })
})
