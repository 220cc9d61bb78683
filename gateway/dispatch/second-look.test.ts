import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Device } from '../model/device.ts'
import type { Rule } from '../model/rule.ts'
import type { CommandRequest, SendOutcome } from '../registry/command-sender.ts'
import type { Occasion } from './case-change.ts'
import type { CaseRecord } from './case-record.ts'
import { noted } from './life.ts'
import { Precisions } from './precision.ts'
import { admin, alarm, device, MINUTE, NOON, rule, Stage, user } from './test-stage.ts'

const speaking: Rule = {
  ...rule,
  dispatch: { ...rule.dispatch!, speak: { text: { zh: '请停止', en: 'Stop it' }, wait: '3m' } },
}
const speaker: Device = { ...device, id: 'speaker-1', kind: 'loudspeaker' }
// 0.001° of latitude: 111 m
const near: Device = { ...speaker, id: 'speaker-2', site: 'park', position: [120.8239, 32.0626] }
const far: Device = { ...speaker, id: 'speaker-3', site: 'park', position: [120.8239, 32.0646] }
const drone: Device = { ...far, id: 'drone-1', kind: 'drone' }

let stage: Stage
let sent: CommandRequest[]
let outcome: SendOutcome | Error
let offline: string[]
let ending: boolean

/** The way to devices as the wiring gives it, without a broker behind it. */
function reach(of: Stage, devices: readonly Device[]): void {
  of.others = devices
  of.queue.secondLook.commandThrough({
    send: async (_actor, request) => {
      sent.push(request)
      if (outcome instanceof Error) throw outcome
      return outcome
    },
    isReachable: (id) => !offline.includes(id),
    isEnding: () => ending,
  })
}
beforeEach(() => {
  stage = new Stage()
  sent = []
  outcome = { type: 'sent', id: '', expires: 0 }
  offline = []
  ending = false
  reach(stage, [speaker, near, far, drone])
})
afterEach(async () => stage.close())

/** A person's report about what the case is about. */
function reportOf(record: CaseRecord): Occasion {
  const { family, site, street, grid, category, title, position, severity } = record
  const { respondMs, arriveMs, resolveMs } = record
  const known = { family, site, street, grid, category, title, position, severity }
  const entry = noted(NOON, 'report_joined', { actor: 'ticket:1', report: 'page' })
  const times = { respondMs, arriveMs, resolveMs, happenedAt: NOON, seed: 'ticket' }
  return { ...known, ...times, simulated: false, entry }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))
async function open(by = speaking): Promise<string> {
  stage.queue.record(alarm(), by, stage.clock.now())
  await settled()
  return stage.alarms.get(alarm().id)!.case!
}
const notes = (id: string) =>
  stage.case(id).timeline.map(({ action, note }) => (note === null ? action : `${action}: ${note}`))
function look(minutes: number): void {
  stage.clock.time = NOON + minutes * MINUTE
  stage.queue.checkDeadlines()
}
const crews = () => [...stage.publisher.retained().keys()]

test('the loudspeaker speaks first, and only when the condition still holds after the wait is a crew sent', async () => {
  const id = await open()
  expect(sent).toMatchObject([
    { device: 'speaker-1', command: 'say', args: { text: '请停止 Stop it' }, expires: NOON + 3 * MINUTE },
  ])
  expect(stage.case(id)).toMatchObject({
    state: 'queued',
    team: null,
    teams: [],
    pendingUntil: NOON + 3 * MINUTE,
    respondBy: NOON + 10 * MINUTE,
  })
  expect(crews()).toEqual([])
  expect(stage.queue.act(id, user('team', { team: 'tangzhazhen-crew' }), { action: 'assign' })).toEqual({
    type: 'not_found',
  })
  stage.queue.secondLook.answered('speaker-1', sent[0]!.id!, 'ok')
  look(2.9)
  expect(stage.case(id).state).toBe('queued')
  look(3)
  await settled()
  expect(stage.case(id)).toMatchObject({ state: 'dispatched', team: 'tangzhazhen-crew', pendingUntil: null })
  expect(crews()).toEqual([`dispatch/tangzhazhen-crew/orders/${id}`])
  expect(notes(id)).toEqual([
    `opened: ${alarm().id}`,
    'speak: speaker-1: 请停止 Stop it',
    'speak_answered: speaker-1: ok',
    'crew_called: it still holds',
    'assign',
  ])
  look(7.5)
  expect(stage.case(id).deadlineColour).toBe('blue')
})

test('an alarm that ends within the wait closes its case without a crew', async () => {
  const id = await open()
  stage.queue.record(alarm({ state: 'cleared', clearedAt: NOON + 1 }), speaking, NOON + MINUTE)
  await settled()
  expect(stage.case(id)).toMatchObject({ state: 'closed', closeCode: 'confirmed', team: null })
  expect(stage.case(id).timeline.at(-1)).toMatchObject({
    actor: 'gateway',
    action: 'close',
    note: 'ended after speaking',
    code: 'confirmed',
  })
  look(60)
  expect(stage.case(id).state).toBe('closed')
  expect(crews()).toEqual([])
})

test('one that is withdrawn within the wait was false', async () => {
  const id = await open()
  stage.queue.record(alarm({ state: 'withdrawn' }), speaking, NOON + MINUTE)
  look(3)
  expect(stage.case(id)).toMatchObject({ state: 'closed', closeCode: 'false_alarm' })
  expect(crews()).toEqual([])
})

test('one whose start a late reading moves within the wait stays one case, and nothing is said twice', async () => {
  const id = await open()
  // As the judge says it: the old one goes, then the corrected one comes.
  stage.queue.record(alarm({ state: 'withdrawn' }), speaking, NOON + MINUTE)
  stage.queue.record(alarm({ id: 'moved', startedAt: NOON - MINUTE }), speaking, NOON + MINUTE)
  await settled()
  expect(sent).toHaveLength(1)
  expect(stage.case(id)).toMatchObject({ state: 'queued', alarms: [alarm().id, 'moved'] })
  stage.queue.record(alarm({ id: 'moved', state: 'cleared', clearedAt: NOON }), speaking, NOON + 2 * MINUTE)
  expect(stage.case(id)).toMatchObject({ state: 'closed', closeCode: 'confirmed' })
  expect(stage.cases.list({}, 10).items).toHaveLength(1)
})

test('what ended while a loudspeaker spoke was seen by nobody, so it says nothing of how right alarms are', async () => {
  await open()
  stage.queue.record(alarm({ state: 'cleared', clearedAt: NOON + 1 }), speaking, NOON + MINUTE)
  const precisions = new Precisions(stage.database)
  expect(precisions.list('rule', { from: 0, to: NOON * 2 }, 10)).toEqual([])
  expect(precisions.verdicts(rule.id)).toEqual([])
})

test('a department that is whistled to meanwhile holds the order, and nobody else', async () => {
  const id = await open()
  const call = { departments: ['river-team'], note: 'a gas bottle' }
  expect(stage.queue.whistles.blow(id, admin, call)).toMatchObject({ type: 'ok' })
  await settled()
  expect(crews()).toEqual([`dispatch/river-team/orders/${id}`])
})

test('while the alarm is about to clear the crew is not sent, but no later than its deadline draws near', async () => {
  const id = await open()
  ending = true
  look(3)
  look(7)
  expect(stage.case(id).state).toBe('queued')
  look(7.5)
  expect(stage.case(id)).toMatchObject({ state: 'dispatched' })
})

describe('the crew is sent at once', () => {
  test('without a loudspeaker that is there', async () => {
    offline = ['speaker-1', 'speaker-2']
    const id = await open()
    expect(sent).toEqual([])
    expect(stage.case(id)).toMatchObject({ state: 'dispatched', team: 'tangzhazhen-crew' })
    expect(notes(id)).toContain('speak: no loudspeaker is there')
  })

  test.each<[string, SendOutcome | Error]>([
    ['the broker fails', new Error('down')],
    ['its wire refuses', { type: 'refused', code: 'conflict', detail: 'is not connected' }],
  ])('when %s', async (_, failure) => {
    outcome = failure
    const id = await open()
    expect(stage.case(id)).toMatchObject({ state: 'dispatched', pendingUntil: null })
    expect(notes(id)).toContain('crew_called: the loudspeaker failed')
  })

  test('when the loudspeaker says that it failed, once', async () => {
    const id = await open()
    for (let i = 0; i < 3; i++) stage.queue.secondLook.answered('speaker-1', sent[0]!.id!, 'failed: no power')
    expect(notes(id).filter((note) => note.startsWith('speak_answered'))).toEqual([
      'speak_answered: speaker-1: failed: no power',
    ])
    expect(stage.case(id).state).toBe('dispatched')
    // Another device, another command: not ours.
    stage.queue.secondLook.answered('speaker-2', sent[0]!.id!, 'ok')
  })

  test('when an alarm joins that nobody spoke to', async () => {
    const id = await open()
    const urgent: Rule = { ...rule, id: 'gas', family: 'fume-over-limit' }
    stage.queue.record(alarm({ id: 'b', rule: 'gas' }), urgent, NOON + 1)
    expect(stage.case(id)).toMatchObject({ state: 'dispatched', alarms: [alarm().id, 'b'] })
  })

  test('when it gets worse', async () => {
    const id = await open()
    stage.queue.record(alarm({ severity: 'red' }), speaking, NOON + 1)
    expect(stage.case(id)).toMatchObject({ state: 'dispatched', severity: 'red' })
    expect(notes(id)).toContain('crew_called: it got worse')
  })

  test('when somebody reports it too, and then it is theirs to end', async () => {
    const id = await open()
    stage.queue.open(reportOf(stage.cases.record(id)!))
    expect(stage.case(id)).toMatchObject({ state: 'dispatched', team: 'tangzhazhen-crew' })
    expect(notes(id)).toContain('crew_called: somebody has reported it')
    stage.queue.record(alarm({ state: 'cleared', clearedAt: NOON + 1 }), speaking, NOON + MINUTE)
    expect(stage.case(id).state).toBe('dispatched')
  })

  test('when somebody reports it while it is suspended: with its end it is not closed', async () => {
    const id = await open()
    const act = (action: 'suspend' | 'resume') => stage.queue.act(id, admin, { action, note: 'flooded' })
    expect(act('suspend')).toMatchObject({ type: 'ok' })
    stage.queue.open(reportOf(stage.cases.record(id)!))
    stage.queue.record(alarm({ state: 'cleared', clearedAt: NOON + 1 }), speaking, NOON + MINUTE)
    expect(act('resume')).toMatchObject({ type: 'ok' })
    look(3)
    expect(stage.case(id)).toMatchObject({ state: 'queued', team: 'tangzhazhen-crew', pendingUntil: null })
  })

  test('when its rule or its device is taken away: that ends nothing', async () => {
    const id = await open()
    const gone = alarm({ state: 'cleared', clearedAt: NOON + 1, reason: 'device_removed' })
    stage.queue.record(gone, speaking, NOON + MINUTE)
    expect(stage.case(id).state).toBe('dispatched')
    expect(notes(id)).toContain('crew_called: nobody knows whether it has ended')
  })

  test('when a supervisor assigns it', async () => {
    const id = await open()
    expect(stage.queue.act(id, admin, { action: 'assign' })).toMatchObject({ type: 'ok' })
    expect(stage.case(id)).toMatchObject({
      state: 'dispatched',
      team: 'tangzhazhen-crew',
      pendingUntil: null,
    })
    look(3)
    expect(notes(id)).not.toContain('crew_called: it still holds')
  })
})

test('silence of a loudspeaker is noted', async () => {
  const id = await open()
  look(3)
  expect(notes(id)).toContain('speak_answered: speaker-1: no answer')
})

test('the loudspeaker is the one at the site, else the nearest within 200 m', async () => {
  offline = ['speaker-1']
  await open()
  expect(sent).toMatchObject([{ device: 'speaker-2' }])
})

test('what is only simulated makes no real loudspeaker speak', async () => {
  stage.queue.record(alarm({ device: 'sim-fume-1' }), speaking, NOON)
  await settled()
  expect(sent).toEqual([])
})

test('a drone is sent for a second look while the crew is on its way', async () => {
  const looking: Rule = {
    ...rule,
    dispatch: {
      ...rule.dispatch!,
      look: { kind: 'drone', command: 'fly_to', args: { height: 60 }, within: 500 },
    },
  }
  const id = await open(looking)
  expect(sent).toMatchObject([
    { device: 'drone-1', command: 'fly_to', args: { height: 60, position: device.position } },
  ])
  expect(stage.case(id).state).toBe('dispatched')
  stage.queue.secondLook.answered('drone-1', sent[0]!.id!, 'ok')
  expect(notes(id)).toEqual([
    `opened: ${alarm().id}`,
    'look: drone-1: fly_to',
    'assign',
    'look_answered: drone-1: ok',
  ])
})

describe('after a kill', () => {
  test('what was not sent is sent, with the same id, and the wait goes on', async () => {
    outcome = new Promise(() => {}) as never
    stage.queue.record(alarm(), speaking, NOON)
    const heir = stage.afterCrash()
    const before = sent.splice(0)
    outcome = { type: 'sent', id: '', expires: 0 }
    reach(heir, [speaker])
    await heir.queue.start()
    await settled()
    expect(sent).toEqual(before)
    await heir.queue.stop()
    await heir.queue.start()
    await settled()
    expect(sent).toHaveLength(1)
    await heir.queue.stop()
    heir.clock.time = NOON + 3 * MINUTE
    heir.queue.checkDeadlines()
    const [found] = heir.cases.list({}, 10).items
    expect(found).toMatchObject({ state: 'dispatched', team: 'tangzhazhen-crew' })
    await heir.close()
  })
})
