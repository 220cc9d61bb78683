import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Alarm } from '../model/alarm.ts'
import type { Case } from '../model/case.ts'
import { alarm, device, rule, simulatedDevice, Stage } from './test-stage.ts'

const simulated = (more: Partial<Omit<Alarm, 'case'>> = {}) =>
  alarm({ id: 'of-the-simulated', device: simulatedDevice.id, ...more })

let stage: Stage
beforeEach(async () => {
  stage = new Stage()
  await stage.queue.start()
})
afterEach(async () => stage.close())

function opened(on: Stage): Case {
  on.queue.record(simulated(), rule, on.clock.now())
  return on.case(on.alarms.get('of-the-simulated')!.case!)
}

const orders = (on: Stage) =>
  [...on.publisher.retained()].filter(([topic]) => topic.startsWith('dispatch/')).map(([, order]) => order)

describe('a case of nothing but simulated alarms calls no crew', () => {
  test('it is opened, routed and marked, as its alarm is, and no team has an order', () => {
    const found = opened(stage)
    expect(found).toMatchObject({ state: 'dispatched', team: 'tangzhazhen-crew', simulated: true })
    expect(stage.alarms.get('of-the-simulated')).toMatchObject({ simulated: true })
    const [told] = stage.publisher.told
    expect(told!.topic).toBe(`alarms/tangzhazhen/${simulatedDevice.id}`)
    expect(JSON.parse(told!.payload)).toMatchObject({ simulated: true })
    expect(orders(stage)).toEqual([])
  })

  test('neither does it when its deadlines pass, or after a restart', async () => {
    opened(stage)
    stage.clock.time += 3 * 3_600_000
    stage.queue.checkDeadlines()
    expect(orders(stage)).toEqual([])
    const next = stage.afterCrash()
    await next.queue.start()
    expect(orders(next)).toEqual([])
    await next.close()
  })

  test('unless dispatch.simulated says so; the order is marked', async () => {
    const rehearsal = new Stage(undefined, true)
    await rehearsal.queue.start()
    opened(rehearsal)
    expect(orders(rehearsal).map((order) => JSON.parse(order) as Case)).toMatchObject([{ simulated: true }])
    await rehearsal.close()
  })
})

describe('a real alarm makes the case real', () => {
  test('the crew gets its order with the alarm that joins', async () => {
    const { id } = opened(stage)
    stage.queue.record(alarm(), rule, stage.clock.now())
    expect(stage.case(id)).toMatchObject({ simulated: false, alarms: ['of-the-simulated', alarm().id] })
    await expect
      .poll(() => orders(stage).map((order) => JSON.parse(order) as Case))
      .toMatchObject([{ id, simulated: false }])
  })

  test('a simulated alarm that joins a real case takes no order back', () => {
    const id = stage.opened()
    stage.queue.record(simulated({ severity: 'red' }), rule, stage.clock.now())
    expect(stage.case(id)).toMatchObject({ simulated: false, severity: 'red' })
    expect(orders(stage)).toHaveLength(1)
  })
})

test('an alarm keeps its mark when its device is no more', () => {
  opened(stage)
  const gone = simulated({ device: 'removed', id: 'of-the-simulated', state: 'cleared', clearedAt: 1 })
  stage.queue.record(gone, rule, stage.clock.now())
  expect(stage.alarms.get('of-the-simulated')).toMatchObject({ state: 'cleared', simulated: true })
  stage.queue.record(alarm({ id: 'x', device: device.id }), rule, stage.clock.now())
  expect(stage.alarms.get('x')).not.toHaveProperty('simulated')
})
