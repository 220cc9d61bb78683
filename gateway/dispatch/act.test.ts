import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ACTIONS, CASE_STATES, type Action, type Case, type CaseState } from '../model/case.ts'
import { ROLES, type User } from '../model/user.ts'
import type { ActionOutcome, ActionRequest } from './actions.ts'
import { readableBy } from './rights.ts'
import { admin, alarm, crew, device, MINUTE, NOON, rule, Stage, user } from './test-stage.ts'
import { allowedIn, nextState } from './transitions.ts'

let stage: Stage
let id: string
beforeEach(() => {
  stage = new Stage()
  id = stage.opened()
})
afterEach(async () => stage.close())

/** With everything that any action may need. */
const asked = (action: Action): ActionRequest => ({
  action,
  note: 'because',
  position: device.position!,
  code: 'confirmed',
  until: NOON + 1_000 * MINUTE,
})
const act = (action: Action, by: User = admin) => stage.queue.act(id, by, asked(action))
const request = (more: ActionRequest, by: User = admin) => stage.queue.act(id, by, more)

function ok(outcome: ActionOutcome): Case {
  expect(outcome).toMatchObject({ type: 'ok' })
  return (outcome as { case: Case }).case
}

const WAY: Record<CaseState, readonly Action[]> = {
  queued: ['return'],
  dispatched: [],
  accepted: ['accept'],
  on_site: ['accept', 'arrive'],
  handled: ['accept', 'arrive', 'handle'],
  verified: ['accept', 'arrive', 'handle', 'verify'],
  closed: ['accept', 'arrive', 'handle', 'verify', 'close'],
  suspended: ['accept', 'suspend'],
  void: ['void'],
}

describe.each(CASE_STATES)('in state %s', (state) => {
  test.each(ACTIONS)('%s goes on as the table says or is refused with what is allowed', (action) => {
    for (const step of WAY[state]) ok(act(step))
    const before = stage.case(id)
    expect(before.state).toBe(state)
    const next = nextState(state, action, 'accepted')
    const outcome = act(action)
    if (next === undefined) {
      expect(outcome).toMatchObject({ type: 'conflict', state, allowed: allowedIn(state) })
      expect(stage.case(id)).toEqual(before)
      return
    }
    const after = ok(outcome)
    expect(after).toEqual(stage.case(id))
    expect(after).toMatchObject({ state: next, version: before.version + 1, allowed: allowedIn(next) })
    expect(after.timeline.at(-1)).toMatchObject({ action, actor: admin.name, at: NOON, note: 'because' })
  })
})

test('the whole life of a case is in its timeline', () => {
  const supervisor = user('district')
  for (const action of ['accept', 'arrive', 'handle'] as const) ok(act(action, crew))
  ok(act('rework', supervisor))
  for (const action of ['accept', 'arrive', 'handle'] as const) ok(act(action, crew))
  ok(act('verify', supervisor))
  const closed = ok(request({ action: 'close', code: 'false_alarm', files: ['photo-1.jpg'] }, supervisor))
  expect(closed.closeCode).toBe('false_alarm')
  expect(closed.timeline.at(-1)).toMatchObject({ code: 'false_alarm', files: ['photo-1.jpg'] })
  expect(closed.timeline.map((entry) => `${entry.actor} ${entry.action}`)).toEqual([
    'gateway opened',
    'gateway assign',
    ...['accept', 'arrive', 'handle'].map((action) => `wang ${action}`),
    'a-district rework',
    ...['accept', 'arrive', 'handle'].map((action) => `wang ${action}`),
    'a-district verify',
    'a-district close',
  ])
})

describe('an action that lacks what it needs is refused and changes nothing', () => {
  const soon = NOON + 5 * MINUTE
  test.each<[string, readonly Action[], ActionRequest, string]>([
    ['arrive without a position', ['accept'], { action: 'arrive' }, 'position'],
    ['arrive off the Earth', ['accept'], { action: 'arrive', position: [32, 120] }, 'position'],
    ['close without a code', WAY.verified, { action: 'close' }, 'code'],
    ['return without a reason', [], { action: 'return', note: ' ' }, 'note'],
    ['extend without a time', [], { action: 'extend' }, 'until'],
    ['extend to before the deadline', [], { action: 'extend', until: soon }, 'until'],
    ['extend beyond reason', [], { action: 'extend', until: NOON * 2 }, 'until'],
    ['assign to nobody', ['return'], { action: 'assign', team: 'ghosts' }, 'team'],
    ['assign to another street', ['return'], { action: 'assign', team: 'xingfu-team' }, 'team'],
  ])('%s', (_, way, wish, field) => {
    for (const step of way) ok(act(step))
    const before = stage.case(id)
    expect(request(wish)).toMatchObject({ type: 'invalid', field })
    expect(stage.case(id)).toEqual(before)
  })
})

test('a position further than 300 m from the site is kept and flagged', () => {
  ok(act('accept'))
  // 0.003° of latitude: 334 m
  const far = ok(request({ action: 'arrive', position: [120.8239, 32.0646] }))
  expect(far.timeline.at(-1)).toMatchObject({ position: [120.8239, 32.0646], offSite: 334 })
  const near = ok(request({ action: 'handle', position: [120.8239, 32.064] }))
  expect(near.timeline.at(-1)).not.toHaveProperty('offSite')
})

describe('the same action sent twice', () => {
  const accept: ActionRequest = { action: 'accept', actionId: 'a1' }

  test('by the same actor with the same actionId counts once', () => {
    const first = ok(request(accept, crew))
    expect(ok(request(accept, crew))).toEqual(first)
    expect(stage.case(id).timeline).toHaveLength(3)
  })

  test('is still answered when the first one took the case away from the sender', () => {
    const away: ActionRequest = { action: 'return', note: 'not ours', actionId: 'r1' }
    ok(request(away, crew))
    ok(request(away, crew))
    // Once they had it they may read it, and learn who has it now.
    expect(request({ action: 'assign' }, crew)).toMatchObject({
      type: 'conflict',
      allowed: [],
      doer: { by: 'wang', at: NOON, team: 'tangzhazhen-team' },
    })
  })

  test('by another actor, or with another actionId, is another action', () => {
    ok(request(accept, crew))
    expect(request(accept)).toMatchObject({ type: 'conflict' })
    expect(request({ ...accept, actionId: 'a2' }, crew)).toMatchObject({ type: 'conflict' })
  })

  test('one actionId cannot stand for two actions', () => {
    ok(request(accept, crew))
    expect(request({ ...asked('arrive'), actionId: 'a1' }, crew)).toMatchObject({
      type: 'invalid',
      field: 'actionId',
    })
  })

  test('a refused action is not counted: sent again at the right time it works', () => {
    const arrive: ActionRequest = { ...asked('arrive'), actionId: 'x' }
    expect(request(arrive)).toMatchObject({ type: 'conflict' })
    ok(act('accept'))
    expect(ok(request(arrive)).state).toBe('on_site')
  })
})

test('an action meant for an older version is refused', () => {
  ok(request({ action: 'supervise', expectedVersion: 1 }))
  expect(stage.case(id).supervised).toBe(true)
  expect(request({ action: 'accept', expectedVersion: 1 })).toMatchObject({ type: 'conflict', version: 2 })
  ok(request({ action: 'accept', expectedVersion: 2 }))
})

test('nobody acts on a case that is not there', () => {
  expect(stage.queue.act('none', admin, asked('accept'))).toEqual({ type: 'not_found' })
})

describe('invariant 6: nobody reads or writes a case outside their own', () => {
  const strangers = [
    user('team', { team: 'xingfu-crew' }),
    user('team', { team: 'tangzhazhen-team' }),
    user('team'),
    user('street', { street: 'xingfu' }),
    user('street'),
  ]
  test.each(strangers)('for $role $street $team it does not exist', (stranger) => {
    for (const action of ACTIONS) expect(act(action, stranger)).toEqual({ type: 'not_found' })
    expect(stage.cases.list(readableBy(stranger), 10).items).toEqual([])
  })

  const owners = [crew, user('street', { street: 'tangzhazhen' }), user('district'), user('viewer'), admin]
  test.each(owners)('$role $street $team finds it', (owner) => {
    expect(stage.cases.list(readableBy(owner), 10).items).toMatchObject([{ id }])
  })
})

/** Who may do what, written down a second time. */
const TABLE: Record<Action, string> = {
  assign: 'admin district street team',
  accept: 'admin district street team',
  arrive: 'admin district street team',
  handle: 'admin district street team',
  return: 'admin district street team',
  verify: 'admin district street',
  close: 'admin district street',
  rework: 'admin district street',
  void: 'admin district street',
  suspend: 'admin district street',
  resume: 'admin district street',
  extend: 'admin district street',
  supervise: 'admin district street',
}
describe.each(ROLES)('the role %s', (role) => {
  const own = user(role, { street: 'tangzhazhen', team: 'tangzhazhen-crew' })
  test.each(ACTIONS)('does %s as the table of rights says', (action) => {
    const may = TABLE[action].split(' ').includes(role)
    expect(act(action, own).type === 'forbidden').toBe(!may)
  })
})

test('the allowed actions of a refusal are those of the user', () => {
  expect(act('arrive', crew)).toMatchObject({ type: 'conflict', allowed: ['accept', 'return'] })
})

describe('where a case goes', () => {
  test('returned, it waits one level up and is assigned from there', () => {
    const returned = ok(request({ action: 'return', note: 'not ours' }, crew))
    expect(returned).toMatchObject({ state: 'queued', team: 'tangzhazhen-team' })
    const street = user('team', { team: 'tangzhazhen-team' })
    expect(ok(request({ action: 'assign', team: 'tangzhazhen-crew' }, street))).toMatchObject({
      state: 'dispatched',
      team: 'tangzhazhen-crew',
    })
    expect(stage.case(id).timeline.at(-1)).toMatchObject({ action: 'assign', team: 'tangzhazhen-crew' })
  })

  test('assigned without a name, it stays with the team that it waits with', () => {
    ok(act('return'))
    expect(ok(act('assign'))).toMatchObject({ state: 'dispatched', team: 'tangzhazhen-team' })
  })

  test('returned at the top, it waits at the top', () => {
    for (let i = 0; i < 4; i++) {
      ok(act('return'))
      ok(act('assign'))
    }
    expect(stage.case(id).team).toBe('fume-team')
  })

  test('sent back for rework, it goes to those who did it', () => {
    ok(act('accept', crew))
    stage.clock.time += 30 * MINUTE
    stage.queue.checkDeadlines()
    expect(stage.case(id)).toMatchObject({ team: 'fume-team', crew: 'tangzhazhen-crew' })
    ok(act('arrive', crew))
    ok(act('handle', crew))
    expect(ok(act('rework'))).toMatchObject({ state: 'dispatched', team: 'tangzhazhen-crew', crew: null })
  })
})

test('two crews accept at once: one wins, the other learns who took it and when', () => {
  ok(act('accept', crew))
  const colleague = user('team', { name: 'li', team: 'tangzhazhen-crew' })
  stage.clock.time += MINUTE
  expect(act('accept', colleague)).toMatchObject({
    type: 'conflict',
    state: 'accepted',
    doer: { by: 'wang', at: NOON, team: 'tangzhazhen-crew' },
    message: expect.stringContaining('accept by wang (tangzhazhen-crew) at 2024-06-01T04:00:00.000Z'),
  })
})

describe('suspension', () => {
  test('stops the clocks, and resuming moves the deadlines by the time that it took', () => {
    const before = stage.case(id)
    stage.clock.time += 5 * MINUTE
    ok(act('suspend'))
    stage.clock.time += 120 * MINUTE
    stage.queue.checkDeadlines()
    expect(stage.case(id)).toMatchObject({ state: 'suspended', deadlineColour: 'none' })
    const after = ok(act('resume'))
    expect(after).toMatchObject({
      state: 'dispatched',
      respondBy: before.respondBy + 120 * MINUTE,
      arriveBy: before.arriveBy + 120 * MINUTE,
      resolveBy: before.resolveBy + 120 * MINUTE,
    })
    stage.queue.checkDeadlines()
    expect(stage.case(id).deadlineColour).toBe('none')
  })
})

test('one open case still holds while it is suspended', () => {
  ok(act('suspend'))
  stage.queue.record(alarm({ id: 'b' }), rule, NOON)
  expect(stage.cases.list({ open: true }, 10).items).toMatchObject([{ id, alarms: [alarm().id, 'b'] }])
})

describe('lists', () => {
  beforeEach(() => {
    stage.clock.time += MINUTE
    stage.queue.record(alarm({ id: 'b', site: 'r-2', severity: 'red' }), rule, stage.clock.now())
    stage.queue.record(
      alarm({ id: 'c', site: 'r-3', street: 'xingfu' }),
      { ...rule, id: 'other' },
      stage.clock.now() + 1,
    )
    ok(act('void'))
  })

  test.each([
    [{}, ['r-3', 'r-2', 'restaurant-1']],
    [{ open: true }, ['r-3', 'r-2']],
    [{ open: false }, ['restaurant-1']],
    [{ states: ['void', 'closed'] }, ['restaurant-1']],
    [{ severity: 'red' }, ['r-2']],
    [{ streets: ['xingfu'] }, ['r-3']],
    [{ streets: [] }, []],
    [{ team: 'tangzhazhen-crew' }, ['r-2', 'restaurant-1']],
    [{ family: 'other' }, ['r-3']],
    [{ site: 'r-2' }, ['r-2']],
    [{ category: 'flood' }, []],
    [{ reader: 'tangzhazhen-crew' }, ['r-2', 'restaurant-1']],
    [{ reader: 'tangzhazhen-crew', open: true }, ['r-2']],
    [{ deadlineColour: 'none' }, ['r-3', 'r-2', 'restaurant-1']],
    [{ deadlineColour: 'red' }, []],
    [{ supervised: false }, ['r-3', 'r-2', 'restaurant-1']],
    [{ supervised: true }, []],
    [{ proposal: 'normal' }, []],
    [{ from: NOON + MINUTE }, ['r-3', 'r-2']],
    [{ to: NOON + MINUTE }, ['restaurant-1']],
  ] as const)('%j finds %j', (filter, sites) => {
    expect(stage.cases.list(filter, 10).items.map((found) => found.site)).toEqual(sites)
  })

  test.each([{}, { reader: 'tangzhazhen-crew' }])('pages of %j hold every case once', (filter) => {
    const seen: string[] = []
    let page = stage.cases.list(filter, 1)
    for (;;) {
      seen.push(...page.items.map((found) => found.site))
      if (page.next === undefined) break
      page = stage.cases.list(filter, 1, page.next)
    }
    expect(seen).toEqual(stage.cases.list(filter, 10).items.map((found) => found.site))
    expect(new Set(seen).size).toBe(seen.length)
  })

  test('open cases are counted by state', () => {
    expect(stage.cases.openByState()).toEqual({ dispatched: 2 })
  })
})
