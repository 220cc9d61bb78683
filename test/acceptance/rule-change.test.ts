/** Rules that are made, changed and removed over HTTP while a gateway judges by them. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Alarm } from '../../gateway/model/alarm.ts'
import type { Case } from '../../gateway/model/case.ts'
import type { Rule } from '../../gateway/model/rule.ts'
import { gridwhistle } from '../command.ts'
import { device, signIn } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

const gateway = new GatewayProcess({ GW_RULES_DIR: fileURLToPath(new URL('rules', import.meta.url)) })
let kitchen: Awaited<ReturnType<typeof device>>

/** Fires at once on every value above its limit. */
const hot = (more: Partial<Rule> = {}): Omit<Rule, 'version'> => ({
  id: 'hot',
  kind: 'cooking_fume',
  title: { en: 'Hot', zh: '热' },
  basis: 'test',
  severity: { red: { metric: 'temperature', above: 60 } },
  dispatch: { from: 'red', category: 'cooking-fume', respond: '10m', arrive: '20m', resolve: '4h' },
  ...more,
})

beforeAll(async () => {
  await gateway.start()
  kitchen = await device(gateway, { id: 'kitchen-1' })
})
afterAll(async () => {
  await kitchen?.client.endAsync(true)
  await gateway.dispose()
})

const rules = async () => (await gateway.api<{ items: Rule[] }>('GET', '/api/v1/rules')).items
const alarmsOf = async (rule: string) =>
  (await gateway.api<{ items: Alarm[] }>('GET', `/api/v1/alarms?rule=${rule}`)).items

const alarmOf = (rule: string, state: Alarm['state']) =>
  eventually(`an alarm of ${rule} that is ${state}`, async () =>
    (await alarmsOf(rule)).find((alarm) => alarm.state === state),
  )

/** After a start it is settled first where the last run stood. */
const change = (method: string, path: string, body?: unknown) =>
  eventually(`${method} ${path}`, async () => {
    const response = await gateway.request(method, `/api/v1/rules${path}`, body)
    return response.status === 503 ? undefined : response
  })

test('a rule made over HTTP judges the next reading, and its case goes to a crew', async () => {
  await kitchen.send({ metrics: { temperature: 80 } })
  expect((await change('POST', '', hot())).status).toBe(201)
  expect(await alarmsOf('hot')).toEqual([])
  await kitchen.send({ metrics: { temperature: 81 } })
  expect(await alarmOf('hot', 'firing')).toMatchObject({ ruleVersion: 1, peak: 81, case: expect.any(String) })
})

test('changed while it fires, it keeps its alarm; bad changes are refused and change nothing', async () => {
  const [alarm] = await alarmsOf('hot')
  const before = await rules()
  for (const bad of [
    hot({ severity: { red: { metric: 'temprature', above: 1 } } }),
    hot({ kind: 'teapot' }),
    { ...hot(), version: 1, for: '1m' },
    {},
  ])
    expect((await change('PUT', '/hot', bad)).ok).toBe(false)
  expect(await rules()).toEqual(before)
  const stricter = hot({ severity: { red: { metric: 'temperature', above: 100 } }, clear: { for: '1h' } })
  expect((await change('PUT', '/hot?expectedVersion=1', stricter)).status).toBe(200)
  await kitchen.send({ metrics: { temperature: 82 } })
  const now = await eventually('the alarm has risen', async () =>
    (await alarmsOf('hot')).find(({ peak }) => peak === 82),
  )
  expect(now).toEqual({ ...alarm, ruleVersion: 2, value: 82, peak: 82 })
})

test('a kill −9 keeps it, with its alarm and its version', async () => {
  const before = { rules: await rules(), alarms: await alarmsOf('hot') }
  await gateway.end('SIGKILL')
  await gateway.start()
  await kitchen.client.endAsync(true)
  const client = await signIn(gateway, 'kitchen-1', kitchen.secret)
  kitchen = {
    client,
    secret: kitchen.secret,
    send: (payload) => client.publishAsync('v1/kitchen-1/readings', JSON.stringify(payload), { qos: 1 }),
  }
  expect(await rules()).toEqual(before.rules)
  expect(await alarmsOf('hot')).toEqual(before.alarms)
})

test('removed, it clears its alarm and says why: in the alarm, over MQTT and in the file of the case', async () => {
  const heard: Alarm[] = []
  const { secret } = await gateway.api<{ secret: string }>('POST', '/api/v1/users', {
    name: 'crew',
    role: 'team',
    team: 'tangzhazhen-crew',
  })
  const crew = await signIn(gateway, 'crew', secret)
  crew.on('message', (_, payload) => void heard.push(JSON.parse(payload.toString()) as Alarm))
  await crew.subscribeAsync('alarms/tangzhazhen/#', { qos: 1 })
  expect((await change('DELETE', '/hot')).status).toBe(204)
  const alarm = (await alarmsOf('hot'))[0]!
  expect(alarm).toMatchObject({ state: 'cleared', reason: 'rule_removed', clearedAt: expect.any(Number) })
  expect(await eventually('the crew hears of it', () => heard.find(({ rule }) => rule === 'hot'))).toEqual(
    alarm,
  )
  await crew.endAsync(true)
  const found = await gateway.api<Case>('GET', `/api/v1/cases/${alarm.case}`)
  expect(found.timeline.at(-1)).toMatchObject({
    action: 'alarm_cleared',
    note: alarm.id,
    reason: 'rule_removed',
  })
  await kitchen.send({ metrics: { temperature: 200 } })
  expect((await alarmsOf('hot')).map(({ state }) => state)).toEqual(['cleared'])
})

test('what a crew found comes back as the precision of the rule', async () => {
  const { case: id } = (await alarmsOf('hot'))[0]!
  for (const action of [
    { action: 'accept' },
    { action: 'arrive', position: [120.8239, 32.0616] },
    { action: 'handle' },
    { action: 'verify' },
    { action: 'close', code: 'confirmed' },
  ])
    await gateway.api('POST', `/api/v1/cases/${id}/actions`, action)
  const url = ['--url', `http://127.0.0.1:${gateway.ports.http}`]
  const { code, out, err } = await gridwhistle(['rules', 'precision', ...url], { env: gateway.environment })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^rule .*precision\nhot +1 +0 +0 +0 +0 +100 % +21 % to 100 %, few\n$/)
  const json = await gridwhistle(['rules', 'precision', '--by', 'street', '--json', ...url], {
    env: gateway.environment,
  })
  expect(JSON.parse(json.out)).toMatchObject({ key: 'tangzhazhen', n: 1, precision: 1 })
})

test('rules change while a device sends without a pause: every reading is judged by one or the other', async () => {
  const over = new AbortController()
  let sent = 0
  const sending = (async () => {
    while (!over.signal.aborted)
      await kitchen.send({ ts: Date.now(), metrics: { temperature: sent++ % 2 === 0 ? 50 : 90 } })
  })()
  expect((await change('POST', '', hot({ id: 'busy' }))).status).toBe(201)
  for (let version = 2; version <= 8; version++) {
    const limit = version % 2 === 0 ? 45 : 60
    const text = hot({ id: 'busy', severity: { red: { metric: 'temperature', above: limit } } })
    const answer = await change('PUT', `/busy?expectedVersion=${version - 1}`, text)
    expect(((await answer.json()) as Rule).version).toBe(version)
  }
  expect((await change('DELETE', '/busy')).status).toBe(204)
  over.abort()
  await sending
  const states = (await alarmsOf('busy')).map(({ state }) => state)
  expect(states.length).toBeGreaterThan(0)
  expect(states).not.toContain('firing')
  const versions = await gateway.api<{ items: unknown[] }>('GET', '/api/v1/rules/busy/versions')
  expect(versions.items).toHaveLength(9)
})
