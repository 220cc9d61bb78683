/**
 * What comes in and should not, against the gateway as a process: each has its documented answer, takes nothing
 * from anybody else, and nothing of it is dropped silently. Configuration and rule files are in start.test.ts.
 */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { MqttClient } from 'mqtt'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { device, ledgerOf, pointsOf, register, signIn } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'
import { CONNECTED, connectPacket, header, PUBACK, publishPacket, RawDevice, REFUSED } from '../raw-device.ts'

const MAX_PACKET_BYTES = 65_536
/** Longer than a refusal is held back (1 s), so that guesses at speed still get their answer. */
const CONNECT_TIMEOUT_MS = 3000
/** The quarantine keeps the first 4 KiB (contract §2). */
const RAW_LIMIT = 4096
const YEAR = 365 * 86_400_000

let gateway: GatewayProcess
let good: Awaited<ReturnType<typeof device>>
let before: Awaited<ReturnType<typeof taken>>
let number = 0
const open: { end: () => void }[] = []

beforeAll(async () => {
  gateway = new GatewayProcess({
    GW_MQTT_MAX_PACKET_BYTES: String(MAX_PACKET_BYTES),
    GW_MQTT_CONNECT_TIMEOUT: `${CONNECT_TIMEOUT_MS}ms`,
  })
  await gateway.start()
  good = await device(gateway, { id: 'good' })
})
afterAll(async () => {
  good?.client.end(true)
  await gateway.dispose()
})

beforeEach(async () => {
  before = await taken()
})
/** After each of them the gateway serves everybody else as if nothing had been. */
afterEach(async () => {
  for (const { end } of open.splice(0)) end()
  const { accepted } = await ledgerOf(gateway)
  await good.send({ ts: Date.now() - 1000 + number, metrics: { fume: 1 } })
  const ledger = await ledgerOf(gateway)
  expect(ledger.accepted).toBe(accepted + 1)
  expect(ledger.received).toBe(ledger.accepted + ledger.duplicates + ledger.quarantined)
  expect(ledger.accepted).toBe(ledger.stored + ledger.pending)
  expect((await fetch(`http://127.0.0.1:${gateway.ports.http}/readyz`)).status).toBe(200)
  expect(gateway.log).not.toMatch(/"level":[56]0/)
})

/** What came in, without what becomes of it later. */
async function taken() {
  const { received, accepted, duplicates, quarantined } = await ledgerOf(gateway)
  return { received, accepted, duplicates, quarantined }
}

interface Quarantined {
  id: number
  device: string
  code: string
  message: string
  rawBase64: string
  rawSize: number
}

const quarantineOf = async (id: string) =>
  (await gateway.api<{ items: Quarantined[] }>('GET', `/api/v1/quarantine?device=${id}`)).items

/** A device of its own for each test, that listens to what the gateway says of its readings. */
async function suspect(): Promise<
  { id: string; secret: string; client: MqttClient; errors: Problem[] } & {
    send: (payload: unknown) => Promise<unknown>
  }
> {
  const id = `suspect-${++number}`
  const joined = await device(gateway, { id })
  open.push({ end: () => joined.client.end(true) })
  const errors: Problem[] = []
  joined.client.on('message', (_, payload) => errors.push(JSON.parse(payload.toString()) as Problem))
  await joined.client.subscribeAsync(`v1/${id}/errors`, { qos: 1 })
  return { id, ...joined, errors }
}

interface Problem {
  code: string
  message: string
  reading?: unknown
}

const brackets = '[]'
const deep = (levels: number) => brackets[0]!.repeat(levels) + brackets[1]!.repeat(levels)
const fume = (value: unknown, more: object = {}) => JSON.stringify({ metrics: { fume: value }, ...more })

/** Each is one message that holds one thing to refuse. */
const payloads: [name: string, payload: string | Buffer, code: string, reason: RegExp][] = [
  ['nothing', '', 'bad_json', /not JSON/],
  ['broken JSON', '{"metrics":{"fume":1', 'bad_json', /not JSON/],
  ['bytes that are no text', Buffer.of(0xff, 0xfe, 0, 1), 'bad_json', /not JSON/],
  ['NaN', '{"metrics":{"fume":NaN}}', 'bad_json', /not JSON/],
  ['1e999', '{"metrics":{"fume":1e999}}', 'out_of_range', /Infinity is not a finite number/],
  ['-1e999', '{"metrics":{"fume":-1e999}}', 'out_of_range', /-Infinity is not a finite number/],
  [
    'a number as text',
    fume('2.35'),
    'bad_type',
    /metrics\.fume: "2\.35" is a string; expected a number in mg/,
  ],
  ['null', fume(null), 'bad_type', /metrics\.fume: null/],
  ['a number for a boolean', '{"metrics":{"fan":1}}', 'bad_type', /metrics\.fan: 1; expected true or false/],
  ['metrics as a list', '{"metrics":[2.35]}', 'bad_type', /metrics: an array/],
  ['a bare number', '2.35', 'bad_reading', /expected an object/],
  ['no metric', '{"metrics":{}}', 'bad_reading', /at least one metric/],
  ['an unknown key', fume(1, { device: 'good' }), 'bad_reading', /"device": unknown key/],
  ['an unknown metric', '{"metrics":{"level":3.2}}', 'unknown_metric', /cooking_fume has no such metric/],
  ['__proto__', '{"metrics":{"__proto__":{"fume":1}}}', 'unknown_metric', /"__proto__"/],
  ['what cannot be', fume(-1), 'out_of_range', /-1 cannot be true; expected 0 to 1000 mg/],
  ['a clock a year ahead', fume(1, { ts: Date.now() + YEAR }), 'clock_ahead', /ahead of the gateway's clock/],
  ['seconds as text', fume(1, { ts: '2024-06-01' }), 'bad_type', /ts: "2024-06-01" is a string/],
  ['microseconds', fume(1, { ts: Date.now() * 1000 }), 'out_of_range', /expected whole milliseconds/],
  ['an unknown mark', fume(1, { flags: { fume: 'X' } }), 'bad_reading', /expected one of N F/],
  ['a place off the earth', fume(1, { position: [120, 132] }), 'out_of_range', /position\.1: 132/],
  ['an empty array', '[]', 'bad_reading', /no reading/],
  [
    '1,001 readings',
    `[${Array(1001).fill(fume(1)).join()}]`,
    'too_large',
    /1001 readings; expected at most 1000/,
  ],
  ['a depth bomb', deep(30_000), 'bad_reading', /an array; expected an object/],
  ['a depth bomb in a metric', `{"metrics":{"fume":${deep(30_000)}}}`, 'bad_type', /fume: an array/],
  ['a giant string', fume('x'.repeat(60_000)), 'bad_type', /"x{40}…" is a string/],
  ['a giant key', `{"metrics":{"${'k'.repeat(60_000)}":1}}`, 'unknown_metric', /"k{40}…"/],
  ['a line break in a key', '{"metrics":{"a\\nb":1}}', 'unknown_metric', /"a\\nb"/],
]

describe('a payload that is no reading is acknowledged, quarantined and told to its device', () => {
  test.each(payloads)('%s', async (_, payload, code, reason) => {
    const { id, send, errors } = await suspect()
    await send(payload)

    const bytes = Buffer.from(payload)
    const entries = await quarantineOf(id)
    expect(entries).toHaveLength(1)
    expect(entries[0]).toMatchObject({ device: id, code, rawSize: bytes.length })
    expect(entries[0]!.message).toMatch(reason)
    expect(entries[0]!.rawBase64).toBe(bytes.subarray(0, RAW_LIMIT).toString('base64'))
    expect(await ledgerOf(gateway)).toMatchObject({
      received: before.received + 1,
      quarantined: before.quarantined + 1,
    })
    const told = await eventually('the device is told', () => errors[0])
    expect(told).toMatchObject({ code, message: entries[0]!.message })
  })

  test('a good reading beside bombs of all sorts is taken', async () => {
    const { id, send, errors } = await suspect()
    const ts = Date.now() - 60_000
    await send(
      `[${deep(20_000)},${fume(1.5, { ts })},{"metrics":{"fume":1e999}},null,${fume('x'.repeat(9000))}]`,
    )
    expect(await ledgerOf(gateway)).toMatchObject({
      accepted: before.accepted + 1,
      quarantined: before.quarantined + 4,
    })
    expect((await quarantineOf(id)).map(({ code }) => code).sort()).toEqual([
      'bad_reading',
      'bad_reading',
      'bad_type',
      'out_of_range',
    ])
    await eventually('the device is told of each', () => (errors.length === 4 ? true : undefined))
    await eventually('the good one is stored', async () =>
      (await pointsOf(gateway, id, 'fume')).length === 1 ? true : undefined,
    )
  })

  test('a device that sends nothing else is told ten times a second and then how much more there was', async () => {
    const { id, send, errors } = await suspect()
    await Promise.all(Array.from({ length: 300 }, () => send('{')))
    const last = await eventually('the rest is summed up', () =>
      errors.find(({ code }) => code === 'left_out'),
    )
    expect(last.message).toMatch(/^\d+ more errors/)
    expect(errors.length).toBeLessThan(100)
    expect((await ledgerOf(gateway)).quarantined).toBe(before.quarantined + 300)
    expect(await quarantineOf(id)).toHaveLength(100)
  })
})

describe('the same over HTTP', () => {
  const post = (body: string) =>
    fetch(`http://127.0.0.1:${gateway.ports.http}/api/v1/readings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${good.secret}`, 'content-type': 'application/json' },
      body,
    })

  test.each<[string, string, number, string]>([
    ['broken JSON', '[{"metrics":', 400, 'bad_json'],
    ['NaN', '[{"metrics":{"fume":NaN}}]', 400, 'bad_json'],
    ['nothing', '', 400, 'bad_request'],
    ['an empty array', '[]', 400, 'bad_request'],
    ['a depth bomb', deep(100_000), 400, 'bad_json'],
    ['__proto__', '[{"__proto__":{"device":"good"},"metrics":{"fume":1}}]', 400, 'bad_json'],
    ["another's reading", '[{"device":"other","metrics":{"fume":1}}]', 403, 'forbidden'],
  ])('%s is refused as a whole, with nothing of it taken in', async (_, body, status, code) => {
    const response = await post(body)
    expect(await response.json()).toMatchObject({ status, code })
    expect(response.status).toBe(status)
    expect(await taken()).toEqual(before)
  })

  test('a size bomb is refused when its header has come, and nothing of it is waited for', async () => {
    const request = httpRequest({
      port: gateway.ports.http,
      method: 'POST',
      path: '/api/v1/readings',
      headers: {
        authorization: `Bearer ${good.secret}`,
        'content-type': 'application/json',
        'content-length': 1_000_000_000,
      },
    })
    open.push({ end: () => request.destroy() })
    request.on('error', () => {}).write('[')
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(413)
    expect(await taken()).toEqual(before)
  })

  test.each<[string, string, string]>([
    ['1e999', '[{"metrics":{"fume":1e999}}]', 'out_of_range'],
    ['a wrong type', `[${fume('2.35')}]`, 'bad_type'],
    ['an unknown metric', '[{"metrics":{"level":3.2}}]', 'unknown_metric'],
    ['a clock a year ahead', `[${fume(1, { ts: Date.now() + YEAR })}]`, 'clock_ahead'],
  ])('%s is taken into the quarantine', async (_, body, code) => {
    const response = await post(body)
    expect(response.status).toBe(202)
    expect(await response.json()).toMatchObject({ accepted: 0, quarantined: 1, refused: [{ code }] })
    expect((await quarantineOf('good'))[0]).toMatchObject({ code })
  })
})

describe('what was quarantined can be tried again once its cause is gone', () => {
  test('a device that was not registered yet', async () => {
    const id = 'early-bird'
    const ts = Date.now() - 60_000
    const readings = [{ device: id, ts, metrics: { fume: 2.5 } }]
    expect(await gateway.api('POST', '/api/v1/readings', readings)).toMatchObject({ quarantined: 1 })
    const [entry] = await quarantineOf(id)
    expect(entry).toMatchObject({ code: 'unknown_device', message: expect.stringContaining(id) })

    const retry = `/api/v1/quarantine/${entry!.id}/retry`
    const tooEarly = await gateway.request('POST', retry)
    expect(tooEarly.status).toBe(409)
    expect(await tooEarly.json()).toMatchObject({ detail: expect.stringContaining('unknown_device') })

    await register(gateway, { id })
    expect(await gateway.api('POST', retry)).toEqual({ released: true, accepted: 1, duplicates: 0 })
    expect(await quarantineOf(id)).toEqual([])
    expect((await gateway.request('POST', retry)).status).toBe(404)
    expect(await ledgerOf(gateway)).toMatchObject({
      received: before.received + 1,
      accepted: before.accepted + 1,
      quarantined: before.quarantined,
    })
    await eventually('its reading is stored', async () =>
      (await pointsOf(gateway, id, 'fume')).length === 1 ? true : undefined,
    )
    expect(await pointsOf(gateway, id, 'fume')).toEqual([[ts, 2.5]])
  })

  test('a device that was registered as the wrong kind', async () => {
    const { id, send } = await suspect()
    const ts = Date.now() - 60_000
    await send({ ts, metrics: { level: 3.2 } })
    const [entry] = await quarantineOf(id)
    expect(entry).toMatchObject({ code: 'unknown_metric' })
    await gateway.api('PATCH', `/api/v1/devices/${id}`, { kind: 'water_level' })
    expect(await gateway.api('POST', `/api/v1/quarantine/${entry!.id}/retry`)).toMatchObject({ accepted: 1 })
    await eventually('its reading is stored', async () =>
      (await pointsOf(gateway, id, 'level')).length === 1 ? true : undefined,
    )
    expect(await pointsOf(gateway, id, 'level')).toEqual([[ts, 3.2]])
  })

  test('but not what was too long to be kept whole', async () => {
    const { id, send } = await suspect()
    await send(fume('x'.repeat(RAW_LIMIT)))
    const [entry] = await quarantineOf(id)
    const retry = await gateway.request('POST', `/api/v1/quarantine/${entry!.id}/retry`)
    expect(retry.status).toBe(409)
    expect(await retry.json()).toMatchObject({ detail: expect.stringContaining('cut_off') })
    expect(await quarantineOf(id)).toHaveLength(1)
  })
})

/** Signs in by hand and answers when the gateway has let it in. */
async function rawSignIn(id: string, secret: string, keepalive?: number): Promise<RawDevice> {
  const raw = await rawConnection()
  raw.send(connectPacket(id, secret, keepalive))
  await eventually('CONNACK', () => (raw.received === CONNECTED ? true : undefined))
  return raw
}

async function rawConnection(): Promise<RawDevice> {
  const raw = await RawDevice.open(gateway)
  open.push({ end: () => raw.socket.destroy() })
  return raw
}

const closing = (raw: RawDevice, withinMs?: number) =>
  eventually('the connection is closed', () => (raw.closed ? true : undefined), withinMs)

describe('a topic', () => {
  const reading = fume(1)

  test.each([
    ['of another device', 'v1/good/readings'],
    ['that climbs', 'v1/../readings'],
    ['that climbs without a name', 'v1//readings'],
    ['without a name', 'v1'],
    ['with a slash in front', '/v1/ME/readings'],
    ['in capitals', 'V1/ME/readings'],
    ['of the broker', '$SYS/broker/version'],
    ['of a shared subscription', '$share/x/v1/good/readings'],
    ['with a plus', 'v1/+/readings'],
    ['with a plus below its own', 'v1/ME/+'],
    ['with a hash', 'v1/ME/#'],
    ['that is a hash', '#'],
    ['that is empty', ''],
    ['with a null character', 'v1/ME/readings\0'],
    ['with a null character in its name', 'v1/ME\0/readings'],
    ['of a team', 'dispatch/tangzhazhen-crew/actions'],
    ['of an alarm', 'alarms/tangzhazhen/ME'],
    ['a thousand levels deep', `v1/ME/${'a/'.repeat(1000)}readings`],
  ])('%s closes the connection, and nothing of it arrives', async (_, topic) => {
    const { id, secret, client } = await suspect()
    client.end(true)
    const raw = await rawSignIn(id, secret)
    raw.send(publishPacket(topic.replace('ME', id), reading))
    await closing(raw)
    expect(raw.received).toBe(CONNECTED)
    expect(await taken()).toEqual(before)
  })

  test.each([
    ['that climbs out of its own', 'v1/ME/../good/readings'],
    ['with a slash behind', 'v1/ME/readings/'],
    ['that is only heard', 'v1/ME/commands'],
    ['of a command that climbs', 'v1/ME/commands/../result'],
    ['of 60,000 characters', `v1/ME/${'x'.repeat(60_000)}`],
  ])('%s leads nowhere: acknowledged, quarantined, told', async (_, topic) => {
    const { id, secret, errors } = await suspect()
    const raw = await rawSignIn(id, secret)
    raw.send(publishPacket(topic.replace('ME', id), reading))
    await eventually('PUBACK', () => (raw.received === CONNECTED + PUBACK ? true : undefined))
    expect(await quarantineOf(id)).toMatchObject([{ code: 'unknown_topic', device: id }])
    expect(await ledgerOf(gateway)).toMatchObject({ quarantined: before.quarantined + 1 })
    expect(await eventually('the device is told', () => errors[0])).toMatchObject({ code: 'unknown_topic' })
  })
})

describe('a packet', () => {
  test.each([
    ['of 268 MB before the sign-in', header(0x10, 268_435_455)],
    ['of a length that never ends', Buffer.of(0x10, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['that is a PUBLISH before the sign-in', publishPacket('v1/good/readings', fume(1))],
    ['that is HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: gateway\r\n\r\n')],
    ['of TLS', Buffer.from('16030100c8010000c40303', 'hex')],
  ])('%s closes the connection at once', async (_, bytes) => {
    const raw = await rawConnection()
    raw.send(bytes)
    await closing(raw)
    expect(raw.received).toBe('')
  })

  test.each([
    ['of 268 MB', 268_435_455],
    ['one byte over the limit', MAX_PACKET_BYTES + 1],
  ])('%s closes the connection when its header has come, and nothing of it is kept', async (_, length) => {
    const { id, secret } = await suspect()
    const raw = await rawSignIn(id, secret)
    raw.send(header(0x32, length))
    await closing(raw)
    expect(await taken()).toEqual(before)
  })

  test('of exactly the limit is taken', async () => {
    const { id, secret } = await suspect()
    const raw = await rawSignIn(id, secret)
    const topic = `v1/${id}/readings`
    const room = MAX_PACKET_BYTES - (topic.length + 4)
    raw.send(publishPacket(topic, fume(1).padEnd(room)))
    await eventually('PUBACK', () => (raw.received === CONNECTED + PUBACK ? true : undefined))
    expect(await ledgerOf(gateway)).toMatchObject({ accepted: before.accepted + 1 })
  })
})

describe('a connection', () => {
  test('that says nothing, or stops in the middle of its CONNECT, is closed at the connect timeout', async () => {
    const silent = await rawConnection()
    const half = await rawConnection()
    half.send(connectPacket('good', good.secret).subarray(0, 12))
    await closing(silent, 2 * CONNECT_TIMEOUT_MS)
    await closing(half)
    expect(silent.received + half.received).toBe('')
  })

  test('that falls silent beyond its keepalive is closed, and its device is offline', async () => {
    const { id, secret, client } = await suspect()
    client.end(true)
    const raw = await rawSignIn(id, secret, 1)
    await closing(raw, 5000)
    await eventually('offline', async () => {
      const { presence } = await gateway.api<{ presence: { online: boolean } }>(
        'GET',
        `/api/v1/devices/${id}`,
      )
      return presence.online ? undefined : true
    })
  })
})

describe('wrong secrets at speed', () => {
  test('hundreds of them are refused while a good device goes on publishing', async () => {
    const start = Date.now() - 200_000
    const done = new AbortController()
    let acknowledged = 0
    const publishing = (async () => {
      while (!done.signal.aborted) {
        await good.send({ ts: start + acknowledged, metrics: { fume: 1 } })
        acknowledged++
      }
    })()
    const guess = async (secret: string, name = 'good') => {
      const raw = await rawConnection()
      raw.send(connectPacket(name, secret))
      await closing(raw)
      return raw.received
    }
    // As long as a real one, chosen by a person, somebody's own, and for nobody.
    const other = await register(gateway, { id: 'other' })
    const wrong = [`${good.secret.slice(0, -1)}?`, 'hunter2', other, '', 'x'.repeat(5000)]
    const guesses = Array.from({ length: 400 }, (_, i) =>
      guess(wrong[i % wrong.length]!, i % 3 === 0 ? 'nobody' : 'good'),
    )
    expect(new Set(await Promise.all(guesses))).toEqual(new Set([REFUSED]))

    const tokens = Array.from({ length: 300 }, (_, i) =>
      gateway.request('GET', '/api/v1/ledger', undefined, `${wrong[i % 3]}`),
    )
    const statuses = new Set((await Promise.all(tokens)).map(({ status }) => status))
    expect([...statuses].filter((status) => status !== 401 && status !== 403)).toEqual([])

    // The right secret still opens, from the same address.
    const again = await signIn(gateway, 'good', good.secret, { clientId: 'again' })
    await again.endAsync()
    done.abort()
    await publishing
    expect(acknowledged).toBeGreaterThan(50)
    expect(await ledgerOf(gateway)).toMatchObject({
      accepted: before.accepted + acknowledged,
      quarantined: before.quarantined,
    })
  })
})
