import * as fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Case, DeadlineColour } from '../model/case.ts'
import { WHISTLE_STATES, type WhistleAction } from '../model/whistle.ts'
import { ActionInbox } from './action-inbox.ts'
import type { ActionOutcome } from './actions.ts'
import { resumed, suspended } from './clocks.ts'
import { admin, crew, device, MINUTE, NOON, Stage, user } from './test-stage.ts'
import { whistleAllows } from './transitions.ts'
import { nextWhistleColour, whistleView, type WhistleRecord } from './whistle-record.ts'
import type { BlowRequest, WhistleRequest } from './whistle-request.ts'

const CALLED = 'river-team'
let stage: Stage
let id: string
const street = user('street', { street: 'tangzhazhen' })
const department = user('team', { name: 'zhou', team: CALLED })
beforeEach(() => {
  stage = new Stage()
  id = stage.opened()
})
afterEach(async () => stage.close())

const blow = (more: Partial<BlowRequest> = {}, by = street) =>
  stage.queue.whistles.blow(id, by, { departments: [CALLED], note: 'a gas bottle', ...more })
const act = (action: WhistleAction, more: WhistleRequest = {}, by = department) =>
  stage.queue.whistles.act(id, CALLED, action, by, {
    note: 'because',
    position: device.position!,
    ...more,
  })
function ok(outcome: ActionOutcome): Case {
  expect(outcome).toMatchObject({ type: 'ok' })
  return (outcome as { case: Case }).case
}
function look(minutes: number): Case {
  stage.clock.time = NOON + minutes * MINUTE
  stage.queue.checkDeadlines()
  return stage.case(id)
}
const colours = () =>
  stage
    .case(id)
    .timeline.filter((entry) => /^whistle_(blue|yellow|red)/.test(entry.action))
    .map(({ action, clock, team }) => [action, clock, team])

test('a department that is called holds the order, reports in, is done, and it is all in the timeline', async () => {
  const blown = ok(blow())
  expect(blown.whistles).toEqual([
    {
      department: CALLED,
      state: 'blown',
      by: street.name,
      at: NOON,
      note: 'a gas bottle',
      reportBy: NOON + 30 * MINUTE,
      resolveBy: NOON + 240 * MINUTE,
      deadlineColour: 'none',
      reportedAt: null,
      position: null,
      endedAt: null,
      allowed: ['report_in', 'withdraw'],
    },
  ])
  expect(blown).toMatchObject({
    called: [CALLED],
    team: 'tangzhazhen-crew',
    teams: ['tangzhazhen-crew', CALLED],
  })
  await new Promise((resolve) => setImmediate(resolve))
  const order = () => stage.publisher.retained().get(`dispatch/${CALLED}/orders/${id}`)
  expect(JSON.parse(order()!)).toMatchObject({ may: [], whistles: [{ state: 'blown' }] })

  stage.clock.time += 10 * MINUTE
  expect(ok(act('report_in', { position: [120.8239, 32.0646] })).whistles[0]).toMatchObject({
    state: 'reported_in',
    reportedAt: NOON + 10 * MINUTE,
    position: [120.8239, 32.0646],
  })
  expect(ok(act('done')).whistles[0]).toMatchObject({ state: 'done', allowed: [] })
  await new Promise((resolve) => setImmediate(resolve))
  expect(order()).toBeUndefined()
  expect(stage.case(id).timeline.slice(2)).toMatchObject([
    { actor: street.name, action: 'whistle', department: CALLED, note: 'a gas bottle' },
    // 0.003° of latitude from the site: 334 m
    { actor: 'zhou', action: 'whistle_reported_in', department: CALLED, offSite: 334 },
    { actor: 'zhou', action: 'whistle_done', department: CALLED, note: 'because' },
  ])
  // What it has had it may go on reading.
  expect(stage.cases.list({ reader: CALLED }, 10).items).toMatchObject([{ id }])
})

test('its actions follow the table of its life', () => {
  const all = ['report_in', 'done', 'withdraw'] as const
  const way = {
    blown: [],
    reported_in: ['report_in'],
    done: ['report_in', 'done'],
    withdrawn: ['withdraw'],
  } as const
  for (const [state, steps] of Object.entries(way)) {
    for (const action of all) {
      ok(blow())
      for (const step of steps) ok(act(step, {}, admin))
      const outcome = act(action, {}, admin)
      const allowed = whistleAllows(state as keyof typeof way).includes(action)
      expect([state, action, outcome.type]).toEqual([state, action, allowed ? 'ok' : 'conflict'])
      if (stage.case(id).called.length > 0) ok(act('withdraw', {}, admin))
    }
  }
})

test('a case is not verified while a department is called, unless the whistle is withdrawn', () => {
  ok(blow())
  for (const action of ['accept', 'arrive', 'handle'] as const)
    ok(stage.queue.act(id, crew, { action, position: device.position! }))
  expect(stage.queue.act(id, street, { action: 'verify' })).toMatchObject({
    type: 'conflict',
    message: expect.stringContaining(CALLED),
    allowed: ['rework', 'void', 'supervise'],
  })
  expect(act('withdraw', {}, department)).toMatchObject({ type: 'forbidden' })
  ok(act('withdraw', {}, street))
  expect(ok(stage.queue.act(id, street, { action: 'verify' })).state).toBe('verified')
})

test('a case that is void calls nobody any more', () => {
  ok(blow())
  ok(stage.queue.act(id, street, { action: 'void' }))
  expect(stage.case(id).whistles).toMatchObject([{ state: 'withdrawn', endedAt: NOON }])
  expect(stage.cases.whistles.nextDue()).toBeNull()
})

describe('its clocks', () => {
  test('have colours of their own: a late department goes up to the district, at red the case is supervised', () => {
    for (const action of ['accept', 'arrive'] as const)
      ok(stage.queue.act(id, crew, { action, position: device.position! }))
    ok(blow())
    expect(look(22).whistles[0]!.deadlineColour).toBe('none')
    expect(look(22.5).whistles[0]!.deadlineColour).toBe('blue')
    expect(look(30)).toMatchObject({
      called: [CALLED, 'fume-team'],
      supervised: false,
      deadlineColour: 'none',
    })
    expect(look(60)).toMatchObject({ supervised: true, whistles: [{ deadlineColour: 'red' }] })
    const reported = ok(act('report_in'))
    expect(reported).toMatchObject({ called: [CALLED], whistles: [{ deadlineColour: 'none' }] })
    look(180)
    expect(colours()).toEqual([
      ['whistle_blue', 'arrive', undefined],
      ['whistle_yellow', 'arrive', 'fume-team'],
      ['whistle_red', 'arrive', undefined],
      ['whistle_blue', 'resolve', undefined],
    ])
  })

  test('survive a restart and are told once, whatever the wall clock does', async () => {
    ok(blow({ reportIn: '10m', resolve: '1h' }))
    const heir = stage.afterCrash()
    await stage.close()
    stage = heir
    look(60)
    look(0)
    look(60)
    expect(colours().map(([action]) => action)).toEqual(['whistle_blue', 'whistle_yellow', 'whistle_red'])
  })
})

describe('while the case is suspended', () => {
  const suspend = () => ok(stage.queue.act(id, street, { action: 'suspend', note: 'flooded' }))
  const resume = () => ok(stage.queue.act(id, street, { action: 'resume' }))

  test('its clocks stand still, and go on where they stood; the department may act meanwhile', () => {
    ok(blow())
    stage.clock.time = NOON + 20 * MINUTE
    suspend()
    expect(look(600).whistles[0]!.deadlineColour).toBe('none')
    expect(stage.cases.whistles.nextDue()).toBeNull()
    const after = resume().whistles[0]!
    expect(after.reportBy).toBe(NOON + (30 + 580) * MINUTE)
    expect(look(602.4).whistles[0]!.deadlineColour).toBe('none')
    expect(look(602.5).whistles[0]!.deadlineColour).toBe('blue')
    suspend()
    expect(ok(act('report_in')).whistles[0]).toMatchObject({ state: 'reported_in', deadlineColour: 'none' })
    expect(ok(act('done')).whistles[0]!.state).toBe('done')
  })

  test('one that is blown then counts from when the case goes on, and a kill changes nothing of it', async () => {
    suspend()
    stage.clock.time = NOON + 60 * MINUTE
    ok(blow())
    const heir = stage.afterCrash()
    await stage.close()
    stage = heir
    expect(look(600).whistles[0]!.deadlineColour).toBe('none')
    expect(resume().whistles[0]!.reportBy).toBe(NOON + 630 * MINUTE)
  })

  test('a case that is void then calls nobody any more', () => {
    ok(blow())
    suspend()
    expect(ok(stage.queue.act(id, street, { action: 'void' })).whistles[0]!.state).toBe('withdrawn')
    expect(stage.cases.whistles.nextDue()).toBeNull()
  })
})

const anyWhistle = fc.record({
  number: fc.constant(1),
  caseId: fc.constant('c'),
  department: fc.constant(CALLED),
  state: fc.constantFrom(...WHISTLE_STATES),
  by: fc.constant('li'),
  at: fc.integer({ min: 0, max: 4e12 }),
  note: fc.constant(''),
  reportMs: fc.integer({ min: 1, max: 1e9 }),
  resolveMs: fc.integer({ min: 1, max: 1e9 }),
  deadlineColour: fc.constantFrom<DeadlineColour>('none', 'blue', 'yellow', 'red'),
  reportedAt: fc.constant(null),
  position: fc.constant(null),
  endedAt: fc.constant(null),
  overseer: fc.constant(null),
  suspendedAt: fc.constant(null),
  suspendedMs: fc.nat(1e9),
})

test('suspensions of any length and number move every deadline and colour of a whistle by exactly their sum', () => {
  const stands = fc.array(fc.tuple(fc.nat(1e9), fc.integer({ min: -1e6, max: 1e9 })), { maxLength: 10 })
  fc.assert(
    fc.property(anyWhistle, stands, (whistle, suspensions) => {
      let [now, stood, after] = [whistle.at, 0, whistle as WhistleRecord]
      for (const [ran, length] of suspensions) {
        now += ran
        after = suspended(after, now)
        expect(nextWhistleColour(after)).toBeNull()
        // A wall clock that was set back takes no time away.
        after = resumed(after, now + length)
        stood += Math.max(0, length)
        now += Math.max(0, length)
      }
      const [was, is] = [nextWhistleColour(whistle), nextWhistleColour(after)]
      expect(is).toEqual(was && { ...was, at: was.at + stood })
      const [shown, shows] = [whistleView(whistle), whistleView(after)]
      expect(shows.reportBy).toBe(shown.reportBy + stood)
      expect(shows.resolveBy).toBe(shown.resolveBy + stood)
    }),
  )
})

describe('refused, and nothing is changed:', () => {
  test.each<[string, Partial<BlowRequest>, typeof street, object]>([
    [
      'a team that is not there',
      { departments: ['ghosts'] },
      street,
      { type: 'invalid', field: 'departments' },
    ],
    ['a grid crew', { departments: ['xingfu-crew'] }, street, { type: 'invalid', field: 'departments' }],
    ['one of several', { departments: [CALLED, 'ghosts'] }, street, { type: 'invalid' }],
    [
      'to be done before they are there',
      { reportIn: '2h', resolve: '1h' },
      street,
      { type: 'invalid', field: 'resolve' },
    ],
    ['no time at all', { reportIn: '0s' }, street, { type: 'invalid', field: 'reportIn' }],
    ['by a crew', {}, crew, { type: 'forbidden' }],
    ['by another street', {}, user('street', { street: 'xingfu' }), { type: 'not_found' }],
  ])('%s', (_, more, by, refusal) => {
    const before = stage.case(id)
    expect(blow(more, by)).toMatchObject(refusal)
    expect(stage.case(id)).toEqual(before)
  })

  test('a department that is called already, with who called it', () => {
    ok(blow())
    const before = stage.case(id)
    expect(blow()).toMatchObject({ type: 'conflict', doer: { by: street.name, at: NOON, team: CALLED } })
    expect(stage.case(id)).toEqual(before)
  })

  test('to report in without a position, or for another department', () => {
    ok(blow())
    expect(stage.queue.whistles.act(id, CALLED, 'report_in', department, {})).toMatchObject({
      field: 'position',
    })
    expect(act('report_in', { position: [32, 120] })).toMatchObject({ field: 'position' })
    expect(act('report_in', {}, crew)).toMatchObject({ type: 'forbidden' })
    expect(act('report_in', {}, user('team', { team: 'xingfu-crew' }))).toEqual({ type: 'not_found' })
  })

  test('to call anybody to what is handled', () => {
    for (const action of ['accept', 'arrive', 'handle'] as const)
      ok(stage.queue.act(id, crew, { action, position: device.position! }))
    expect(blow()).toMatchObject({ type: 'conflict', state: 'handled' })
  })
})

test('the same actionId counts once, over HTTP and MQTT', async () => {
  ok(blow({ actionId: 'w1' }))
  ok(blow({ actionId: 'w1' }))
  const inbox = new ActionInbox(stage.queue, stage.publisher, pino({ level: 'silent' }))
  const send = async (body: object) => {
    await inbox.take(department, Buffer.from(JSON.stringify({ case: id, ...body })))
    return JSON.parse(
      stage.publisher.told.findLast((told) => told.topic === `dispatch/${CALLED}/results`)!.payload,
    )
  }
  const reportIn = { action: 'report_in', position: device.position, actionId: 'r1' }
  expect(await send(reportIn)).toMatchObject({ ok: true, actionId: 'r1' })
  ok(act('report_in', { actionId: 'r1' }))
  expect(await send({ action: 'done', note: 'closed the valve' })).toMatchObject({ ok: true })
  expect(await send({ action: 'done', note: 'again' })).toMatchObject({ ok: false, code: 'conflict' })
  expect(await send({ action: 'done', team: 'x' })).toMatchObject({
    ok: false,
    code: 'invalid',
    field: 'team',
  })
  expect(
    stage
      .case(id)
      .timeline.slice(2)
      .map((entry) => entry.action),
  ).toEqual(['whistle', 'whistle_reported_in', 'whistle_done'])
})
