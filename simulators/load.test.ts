import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeGateway } from './gateway.fixture.ts'
import { load, type LoadOptions } from './load.ts'
import { QUIET_KITCHEN } from './load/payload.ts'

let gateway: FakeGateway

beforeEach(async () => {
  gateway = new FakeGateway()
  await gateway.start()
})
afterEach(async () => {
  await gateway.stop()
})

function options(more: Partial<LoadOptions> = {}): LoadOptions {
  return {
    protocol: 'mqtt',
    mqttUrl: gateway.mqttUrl,
    httpUrl: gateway.httpUrl,
    hj212Url: 'tcp://127.0.0.1:9',
    token: gateway.token,
    devicePrefix: 'load-',
    devices: 5,
    topic: 'v1/{device}/readings',
    inFlight: 3,
    batch: 1,
    duration: 300,
    drain: 5000,
    ...more,
  }
}

/** Every reading that came, and whether a device ever used a time twice. */
function received(): { count: number; unique: boolean } {
  let count = 0
  let unique = true
  for (const readings of gateway.readings.values()) {
    count += readings.length
    if (new Set(readings.map(({ ts }) => ts)).size !== readings.length) unique = false
    for (const { metrics } of readings) expect(metrics).toEqual(QUIET_KITCHEN)
  }
  return { count, unique }
}

describe('the account of a load equals what the broker received, each reading unique', () => {
  test.each<[string, Partial<LoadOptions>]>([
    ['closed loop, one in flight', { inFlight: 1 }],
    ['closed loop, ten in flight', { inFlight: 10 }],
    ['closed loop, batches', { batch: 20 }],
    ['open loop', { rate: 2000 }],
    ['open loop, batches', { rate: 20_000, batch: 10 }],
    ['QoS 2, closed loop', { qos: 2 }],
    ['QoS 2, open loop', { qos: 2, rate: 1000 }],
    ['HTTP, closed loop', { protocol: 'http', batch: 3 }],
    ['HTTP, open loop', { protocol: 'http', rate: 500 }],
  ])('%s', async (_, more) => {
    const result = await load(options(more))
    expect(result).toMatchObject({ complete: true, unacked: 0, errors: 0, firstError: null, probe: null })
    expect(result.acked).toBeGreaterThan(0)
    expect(result.acked).toBe(result.offered)
    expect(received()).toEqual({ count: result.acked, unique: true })
    expect(result.latency?.count).toBe(result.acked / result.batch)
    expect(gateway.registered.size).toBe(5)
  })
})

test('at QoS 0 the ledger tells what arrived', async () => {
  const result = await load(options({ qos: 0, rate: 2000 }))
  expect(result).toMatchObject({
    qos: 0,
    offered: 600,
    sent: 600,
    acked: 0,
    lost: 0,
    latency: null,
    complete: true,
  })
  expect(received()).toEqual({ count: 600, unique: true })
  await expect(load(options({ qos: 0 }))).rejects.toThrow('give a rate')
})

test('what the ledger has not received is lost, whatever was acknowledged', async () => {
  gateway.onReading = () => gateway.readings.clear()
  const result = await load(options({ rate: 500 }))
  expect(result).toMatchObject({ acked: 150, complete: false })
  expect(result.lost).toBeGreaterThan(100)
})

test('an open loop offers what its rate says, whatever the broker does', async () => {
  const result = await load(options({ rate: 1000, duration: 500 }))
  expect(result).toMatchObject({ mode: 'open', offered: 500, acked: 500 })
})

test('readings lost with the broker are counted as lost, not as sent', async () => {
  let cut: Promise<void> | undefined
  const result = await load(
    options({
      rate: 5000,
      duration: 5000,
      drain: 200,
      onProgress: (phase, done) => {
        if (phase === 'load' && done > 100) cut ??= gateway.cut()
      },
    }),
  )
  await cut
  expect(result.complete).toBe(false)
  expect(result.errors).toBe(5)
  expect(result.acked).toBeLessThan(result.offered)
  expect(result.unacked).toBe(result.sent - result.acked)
  // What the broker has, it may not have come to acknowledge; what it has acknowledged, it has.
  expect(received().count).toBeGreaterThanOrEqual(result.acked)
  // All connections are gone: there is nothing to wait for.
  expect(result.seconds).toBeLessThan(5)
})

test('a broker that never acknowledges loses everything that was sent', async () => {
  gateway.acknowledges = false
  const result = await load(options({ inFlight: 2, drain: 50 }))
  expect(result).toMatchObject({ sent: 10, acked: 0, unacked: 10, complete: false, latency: null })
})

test('signs in with one pattern for every secret, or anonymously', async () => {
  for (const device of ['load-000000', 'load-000001']) gateway.secrets.set(device, `key ${device}`)
  const { token: _token, ...tokenless } = options({ devices: 2 })
  const result = await load({ ...tokenless, secretOf: 'key {device}' })
  expect(result.complete).toBe(true)
  await expect(load({ ...tokenless, secretOf: 'wrong' })).rejects.toThrow('was refused (CONNACK 5)')
  gateway.secrets.clear()
  await expect(load(tokenless)).resolves.toMatchObject({ complete: true })
})

test('refuses to start where nobody listens', async () => {
  const aimed = options()
  await gateway.cut()
  await expect(load(aimed)).rejects.toThrow('ECONNREFUSED')
})

describe('probes', () => {
  const probe = { count: 5, metrics: { fume: 9 }, topic: 'dispatch/#' }

  test('measure from their reading to the order that names them, beside the load', async () => {
    gateway.onReading = (device) => {
      if (device.includes('probe')) {
        void gateway.publish('dispatch/crew/orders/1', JSON.stringify({ id: 'c1', site: device }))
      }
    }
    // Only devices have secrets here, so the listener signs in as one of them.
    gateway.secrets.set('listener', 'x')
    const result = await load(options({ rate: 500, probe: { ...probe, user: 'listener', password: 'x' } }))
    expect(result.complete).toBe(true)
    expect(result.probe).toMatchObject({ tripped: 5, answered: 5, latency: { count: 5 } })
    expect(gateway.readings.get('load-probe-000004')).toMatchObject([{ metrics: { fume: 9 } }])
  })

  test('that nobody answers make the run incomplete', async () => {
    gateway.secrets.set('listener', 'x')
    const result = await load(
      options({ devices: 0, drain: 100, probe: { ...probe, user: 'listener', password: 'x' } }),
    )
    expect(result.complete).toBe(false)
    expect(result.probe).toEqual({ tripped: 5, answered: 0, latency: null })
  })
})

test.each<[string, Partial<LoadOptions>, string]>([
  ['no device', { devices: 0 }, 'devices must be 1 to 19500'],
  ['too many devices', { devices: 20_001 }, 'devices must be 1 to 19500'],
  ['too large a message', { batch: 1001 }, 'batch must be 1 to 1000'],
  ['no message in flight', { inFlight: 0 }, 'in-flight must be 1 to 65535'],
  ['no rate', { rate: 0 }, 'rate must be above 0'],
])('%s is refused', async (_, more, message) => {
  await expect(load(options(more))).rejects.toThrow(message)
})
