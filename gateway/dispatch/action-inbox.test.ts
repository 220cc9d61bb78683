import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ActionInbox } from './action-inbox.ts'
import { crew, NOON, Stage } from './test-stage.ts'

let stage: Stage
let inbox: ActionInbox
let id: string
beforeEach(() => {
  stage = new Stage()
  inbox = new ActionInbox(stage.queue, stage.publisher, pino({ level: 'silent' }))
  id = stage.opened()
})
afterEach(async () => stage.close())

async function send(payload: unknown): Promise<unknown> {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
  await inbox.take(crew, Buffer.from(text))
  const answer = stage.publisher.told.findLast((told) => told.topic === 'dispatch/tangzhazhen-crew/results')
  expect(answer?.retain).toBe(false)
  return JSON.parse(answer!.payload)
}

test('an action over MQTT is done and answered', async () => {
  expect(await send({ case: id, action: 'accept', actionId: 'a1', note: 'on our way' })).toEqual({
    case: id,
    actor: 'wang',
    actionId: 'a1',
    ok: true,
    state: 'accepted',
    version: 2,
    allowed: ['arrive', 'return', 'void', 'suspend', 'extend', 'supervise'],
    may: ['arrive', 'return'],
  })
  expect(stage.case(id)).toMatchObject({ state: 'accepted', crew: 'tangzhazhen-crew' })
})

test('a refused action is answered with the reason', async () => {
  expect(await send({ case: id, action: 'handle' })).toEqual({
    case: id,
    actor: 'wang',
    actionId: null,
    ok: false,
    code: 'conflict',
    error:
      'cannot handle a case that is dispatched; assign by gateway (tangzhazhen-crew) at 2024-06-01T04:00:00.000Z',
    state: 'dispatched',
    version: 1,
    allowed: ['accept', 'return'],
    by: 'gateway',
    at: NOON,
    team: 'tangzhazhen-crew',
  })
  expect(await send({ case: id, action: 'void' })).toMatchObject({ ok: false, code: 'forbidden' })
  expect(await send({ case: 'other', action: 'accept' })).toMatchObject({ ok: false, code: 'not_found' })
  await send({ case: id, action: 'accept' })
  expect(await send({ case: id, action: 'arrive' })).toMatchObject({ code: 'invalid', field: 'position' })
})

describe('what cannot be understood is answered and changes nothing', () => {
  test.each<[string, unknown, { code: string; field?: string }]>([
    ['broken JSON', '{"case":', { code: 'bad_json' }],
    ['not an object', '[]', { code: 'invalid' }],
    ['null', 'null', { code: 'invalid' }],
    ['no case', { action: 'accept' }, { code: 'invalid', field: 'case' }],
    ['no action', { case: 'x' }, { code: 'invalid', field: 'action' }],
    ['an unknown action', { case: 'x', action: 'explode' }, { code: 'invalid', field: 'action' }],
    ['an unknown key', { case: 'x', action: 'accept', sudo: 1 }, { code: 'invalid', field: 'sudo' }],
    [
      'a long note',
      { case: 'x', action: 'accept', note: 'x'.repeat(2001) },
      { code: 'invalid', field: 'note' },
    ],
    [
      'a number beyond all bounds',
      `{"case":"x","action":"arrive","position":[1e999,0]}`,
      { code: 'invalid' },
    ],
    [
      'a path as a file',
      { case: 'x', action: 'accept', files: ['../../etc/passwd'] },
      { code: 'invalid', field: 'files' },
    ],
    [
      'too many files',
      { case: 'x', action: 'accept', files: Array.from({ length: 21 }, (_, i) => `f${i}`) },
      { code: 'invalid', field: 'files' },
    ],
    ['too much of everything', ' '.repeat(70_000), { code: 'too_large' }],
  ])('%s', async (_, payload, answer) => {
    expect(await send(payload)).toMatchObject({ ...answer, ok: false })
    expect(stage.case(id).version).toBe(1)
  })
})

test('a disk that fails is answered, so that the action is sent again', async () => {
  vi.spyOn(stage.cases, 'save').mockImplementation(() => {
    throw new Error('disk full')
  })
  expect(await send({ case: id, action: 'accept', actionId: 'a1' })).toMatchObject({ code: 'unavailable' })
  vi.restoreAllMocks()
  expect(await send({ case: id, action: 'accept', actionId: 'a1' })).toMatchObject({ ok: true })
})

test('an answer that cannot be sent does not undo the action', async () => {
  stage.publisher.broken = true
  await inbox.take(crew, Buffer.from(JSON.stringify({ case: id, action: 'accept' })))
  expect(stage.case(id).state).toBe('accepted')
})
