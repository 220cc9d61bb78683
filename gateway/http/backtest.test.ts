import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { BackTest } from '../backtest/backtest.ts'
import type { Reading } from '../model/reading.ts'
import type { ProblemDocument } from './problem.ts'
import { ADMIN_TOKEN, fume, rule, Site } from './server.fixture.ts'

let site: Site
const now = Date.now()
const HOUR = 3_600_000
const MINUTE = 60_000

beforeAll(async () => {
  site = await new Site().start()
  await site.device(fume('fume-1'))
  const readings = [1, 3, 1, 5, 1].map((value, index): Reading & { device: string } => ({
    device: 'fume-1',
    ts: now - HOUR / 2 + index * MINUTE,
    metrics: { fume: value },
  }))
  await site.call('POST', '/api/v1/readings', { token: ADMIN_TOKEN, body: readings })
  while (site.recorder.lag() > 0) await new Promise((resolve) => setTimeout(resolve, 20))
})
afterAll(() => site.stop())

const ask = async (body: unknown, token = ADMIN_TOKEN) =>
  (await site.call('POST', '/api/v1/rules/backtest', { token, body })) as { status: number; body: unknown }

test('answers alarms, cases, load, missed deadlines and the difference to what happened', async () => {
  const { status, body } = await ask({ rules: [rule], from: now - HOUR, to: now, crews: 2, travel: '5m' })
  expect(status).toBe(200)
  const answer = body as BackTest
  expect(answer).toMatchObject({ from: now - HOUR, to: now, rules: 1, devices: 1, readings: 5, late: 0 })
  expect(answer.alarms.map(({ startedAt, severity, state }) => [startedAt, severity, state])).toEqual([
    [now - HOUR / 2 + MINUTE, 'orange', 'cleared'],
    [now - HOUR / 2 + 3 * MINUTE, 'orange', 'cleared'],
  ])
  expect(answer.cases).toHaveLength(1)
  expect(answer.cases[0]).toMatchObject({ category: 'cooking-fume', missed: [] })
  expect(answer.alarms.map((alarm) => alarm.case)).toEqual([answer.cases[0]!.id, answer.cases[0]!.id])
  expect(answer.load.map(({ cases }) => cases).reduce((sum, cases) => sum + cases)).toBe(1)
  expect(answer.missed).toMatchObject({ crews: 2, travelMs: 5 * MINUTE, respond: 0 })
  expect(answer.difference).toMatchObject({ same: 0, onlyBefore: [], different: [] })
  expect(answer.difference.onlyAfter).toHaveLength(2)
})

test('without rules those in force are meant; only the devices that are asked for', async () => {
  const span = { from: new Date(now - HOUR).toISOString() }
  expect(((await ask(span)).body as BackTest).alarms).toHaveLength(2)
  expect(((await ask({ ...span, devices: ['other'] })).body as BackTest).devices).toBe(0)
})

test('what is wrong with rules or request is said as `rules check` says it', async () => {
  const wrong = { ...rule, severity: { red: { metric: 'smoke', above: 1 } } }
  const refused = await ask({ rules: [wrong], from: 0 })
  expect(refused.status).toBe(400)
  expect(refused.body).toMatchObject({ code: 'bad_rule' })
  const { errors } = refused.body as ProblemDocument
  expect(errors![0]).toMatchObject({ where: 'body/rules/fume-over-limit/severity/red/metric' })
  for (const body of [
    {},
    { from: now + HOUR },
    { from: 'yesterday' },
    { from: 0, crews: 0 },
    { from: 0, x: 1 },
  ])
    expect([body, (await ask(body)).status]).toEqual([body, 400])
})

test('one at a time; one that nobody waits for any more makes room', async () => {
  const send = (signal?: AbortSignal) =>
    fetch(`${site.origin}/api/v1/rules/backtest`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ from: 0 }),
      signal: signal ?? null,
    })
  const both = await Promise.all([send(), send()])
  const refused = both.find(({ status }) => status === 429)
  expect(both.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 429])
  expect(await refused!.json()).toMatchObject({ code: 'too_many_requests' })

  await expect(send(AbortSignal.timeout(20))).rejects.toThrow()
  await vi.waitFor(async () => expect((await send()).status).toBe(200), 10_000)
})
