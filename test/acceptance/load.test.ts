/** The load tool against a real gateway: what it says was taken in is in the journal, in order, and in the historian. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gridwhistle } from '../command.ts'
import { ADMIN_TOKEN, GatewayProcess } from '../gateway-process.ts'

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = new GatewayProcess({ GW_LOG_LEVEL: 'error', GW_HJ212_PORT: '0' })
  await gateway.start()
})
afterAll(() => gateway.dispose())

test.each([
  ['MQTT at QoS 1, closed loop', ['--in-flight', '4']],
  ['MQTT at QoS 1, open loop, batches', ['--rate', '2000', '--batch', '5']],
  ['MQTT at QoS 0', ['--rate', '500', '--qos', '0']],
  ['MQTT at QoS 2', ['--rate', '500', '--qos', '2']],
  ['HJ 212, a 9014 for each frame', ['--rate', '500', '--protocol', 'hj212']],
  // Requests of one device that are under way together may overtake each other: only one at a time has an order.
  ['HTTP, closed loop', ['--batch', '2', '--protocol', 'http']],
])('%s', async (name, args) => {
  const { mqtt, http, hj212 } = gateway.ports
  const prefix = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  const { code, out, err } = await gridwhistle([
    'load',
    '--devices=10',
    '--duration=1s',
    '--verify',
    '--json',
    `--device-prefix=${prefix}-`,
    `--to=mqtt://127.0.0.1:${mqtt}`,
    `--http=http://127.0.0.1:${http}`,
    `--hj212=tcp://127.0.0.1:${hj212}`,
    `--token=${ADMIN_TOKEN}`,
    ...args,
  ])
  const result = JSON.parse(out) as { sent: number; verified: object }
  expect(result, err).toMatchObject({
    errors: 0,
    unacked: 0,
    lost: 0,
    ledger: { received: result.sent, accepted: result.sent, duplicates: 0, quarantined: 0, late: 0 },
    verified: {
      inJournal: result.sent,
      missing: 0,
      surplus: 0,
      disordered: 0,
      inHistorian: result.sent,
    },
    complete: true,
  })
  expect(result.sent).toBeGreaterThan(400)
  expect(code).toBe(0)
})
