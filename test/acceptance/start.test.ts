/** How the gateway starts and ends as a process: exit codes, the one line that says why, the ready line, signals. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectAsync } from 'mqtt'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Certificates } from '../certificates.ts'
import { gridwhistle, run } from '../command.ts'
import { all, device, ledgerOf, pointsOf, register, signIn } from '../device.ts'
import { eventually, GatewayProcess, type Environment } from '../gateway-process.ts'
import { installed } from '../services/service.ts'

const rules = fileURLToPath(new URL('rules', import.meta.url))
/** Contract §1. */
const DRAIN_LIMIT_MS = 10_000

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-start-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

function gatewayWith(environment: Environment = {}): GatewayProcess {
  const gateway = new GatewayProcess({ GW_RULES_DIR: rules, ...environment })
  cleanups.push(() => gateway.dispose())
  return gateway
}

/** In a folder of its own. */
function file(name: string, text: string): string {
  const path = join(mkdtempSync(join(folder, 'file-')), name)
  writeFileSync(path, text)
  return path
}

/** A start that must fail, and what it said. */
async function failedStart(environment: Environment, args: readonly string[] = []) {
  const data = mkdtempSync(join(folder, 'data-'))
  const ports = { GW_MQTT_PORT: '0', GW_WS_PORT: '0', GW_HTTP_PORT: '0' }
  const env = { ...process.env, GW_DATA_DIR: data, ...ports, ...environment }
  const { code, out, err } = await gridwhistle(['serve', ...args], { env })
  expect(out).toBe('')
  const lines = err.trimEnd().split('\n')
  return { code, lines, data }
}

const rule = (severity: string) => `rules:
  - id: fume-mine
    version: 1
    kind: cooking_fume
    title: { en: Mine, zh: 我的 }
    basis: test
    severity: { yellow: ${severity} }
`
const district = (grids: string) => `
id: d
title: { en: D, zh: D }
centre: [120, 32]
streets: [{ id: s, title: { en: S, zh: S }, centre: [120, 32], grids: ${grids} }]
teams: [{ id: t, title: { en: T, zh: T }, level: district }]
`

// At once: each of them is a process that mostly loads its modules.
describe.concurrent(
  'a mistake in what it is given ends the start with exit 2 and one line that names it',
  () => {
    test.each<[name: string, environment: () => Environment, line: string[]]>([
      ['a port', () => ({ GW_MQTT_PORT: '99999' }), ['mqtt.port: 99999', 'from 0 to 65535', 'GW_MQTT_PORT']],
      ['half of TLS', () => ({ GW_MQTT_TLS_PORT: '0' }), ['mqtt.tls.cert: missing', 'expected']],
      [
        'a certificate that is not there',
        () => ({ GW_MQTT_TLS_CERT: join(folder, 'none.pem'), GW_MQTT_TLS_KEY: join(folder, 'none.key') }),
        ['mqtt.tls.cert:', 'none.pem', 'expected a file in PEM'],
      ],
      [
        'a certificate that is none',
        () => ({ GW_MQTT_TLS_CERT: file('a.pem', 'x'), GW_MQTT_TLS_KEY: file('a.key', 'x') }),
        ['mqtt.tls:', 'a.pem and', 'a.key', 'expected a certificate and its key'],
      ],
      [
        'a rule',
        () => ({ GW_RULES_DIR: dirname(file('mine.yaml', rule('{ metric: fum, above: 2 }'))) }),
        ['mine.yaml: rule fume-mine: severity.yellow.metric: "fum"', 'expected one of fume, pm'],
      ],
      [
        'a rule file that is no YAML',
        () => ({ GW_RULES_DIR: dirname(file('mine.yaml', 'rules: [')) }),
        ['mine.yaml: is not YAML', 'line 1'],
      ],
      [
        'a rule folder that is not there',
        () => ({ GW_RULES_DIR: join(folder, 'none') }),
        [join('none: rules.dir expects a folder with rule files'), 'ENOENT'],
      ],
      [
        'a rule folder without a rule file',
        () => ({ GW_RULES_DIR: mkdtempSync(join(folder, 'empty-')) }),
        ['empty-', 'holds no rule file; rules.dir expects a folder with at least one .yaml'],
      ],
      [
        'a district',
        () => ({ GW_DISTRICT_FILE: file('district.yaml', district('many')) }),
        ['district.yaml:', 'streets.0.grids: "many" is not valid; expected a whole number'],
      ],
      [
        'a district file that is not there',
        () => ({ GW_DISTRICT_FILE: join(folder, 'none.yaml') }),
        ['none.yaml: cannot be read'],
      ],
    ])('%s', async (_, environment, parts) => {
      const { code, lines } = await failedStart(environment())
      expect({ code, lines: lines.length }).toEqual({ code: 2, lines: 1 })
      for (const part of parts) expect(lines[0]).toContain(part)
    })

    test.each<[name: string, text: string, parts: string[]]>([
      ['an unknown key', 'mqtt:\n  prot: 1883\n', ['mqtt.prot: unknown key', 'expected one of port, host']],
      ['a wrong value', 'http:\n  port: -1\n', ['http.port: -1', 'from 0 to 65535']],
      ['a wrong shape', 'mqtt: 1883\n', ['mqtt: 1883', 'a mapping with port']],
      ['no YAML', 'mqtt: [\n', ['line 2']],
    ])('a gateway.yaml with %s', async (_, text, parts) => {
      const path = file('gateway.yaml', text)
      const { code, lines } = await failedStart({ GW_MQTT_PORT: undefined, GW_HTTP_PORT: undefined }, [
        '--config',
        path,
      ])
      expect({ code, lines: lines.length }).toEqual({ code: 2, lines: 1 })
      for (const part of [path, ...parts]) expect(lines[0]).toContain(part)
    })

    test('a secret is not repeated', async () => {
      const { code, lines } = await failedStart({}, [
        '--config',
        file('gateway.yaml', 'admin: { token: 12345678 }'),
      ])
      expect(code).toBe(2)
      expect(lines[0]).toContain('admin.token: (hidden)')
      expect(lines.join()).not.toContain('12345678')
    })
  },
)

describe('what the machine refuses ends the start with exit 1 and one line that helps', () => {
  test.each(['GW_MQTT_PORT', 'GW_HTTP_PORT'])('a port in use: %s', async (key) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    cleanups.push(() => new Promise((resolve) => other.close(resolve)))
    const { port } = other.address() as AddressInfo
    const { code, lines, data } = await failedStart({ [key]: String(port), GW_LOG_LEVEL: 'warn' })
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [
        `gridwhistle: port ${port} on 127.0.0.1 is in use; stop the other program or set another port (0 means any free one)`,
      ],
    })
    // What it had opened is closed again: the next one starts over the same data.
    const next = gatewayWith({ GW_DATA_DIR: data })
    await next.start()
    expect(await next.end('SIGTERM')).toBe(0)
  })

  test.each([
    ['below a file', (path: string) => join(path, 'data')],
    ['that is a file', (path: string) => path],
  ])('a data folder %s', async (_, of) => {
    const dataDir = of(file('occupied', ''))
    const { code, lines } = await failedStart({ GW_DATA_DIR: dataDir })
    expect({ code, lines: lines.length }).toEqual({ code: 1, lines: 1 })
    expect(lines[0]).toContain(`dataDir: ${dataDir}: `)
  })

  test('a second gateway over the same data, which leaves the first alone', async () => {
    const first = gatewayWith()
    await first.start()
    const { send } = await joined(first, 'kitchen')
    const { code, lines } = await failedStart({ GW_DATA_DIR: first.dataDir })
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [expect.stringContaining('it is open already, most likely in another gateway')],
    })
    await send({ metrics: { fume: 1 } })
    expect(await ledgerOf(first)).toMatchObject({ received: 1, accepted: 1 })
  })
})

async function joined(gateway: GatewayProcess, id: string) {
  const found = await device(gateway, { id })
  cleanups.push(() => found.client.end(true))
  return found
}

test('the ready line is JSON on standard output and tells the ports that really answer', async () => {
  const gateway = gatewayWith({ GW_ADMIN_TOKEN: undefined })
  const ready = await gateway.start()
  expect(ready).toEqual({
    ready: true,
    mqtt: expect.any(Number),
    ws: expect.any(Number),
    http: expect.any(Number),
  })
  expect(new Set([ready.mqtt, ready.ws, ready.http, 0]).size).toBe(4)

  // Without a token in the configuration one is made up, for the owner's eyes only.
  const tokenFile = join(gateway.dataDir, 'admin.token')
  expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
  const token = readFileSync(tokenFile, 'utf8').trim()
  expect((await gateway.request('GET', '/api/v1/ledger', undefined, token)).status).toBe(200)
  expect((await gateway.request('GET', '/readyz')).status).toBe(200)
  for (const url of [`mqtt://127.0.0.1:${ready.mqtt}`, `ws://127.0.0.1:${ready.ws}/mqtt`]) {
    const client = await connectAsync(url, { username: 'admin', password: token, reconnectPeriod: 0 })
    await client.endAsync()
  }
  // All other logs are JSON lines on standard error.
  for (const line of gateway.log.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level')
})

describe.each(['SIGTERM', 'SIGINT'] as const)('%s under load', (signal) => {
  test('drains and ends with exit 0, and what was acknowledged is there at the next start', async () => {
    const gateway = gatewayWith()
    await gateway.start()
    // Whoever stays connected must not keep it from ending: a device, a listening page, a frozen peer.
    const sse = await fetch(`http://127.0.0.1:${gateway.ports.http}/api/v1/events`, {
      headers: { authorization: `Bearer ${await viewer(gateway)}` },
    })
    cleanups.push(() => sse.body?.cancel().catch(() => {}))
    const idle = connect(gateway.ports.mqtt, '127.0.0.1').on('error', () => {})
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.ports.ws}/mqtt`, 'mqtt').on('error', () => {})
    cleanups.push(
      () => idle.destroy(),
      () => socket.terminate(),
    )

    const start = Date.now() - 600_000
    const acknowledged = new Map<string, Set<number>>()
    for (const id of ['kitchen-1', 'kitchen-2', 'kitchen-3']) {
      const { client } = await joined(gateway, id)
      const times = new Set<number>()
      acknowledged.set(id, times)
      let next = start
      const publish = (): void => {
        const ts = next++
        const payload = JSON.stringify({ ts, metrics: { fume: 0.5 } })
        client.publish(`v1/${id}/readings`, payload, { qos: 1 }, (error) => {
          if (error) return
          times.add(ts)
          publish()
        })
      }
      for (let inFlight = 0; inFlight < 20; inFlight++) publish()
    }
    await eventually('a load', () =>
      [...acknowledged.values()].every((times) => times.size > 200) ? true : undefined,
    )

    const began = performance.now()
    expect(await gateway.end(signal)).toBe(0)
    expect(performance.now() - began).toBeLessThan(DRAIN_LIMIT_MS)
    expect(gateway.log).not.toMatch(/"level":[56]0|drain took too long/)

    await gateway.start()
    await eventually('everything stored', async () =>
      (await ledgerOf(gateway)).pending === 0 ? true : undefined,
    )
    for (const [id, times] of acknowledged) {
      const stored = new Set((await pointsOf(gateway, id, 'fume')).map(([ts]) => ts))
      expect([...times].filter((ts) => !stored.has(ts))).toEqual([])
    }
  })
})

async function viewer(gateway: GatewayProcess): Promise<string> {
  const user = { name: 'wall-screen', role: 'viewer' }
  return (await gateway.api<{ secret: string }>('POST', '/api/v1/users', user)).secret
}

test('a restart keeps devices, users, alarms, cases and retained orders, and goes on where it was', async () => {
  const gateway = gatewayWith()
  await gateway.start()
  const { send, client, secret } = await joined(gateway, 'kitchen')
  const crew = await gateway.api<{ secret: string }>('POST', '/api/v1/users', {
    name: 'li-si',
    role: 'team',
    team: 'tangzhazhen-crew',
  })
  const start = Date.now() - 60_000
  await send(Array.from({ length: 5 }, (_, i) => ({ ts: start + i * 1000, metrics: { fume: 3 } })))
  const snapshot = async () => {
    const { late: _, ...ledger } = await ledgerOf(gateway)
    return {
      devices: (await all<{ id: string }>(gateway, '/api/v1/devices')).map(({ id }) => id),
      alarms: await all(gateway, '/api/v1/alarms'),
      cases: await all(gateway, '/api/v1/cases'),
      points: await pointsOf(gateway, 'kitchen', 'fume'),
      ledger,
    }
  }
  const before = await eventually('an alarm, its case, and all stored', async () => {
    const now = await snapshot()
    return now.cases.length === 1 && now.ledger.pending === 0 ? now : undefined
  })
  expect(before.alarms).toMatchObject([{ state: 'firing', severity: 'orange' }])
  client.end(true)
  expect(await gateway.end('SIGTERM')).toBe(0)

  await gateway.start()
  expect(await snapshot()).toEqual(before)
  const listener = await signIn(gateway, 'li-si', crew.secret)
  cleanups.push(() => listener.end(true))
  const order = new Promise<string>((resolve) => {
    listener.once('message', (_, payload) => resolve(payload.toString()))
  })
  await listener.subscribeAsync('dispatch/tangzhazhen-crew/orders/#', { qos: 1 })
  expect(JSON.parse(await order)).toMatchObject({ id: (before.cases[0] as { id: string }).id })

  // The same device, the same secret, the same alarm: it clears now.
  const again = await signIn(gateway, 'kitchen', secret)
  cleanups.push(() => again.end(true))
  const calm = Array.from({ length: 5 }, (_, i) => ({ ts: start + 5000 + i * 1000, metrics: { fume: 0.2 } }))
  await again.publishAsync('v1/kitchen/readings', JSON.stringify(calm), { qos: 1 })
  await eventually('it clears', async () => {
    const [alarm] = await all<{ id: string; state: string }>(gateway, '/api/v1/alarms')
    return alarm!.state === 'cleared' && alarm!.id === (before.alarms[0] as { id: string }).id
      ? true
      : undefined
  })
})

describe.skipIf(!installed('/usr/bin/mosquitto_pub'))('MQTT over TLS, with mosquitto_pub', () => {
  test('a device signs in by its certificate alone, or by its secret; a stranger does neither', async () => {
    const certificates = new Certificates()
    cleanups.push(() => certificates.dispose())
    certificates.authority('ours')
    certificates.authority('theirs')
    certificates.issue('server', 'gateway', 'ours')
    certificates.issue('boat-1', 'boat-1', 'ours')
    certificates.issue('stranger', 'boat-1', 'theirs')
    const gateway = gatewayWith({
      GW_MQTT_TLS_PORT: '0',
      GW_MQTT_TLS_CERT: certificates.file('server.pem'),
      GW_MQTT_TLS_KEY: certificates.file('server.key'),
      GW_MQTT_TLS_CA: certificates.file('ours.pem'),
    })
    const { mqtts } = await gateway.start()
    const secret = await register(gateway, { id: 'boat-1', kind: 'survey_boat' })
    await register(gateway, { id: 'boat-2', kind: 'survey_boat' })

    const publish = (as: string[], id = 'boat-1', ca = 'ours.pem') => {
      const message = ['-q', '1', '-t', `v1/${id}/readings`, '-m', '{"metrics":{"ph":7.2}}']
      const server = ['-h', '127.0.0.1', '-p', String(mqtts), '--cafile', certificates.file(ca)]
      return run('mosquitto_pub', [...server, ...as, ...message])
    }
    const certificate = (name: string) => [
      '--cert',
      certificates.file(`${name}.pem`),
      '--key',
      certificates.file(`${name}.key`),
    ]
    expect(await publish(certificate('boat-1'))).toMatchObject({ code: 0, err: '' })
    expect(await publish(['-u', 'boat-1', '-P', secret])).toMatchObject({ code: 0, err: '' })
    expect(await ledgerOf(gateway)).toMatchObject({ received: 2, accepted: 2 })

    expect((await publish(certificate('stranger'))).code).not.toBe(0)
    expect((await publish([...certificate('boat-1'), '-u', 'boat-2'], 'boat-2')).code).not.toBe(0)
    expect((await publish(certificate('boat-1'), 'boat-2')).code).not.toBe(0)
    expect((await publish([])).code).not.toBe(0)
    expect((await publish(certificate('boat-1'), 'boat-1', 'theirs.pem')).code).not.toBe(0)
    expect(await ledgerOf(gateway)).toMatchObject({ received: 2, accepted: 2 })
  })
})
