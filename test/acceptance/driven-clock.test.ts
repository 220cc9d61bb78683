/** `clock: driven`: days in milliseconds, with the timers and deadlines that fall into them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GatewayProcess } from '../gateway-process.ts'

const MINUTE = 60_000
const BEGINS = Date.parse('2026-06-18T18:00:00+08:00')

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = new GatewayProcess({ GW_CLOCK: 'driven' })
  await gateway.start()
  await gateway.api('PUT', '/api/v1/clock', { now: BEGINS })
  const place = { site: 'a', street: 'qinzao', grid: 'qinzao-001', position: [120.9, 32.1] }
  await gateway.api('POST', '/api/v1/devices', { id: 'fume-a', kind: 'cooking_fume', ...place })
})
afterAll(() => gateway.dispose())

async function measured(fume: number, at: number): Promise<void> {
  const reading = { device: 'fume-a', ts: at, metrics: { fume, fan: true, purifier: true } }
  await gateway.api('POST', '/api/v1/readings', [reading])
}

async function moveTo(at: number): Promise<void> {
  expect(await gateway.api('PUT', '/api/v1/clock', { now: at })).toEqual({ now: at })
}

async function itemsOf<T>(path: string): Promise<T[]> {
  return (await gateway.api<{ items: T[] }>('GET', path)).items
}

test('what is due by then has happened when a move is answered', { timeout: 60_000 }, async () => {
  const alarms = async () =>
    (await itemsOf<{ rule: string; startedAt: number }>('/api/v1/alarms?state=firing')).map(
      ({ rule, startedAt }) => `${rule} +${(startedAt - BEGINS) / MINUTE}`,
    )
  const colours = async () =>
    (await itemsOf<{ deadlineColour: string }>('/api/v1/cases')).map(({ deadlineColour }) => deadlineColour)

  for (let minute = 0; minute <= 3; minute++) {
    await moveTo(BEGINS + minute * MINUTE)
    await measured(3, BEGINS + minute * MINUTE)
  }
  await moveTo(BEGINS + 3 * MINUTE)
  expect(await alarms()).toEqual(['fume-over-limit +3'])
  expect(await colours()).toEqual(['none'])
  // Silence counts from the last reading; ten minutes to respond have passed, and as much again.
  await moveTo(BEGINS + 24 * MINUTE)
  expect(await alarms()).toContain('fume-monitor-offline +18')
  expect(await colours()).toEqual(['red'])
})

test('the clock only moves on', async () => {
  const now = (await gateway.api<{ now: number }>('GET', '/api/v1/clock')).now
  expect((await gateway.request('PUT', '/api/v1/clock', { now: now - 1 })).status).toBe(409)
  expect(await gateway.api('PUT', '/api/v1/clock', { now })).toEqual({ now })
})

test('nobody but the admin moves it', async () => {
  const { secret } = await gateway.api<{ secret: string }>('POST', '/api/v1/users', {
    name: 'li',
    role: 'district',
  })
  const response = await gateway.request('PUT', '/api/v1/clock', { now: BEGINS * 2 }, `li:${secret}`)
  expect(response.status).toBe(403)
})
