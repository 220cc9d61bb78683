import { setTimeout as sleep } from 'node:timers/promises'
import { connectAsync, type MqttClient } from 'mqtt'
import { describe, expect, test } from 'vitest'
import { ledgerOf, pointsOf, register } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'
import { hasMosquitto, Mosquitto } from '../services/mosquitto.ts'

const START = Date.parse('2024-06-01T12:00:00+08:00')
const DEVICES = ['fume-1', 'fume-2', 'fume-3']

interface Readiness {
  ready: boolean
  parts: Record<string, { ready: boolean; detail: string }>
}

/** Publishes readings that differ in device and time, twenty at a time, until it is ended; each until it is acknowledged. */
function publishing(publisher: MqttClient): { readonly sent: number; end(): Promise<number> } {
  let sent = 0
  const ends = new AbortController()
  const done = (async () => {
    while (!ends.signal.aborted) {
      const batch = Array.from({ length: 20 }, () => {
        const reading = { ts: START + sent, metrics: { fume: 1 } }
        const topic = `v1/${DEVICES[sent++ % DEVICES.length]}/readings`
        return publisher.publishAsync(topic, JSON.stringify(reading), { qos: 1 })
      })
      await Promise.all(batch)
      await sleep(10)
    }
  })()
  return {
    get sent() {
      return sent
    },
    async end() {
      ends.abort()
      await done
      return sent
    },
  }
}

describe.skipIf(!hasMosquitto)('gateways behind one Mosquitto', () => {
  async function launch(upstream: object): Promise<GatewayProcess> {
    const gateway = new GatewayProcess({ GW_UPSTREAM: JSON.stringify([upstream]) })
    await gateway.start()
    for (const id of DEVICES) await register(gateway, { id })
    return gateway
  }
  const isConnected = (gateway: GatewayProcess) =>
    eventually('connected', async () => {
      const { parts } = (await (await gateway.request('GET', '/readyz')).json()) as Readiness
      return parts['upstream']?.ready === true ? true : undefined
    })

  test('killed again and again, they lose nothing, and what comes twice is stored once', async () => {
    const broker = await Mosquitto.launch()
    const group = { url: broker.url, share: 'gridwhistle' }
    const gateways = await Promise.all([
      launch({ ...group, version: 5 }),
      launch({ ...group, version: '3.1.1' }),
    ])
    const publisher = await connectAsync(broker.url)
    try {
      await Promise.all(gateways.map(isConnected))
      const traffic = publishing(publisher)
      for (const gateway of gateways) {
        const before = traffic.sent
        await eventually('traffic', () => (traffic.sent > before + 300 ? true : undefined))
        await gateway.end('SIGKILL')
        await gateway.start()
        await isConnected(gateway)
      }
      const sent = await traffic.end()
      const ledgers = await eventually('every reading', async () => {
        const all = await Promise.all(gateways.map(ledgerOf))
        const accepted = all.reduce((sum, { accepted }) => sum + accepted, 0)
        return accepted >= sent && all.every(({ pending }) => pending === 0) ? all : undefined
      })
      for (const { received, accepted, duplicates, quarantined } of ledgers) {
        expect(quarantined).toBe(0)
        expect(received).toBe(accepted + duplicates)
        expect(accepted).toBeGreaterThan(0)
      }
      const held = new Set<string>()
      for (const gateway of gateways)
        for (const device of DEVICES)
          for (const [ts] of await pointsOf(gateway, device, 'fume')) held.add(`${device} ${ts}`)
      expect(held.size).toBe(sent)
    } finally {
      await publisher.endAsync(true)
      await Promise.all(gateways.map((gateway) => gateway.dispose()))
      await broker.dispose()
    }
  }, 60_000)

  // Without `share`: Mosquitto forgets shared subscriptions when it is restarted (adapters/upstream/README.md).
  test('a broker that is restarted under load takes nothing with it', async () => {
    const broker = await Mosquitto.launch()
    const gateway = await launch({ url: broker.url })
    const publisher = await connectAsync(broker.url, {
      clientId: 'publisher',
      clean: false,
      reconnectPeriod: 50,
    })
    publisher.on('error', () => {})
    try {
      await isConnected(gateway)
      const traffic = publishing(publisher)
      for (let restart = 0; restart < 4; restart++) {
        const before = traffic.sent
        await eventually('traffic', () => (traffic.sent > before + 300 ? true : undefined))
        await broker.stop()
        await broker.start()
      }
      const sent = await traffic.end()
      await eventually('every reading', async () => {
        const { accepted, pending } = await ledgerOf(gateway)
        return accepted >= sent && pending === 0 ? true : undefined
      })
      const held = await Promise.all(DEVICES.map((device) => pointsOf(gateway, device, 'fume')))
      expect(held.flat().length).toBe(sent)
      expect((await ledgerOf(gateway)).quarantined).toBe(0)
    } finally {
      await publisher.endAsync(true)
      await gateway.dispose()
      await broker.dispose()
    }
  }, 60_000)

  test('a broker that is away does not take the gateway out of service', async () => {
    const gateway = await launch({ url: 'mqtt://127.0.0.1:1' })
    try {
      const response = await gateway.request('GET', '/readyz')
      const { ready, parts } = (await response.json()) as Readiness
      expect([response.status, ready]).toEqual([200, true])
      expect(parts['upstream']).toMatchObject({
        ready: false,
        detail: expect.stringContaining('127.0.0.1:1'),
      })
      expect(await gateway.end('SIGTERM')).toBe(0)
    } finally {
      await gateway.dispose()
    }
  })
})
