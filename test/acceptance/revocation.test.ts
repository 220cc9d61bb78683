import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { device, signIn } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = new GatewayProcess({})
  // It makes its folder itself.
  rmSync(gateway.dataDir, { recursive: true })
  await gateway.start()
})
afterAll(() => gateway.dispose())

const TEAM = 'fume-team'

test.each([
  ['a device that is removed', 'DELETE', ''],
  ['a device whose secret is replaced', 'POST', '/secret'],
])('%s has no MQTT connection any more', async (_, method, path) => {
  const id = `revoked-${method}`
  const { client } = await device(gateway, { id })
  await gateway.request(method, `/api/v1/devices/${id}${path}`)
  await eventually('it is cut off', () => (client.connected ? undefined : true))
})

test.each([
  ['a user who is removed', 'DELETE', ''],
  ['a user whose secret is replaced', 'POST', '/secret'],
])('%s has no MQTT connection any more', async (_, method, path) => {
  const user = { name: `crew-${method}`, role: 'team', team: TEAM }
  const { secret } = await gateway.api<{ secret: string }>('POST', '/api/v1/users', user)
  const client = await signIn(gateway, user.name, secret)
  await client.subscribeAsync(`dispatch/${TEAM}/#`)
  await gateway.request(method, `/api/v1/users/${user.name}${path}`)
  await eventually('they are cut off', () => (client.connected ? undefined : true))
})

test('a session of somebody who was removed is not found by the next one of the same name', async () => {
  const user = { name: 'passing', role: 'team', team: TEAM }
  const options = { clientId: 'tablet', clean: false }
  const first = await gateway.api<{ secret: string }>('POST', '/api/v1/users', user)
  const client = await signIn(gateway, user.name, first.secret, options)
  await client.subscribeAsync(`dispatch/${TEAM}/#`, { qos: 1 })
  await client.endAsync()
  await gateway.request('DELETE', `/api/v1/users/${user.name}`)
  const { secret } = await gateway.api<{ secret: string }>('POST', '/api/v1/users', user)
  const present: boolean[] = []
  const next = await signIn(gateway, user.name, secret, { ...options, manualConnect: false })
  next.on('connect', ({ sessionPresent }) => present.push(sessionPresent))
  next.reconnect()
  await eventually('it is connected', () => (present.length > 0 ? true : undefined))
  expect(present[0]).toBe(false)
  await next.endAsync()
})

test('nobody else on the machine can read what the gateway keeps', () => {
  const paths = [gateway.dataDir, ...readdirSync(gateway.dataDir).map((name) => join(gateway.dataDir, name))]
  expect(paths.length).toBeGreaterThan(4)
  expect(paths.filter((path) => (statSync(path).mode & 0o077) !== 0)).toEqual([])
})
