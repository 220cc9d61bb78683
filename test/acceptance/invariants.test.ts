/**
 * The invariants of the design, each under its name, against the gateway as a process. Invariants 1 and 5
 * have a crash test of their own (test/crash), 4 a property test of the engine (rules/), 7 a figure (bench/).
 */
import type { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { all, device, ledgerOf, pointsOf, signIn } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'
import { hasInfluxd, Influxd } from '../services/influxd.ts'

const rules = fileURLToPath(new URL('rules', import.meta.url))
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function gatewayWith(environment: Record<string, string> = {}): Promise<GatewayProcess> {
  const gateway = new GatewayProcess({ GW_RULES_DIR: rules, ...environment })
  cleanups.push(() => gateway.dispose())
  await gateway.start()
  return gateway
}

async function join(gateway: GatewayProcess, fields: Parameters<typeof device>[1], options = {}) {
  const joined = await device(gateway, fields, options)
  cleanups.push(() => joined.client.end(true))
  return joined
}

const settled = (gateway: GatewayProcess) =>
  eventually('everything stored', async () => {
    const ledger = await ledgerOf(gateway)
    return ledger.pending === 0 ? ledger : undefined
  })

describe.skipIf(!hasInfluxd)('invariant 2', () => {
  test('journaled ⇒ stored in the historian exactly once, however often it is down', async () => {
    const influx = await Influxd.launch()
    cleanups.push(() => influx.dispose())
    const gateway = await gatewayWith({ GW_HISTORIAN_TYPE: 'influx1', GW_HISTORIAN_URL: influx.url })
    const { send } = await join(gateway, { id: 'kitchen' })
    const start = Date.now() - 60_000
    let count = 0
    for (let round = 0; round < 3; round++) {
      const burst = Array.from({ length: 200 }, () => ({
        ts: start + count,
        metrics: { fume: count++ / 1000 },
      }))
      await Promise.all(burst.map(send))
      await influx.kill()
      const dark = Array.from({ length: 200 }, () => ({
        ts: start + count,
        metrics: { fume: count++ / 1000 },
      }))
      await Promise.all(dark.map(send))
      await influx.start()
    }
    const ledger = await settled(gateway)
    expect(ledger).toMatchObject({ received: count, accepted: count, stored: count, pending: 0 })
    const rows = await influx.query('SELECT fume FROM cooking_fume', 'gridwhistle')
    expect(rows).toEqual(Array.from({ length: count }, (_, index) => [start + index, index / 1000]))
  })
})

describe('invariant 3', () => {
  test('received = accepted + duplicates + quarantined; accepted = stored + pending', async () => {
    const gateway = await gatewayWith()
    const { send } = await join(gateway, { id: 'kitchen' })
    const start = Date.now() - 60_000
    const sent = { accepted: 0, duplicates: 0, quarantined: 0 }
    const pending: Promise<unknown>[] = []
    for (let i = 0; i < 600; i++) {
      const good = { ts: start + i, metrics: { fume: 0.5 } }
      pending.push(send(good))
      sent.accepted++
      if (i % 3 === 0) {
        pending.push(send(good))
        sent.duplicates++
      }
      if (i % 5 === 0) {
        pending.push(send([good, { ts: start + i, metrics: { smoke: 1 } }, { metrics: {} }]), send('{"ts":'))
        sent.duplicates++
        sent.quarantined += 3
      }
      if (i % 50 === 0) {
        const { received, accepted, duplicates, quarantined, stored, pending } = await ledgerOf(gateway)
        expect(received).toBe(accepted + duplicates + quarantined)
        expect(accepted).toBe(stored + pending)
      }
    }
    await Promise.all(pending)
    expect(await settled(gateway)).toMatchObject({
      ...sent,
      received: sent.accepted + sent.duplicates + sent.quarantined,
      stored: sent.accepted,
    })
    expect(await pointsOf(gateway, 'kitchen', 'fume')).toHaveLength(sent.accepted)
  })
})

describe('invariant 4', () => {
  test('the same readings in any order within the lateness bound ⇒ the same alarms, though each fired at once', async () => {
    const gateway = await gatewayWith()
    const start = Date.now() - 120_000
    const history = Array.from({ length: 60 }, (_, second) => ({
      ts: start + second * 1000,
      metrics: { fume: second % 20 < 8 ? 3 + (second % 5) : 0.4 },
    }))
    const orders = {
      straight: history,
      backwards: history.toReversed(),
      doubled: [
        ...history.filter((_, i) => i % 2 === 1),
        ...history,
        ...history.filter((_, i) => i % 3 === 0),
      ],
    }
    for (const [id, readings] of Object.entries(orders)) {
      const { send } = await join(gateway, { id })
      for (const reading of readings) await send(reading)
    }
    const alarmsOf = async (id: string) => {
      const alarms = await all<Record<string, unknown>>(gateway, `/api/v1/alarms?device=${id}`)
      return alarms
        .filter((alarm) => alarm['state'] !== 'withdrawn')
        .map(({ rule, severity, state, startedAt, clearedAt, peak }) => ({
          rule,
          severity,
          state,
          startedAt,
          clearedAt,
          peak,
        }))
    }
    const expected = await eventually('three alarms', async () => {
      const alarms = await alarmsOf('straight')
      return alarms.length === 3 && alarms.every((alarm) => alarm.state === 'cleared') ? alarms : undefined
    })
    for (const id of Object.keys(orders)) {
      await eventually(`the same alarms for ${id}`, async () =>
        JSON.stringify(await alarmsOf(id)) === JSON.stringify(expected) ? true : undefined,
      )
    }
  })
})

describe('invariant 5', () => {
  test('at most one open case per rule family and site; no alarm without its case', async () => {
    const gateway = await gatewayWith()
    const start = Date.now() - 60_000
    for (const id of ['hood-1', 'hood-2', 'hood-3']) {
      const { send } = await join(gateway, { id, site: 'one-kitchen' })
      await send(
        Array.from({ length: 40 }, (_, i) => ({
          ts: start + i * 1000,
          metrics: { fume: i % 10 < 6 ? 5 : 0.2 },
        })),
      )
    }
    const alarms = await eventually('twelve alarms', async () => {
      const found = await all<{ case: string | null }>(gateway, '/api/v1/alarms')
      return found.length === 12 ? found : undefined
    })
    const cases = await all<{ id: string; alarms: string[]; state: string }>(gateway, '/api/v1/cases')
    expect(cases).toHaveLength(1)
    expect(new Set(alarms.map((alarm) => alarm.case))).toEqual(new Set([cases[0]!.id]))
    expect(cases[0]!.alarms).toHaveLength(12)
  })
})

describe('invariant 6', () => {
  test('nobody reads or writes a topic, route or case outside their own', async () => {
    const gateway = await gatewayWith()
    const mine = await join(gateway, { id: 'mine' })
    const other = await join(gateway, { id: 'other', street: 'qinzao' })
    const { secret: teamSecret } = await gateway.api<{ secret: string }>('POST', '/api/v1/users', {
      name: 'li-lei',
      role: 'team',
      team: 'qinzao-crew',
    })

    for (const filter of [
      '#',
      '+/other/commands',
      'v1/other/commands',
      'v1/+/errors',
      '$SYS/#',
      '$share/x/v1/mine/commands',
      'dispatch/#',
      'alarms/#',
    ]) {
      const granted = await mine.client.subscribeAsync(filter).catch(() => [{ qos: 128 }])
      expect(granted[0]?.qos, filter).toBe(128)
    }
    // A forbidden topic closes the connection, and nothing of it arrives.
    const closed = new Promise<void>((resolve) => mine.client.once('close', () => resolve()))
    mine.client.publish('v1/other/readings', '{"metrics":{"fume":9}}', { qos: 1 }, () => {})
    await closed
    expect((await ledgerOf(gateway)).received).toBe(0)

    const crew = await signIn(gateway, 'li-lei', teamSecret)
    cleanups.push(() => crew.end(true))
    const foreign = await crew
      .subscribeAsync(['alarms/tangzhazhen/#', 'dispatch/tangzhazhen-crew/#'])
      .catch(() => [{ qos: 128 }])
    expect(foreign.every(({ qos }) => qos === 128)).toBe(true)

    const start = Date.now() - 60_000
    const mineAgain = await signIn(gateway, 'mine', mine.secret)
    cleanups.push(() => mineAgain.end(true))
    const readings = JSON.stringify(
      Array.from({ length: 5 }, (_, i) => ({ ts: start + i * 1000, metrics: { fume: 9 } })),
    )
    await mineAgain.publishAsync('v1/mine/readings', readings, { qos: 1 })
    const [item] = await eventually('a case', async () => {
      const cases = await all<{ id: string }>(gateway, '/api/v1/cases')
      return cases.length === 1 ? cases : undefined
    })
    expect((await gateway.request('GET', `/api/v1/cases/${item!.id}`, undefined, teamSecret)).status).toBe(
      404,
    )
    const act = await gateway.request(
      'POST',
      `/api/v1/cases/${item!.id}/actions`,
      { action: 'accept' },
      teamSecret,
    )
    expect(act.status).toBe(404)
    for (const path of ['/api/v1/cases', '/api/v1/devices', '/api/v1/ledger']) {
      expect((await fetch(`http://127.0.0.1:${gateway.ports.http}${path}`)).status, path).toBe(401)
      expect((await gateway.request('GET', path, undefined, other.secret)).status, path).toBe(403)
    }
  })
})

describe('invariant 7', () => {
  test('a frozen subscriber and a dead historian leave the intake alone', async () => {
    // The rate itself is a figure of bench/; here nothing may stall, be refused or be lost.
    const gateway = await gatewayWith({
      GW_HISTORIAN_TYPE: 'influx1',
      GW_HISTORIAN_URL: 'http://127.0.0.1:9',
    })
    const { send } = await join(gateway, { id: 'kitchen' })
    const frozen = await signIn(gateway, 'admin', 'test-admin-token-0123456789', { clientId: 'frozen' })
    await frozen.subscribeAsync('alarms/#', { qos: 1 })
    ;(frozen.stream as unknown as ReturnType<typeof connect>).pause()
    cleanups.push(() => frozen.end(true))
    const start = Date.now() - 200_000
    for (let message = 0; message < 100; message++) {
      await send(
        Array.from({ length: 20 }, (_, i) => ({
          ts: start + (message * 20 + i) * 100,
          metrics: { fume: Math.floor((message * 20 + i) / 25) % 2 === 0 ? 9 : 0.1 },
        })),
      )
    }
    expect(await ledgerOf(gateway)).toMatchObject({
      received: 2000,
      accepted: 2000,
      stored: 0,
      pending: 2000,
    })
    const alarms = await eventually('its alarms', async () => {
      const found = await all(gateway, '/api/v1/alarms')
      return found.length === 40 ? found : undefined
    })
    expect(alarms).toHaveLength(40)
    const ready = await fetch(`http://127.0.0.1:${gateway.ports.http}/readyz`)
    const { parts } = (await ready.json()) as { parts: Record<string, { ready: boolean }> }
    expect(ready.status).toBe(200)
    expect(parts['historian']!.ready).toBe(false)
    expect(parts['journal']!.ready).toBe(true)
  })
})
