/** Simulated crews at a real gateway: from the alarm to the closed case, in the time of a driven clock. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GOOD } from '../../simulators/crews/conduct.ts'
import { Crews } from '../../simulators/crews/crews.ts'
import { ADMIN_TOKEN, eventually, GatewayProcess } from '../gateway-process.ts'

const MINUTE = 60_000
const BEGINS = Date.parse('2026-06-18T18:00:00+08:00')

interface CaseItem {
  state: string
  closeCode: string | null
  timeline: { at: number; actor: string; action: string; offSite?: number }[]
}

let gateway: GatewayProcess
let crews: Crews
beforeAll(async () => {
  gateway = new GatewayProcess({ GW_CLOCK: 'driven' })
  await gateway.start()
  await gateway.api('PUT', '/api/v1/clock', { now: BEGINS })
  const place = { site: 'a', street: 'qinzao', grid: 'qinzao-001', position: [120.895, 32.068] }
  await gateway.api('POST', '/api/v1/devices', { id: 'fume-a', kind: 'cooking_fume', ...place })
  const { mqtt, http } = gateway.ports
  crews = new Crews({
    mqttUrl: `mqtt://127.0.0.1:${mqtt}`,
    httpUrl: `http://127.0.0.1:${http}`,
    token: ADMIN_TOKEN,
    seed: 7,
    conduct: GOOD,
  })
  await crews.start()
})
afterAll(async () => {
  await crews.stop()
  await gateway.dispose()
})

test('a good crew is on site within twenty minutes, and its case is checked and closed', async () => {
  let now = BEGINS
  for (; now <= BEGINS + 4 * MINUTE; now += MINUTE) {
    await gateway.api('PUT', '/api/v1/clock', { now })
    const metrics = { fume: 3, fan: true, purifier: true }
    await gateway.api('POST', '/api/v1/readings', [{ device: 'fume-a', ts: now, metrics }])
  }
  await eventually('an order', () => (crews.account.orders > 0 ? true : undefined))
  const queuedBy = now
  const found = await eventually('a closed case', async () => {
    now += MINUTE
    await gateway.api('PUT', '/api/v1/clock', { now })
    await crews.advance(now)
    const [item] = (await gateway.api<{ items: CaseItem[] }>('GET', '/api/v1/cases')).items
    return item?.state === 'closed' ? item : undefined
  })
  const by = (who: string) => found.timeline.filter(({ actor }) => actor === who)
  const crew = by('sim-qinzao-crew')
  expect(crew.map(({ action }) => action)).toEqual(['accept', 'arrive', 'handle'])
  expect(crew[1]!.at - queuedBy).toBeLessThan(20 * MINUTE)
  expect(crew[1]!.offSite).toBeUndefined()
  expect(by('sim-officer').map(({ action }) => action)).toEqual(['verify', 'close'])
  expect(crews.account).toMatchObject({ orders: 1, ignored: 0, refused: 0, closed: 1 })
})
