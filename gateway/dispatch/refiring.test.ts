import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { admin, alarm, crew, device, MINUTE, NOON, rule, Stage } from './test-stage.ts'

let stage: Stage
let id: string
beforeEach(() => {
  stage = new Stage()
  id = stage.opened()
})
afterEach(async () => stage.close())

const act = (action: 'accept' | 'arrive' | 'handle' | 'verify' | 'close' | 'void', by = admin) =>
  expect(stage.queue.act(id, by, { action, position: device.position!, code: 'confirmed' })).toMatchObject({
    type: 'ok',
  })
const fire = (more: Parameters<typeof alarm>[0] = {}) =>
  stage.queue.record(alarm(more), rule, stage.clock.now())
const clear = (one = alarm().id, state: 'cleared' | 'withdrawn' = 'cleared') =>
  fire({ id: one, state, clearedAt: stage.clock.now() })
const notes = () => stage.case(id).timeline.map(({ actor, action }) => `${actor} ${action}`)

describe('when all alarms of a case are over', () => {
  test('the check is proposed, until one fires again', () => {
    fire({ id: 'b' })
    clear()
    expect(stage.case(id).proposal).toBeNull()
    clear('b')
    expect(stage.case(id).proposal).toBe('normal')
    expect(stage.cases.list({ proposal: 'normal' }, 10).items).toMatchObject([{ id }])
    expect(notes().slice(-2)).toEqual(['gateway alarm_cleared', 'gateway verify_proposed'])
    fire({ id: 'c' })
    expect(stage.case(id).proposal).toBeNull()
    expect(notes().slice(-2)).toEqual(['gateway alarm_joined', 'gateway proposal_withdrawn'])
  })

  test('the proposal of a handled case is to verify it, of a verified one nothing is left to propose', () => {
    clear(alarm().id, 'withdrawn')
    for (const action of ['accept', 'arrive', 'handle'] as const) act(action, crew)
    expect(stage.case(id).proposal).toBe('verify')
    expect(stage.cases.list({ proposal: 'verify' }, 10).items).toMatchObject([{ id }])
    expect(stage.cases.list({ proposal: 'normal' }, 10).items).toEqual([])
    act('verify')
    expect(stage.case(id).proposal).toBeNull()
  })

  test('the field stays right for a device that flickers beyond what the timeline holds', () => {
    for (let i = 0; i < 400; i++) {
      fire({ id: `f${i}` })
      clear(`f${i}`)
    }
    clear()
    expect(stage.case(id).proposal).toBe('normal')
    const { version, timeline } = stage.case(id)
    expect(timeline.length).toBeLessThan(510)
    expect(timeline.filter((entry) => entry.action === 'alarms_left_out')).toHaveLength(1)
    fire({ id: 'again' })
    expect(stage.case(id)).toMatchObject({ proposal: null, version })
  })
})

describe.each(['handled', 'verified'] as const)('an alarm that fires again while its case is %s', (state) => {
  test('sends it back to the crew, which is told', async () => {
    for (const action of ['accept', 'arrive', 'handle'] as const) act(action, crew)
    if (state === 'verified') act('verify')
    clear()
    expect(stage.case(id).state).toBe(state)
    stage.clock.time += 5 * MINUTE
    fire({ id: 'again' })
    expect(stage.case(id)).toMatchObject({
      state: 'dispatched',
      team: 'tangzhazhen-crew',
      crew: null,
      alarms: [alarm().id, 'again'],
      proposal: null,
    })
    expect(stage.case(id).timeline.at(-1)).toMatchObject({
      at: NOON + 5 * MINUTE,
      actor: 'gateway',
      action: 'rework',
      note: 'again',
      team: 'tangzhazhen-crew',
    })
    await new Promise((resolve) => setImmediate(resolve))
    const order = stage.publisher.retained().get(`dispatch/tangzhazhen-crew/orders/${id}`)!
    expect(JSON.parse(order)).toMatchObject({ state: 'dispatched' })
  })

  test('but one that only goes on firing does not', () => {
    for (const action of ['accept', 'arrive', 'handle'] as const) act(action, crew)
    if (state === 'verified') act('verify')
    fire({ severity: 'red', value: 9 })
    expect(stage.case(id)).toMatchObject({ state, severity: 'red' })
  })
})

describe('what fires after its case was closed', () => {
  const closeAll = () => {
    for (const action of ['accept', 'arrive', 'handle', 'verify', 'close'] as const) act(action)
    clear()
  }

  test('within two hours names the earlier case', () => {
    closeAll()
    stage.clock.time += 120 * MINUTE
    fire({ id: 'again' })
    const next = stage.case(stage.alarms.get('again')!.case!)
    expect(next).toMatchObject({ previous: id, recurrence: true, state: 'dispatched' })
    expect(next.timeline[1]).toMatchObject({ action: 'recurrence', note: id })
  })

  test('later, elsewhere, or after it was void, is a new matter', () => {
    closeAll()
    fire({ id: 'elsewhere', site: 'restaurant-2' })
    stage.clock.time += 120 * MINUTE + 1
    fire({ id: 'later' })
    for (const one of ['elsewhere', 'later'])
      expect(stage.case(stage.alarms.get(one)!.case!)).toMatchObject({ previous: null, recurrence: false })
    id = stage.alarms.get('later')!.case!
    act('void')
    fire({ id: 'after-void' })
    expect(stage.case(stage.alarms.get('after-void')!.case!).previous).toBeNull()
  })
})
