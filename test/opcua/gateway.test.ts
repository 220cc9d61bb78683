import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { OpcuaStation } from '../../simulators/opcua/station.ts'
import { pointsOf, register } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'
import { freePort } from '../services/service.ts'

test('a station that is registered with its nodes is read, and comes again after a kill of the gateway', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-station-'))
  const station = new OpcuaStation({ port: await freePort(), folder, names: ['Station'], every: 200 })
  const gateway = new GatewayProcess()
  try {
    await Promise.all([station.start(), gateway.start()])
    const nodes = { ph: 'ns=1;s=Station.ph', turbidity: '/Objects/1:Station/1:turbidity' }
    const opcua = { endpoint: station.url, nodes }
    await register(gateway, { id: 'river-1', kind: 'river_station', protocols: { opcua } })
    const count = async (least: number) =>
      eventually('readings', async () => {
        const points = await pointsOf(gateway, 'river-1', 'ph')
        return points.length >= least ? points.length : undefined
      })
    const before = await count(3)
    expect((await pointsOf(gateway, 'river-1', 'turbidity')).length).toBeGreaterThan(0)
    await gateway.end('SIGKILL')
    await gateway.start()
    await count(before + 3)
    const wrong = gateway.api('PATCH', '/api/v1/devices/river-1', {
      protocols: { opcua: { username: 'a', password: 'b' } },
    })
    await expect(wrong).rejects.toThrow(/protocols\.opcua\.securityMode: None would show the password/)
    await gateway.api('PATCH', '/api/v1/devices/river-1', {
      protocols: { opcua: { securityMode: 'Sign', username: 'a', password: 'hidden-from-here-on' } },
    })
    const device = await gateway.api('GET', '/api/v1/devices/river-1')
    expect(JSON.stringify(device)).not.toContain('hidden-from-here-on')
    const readiness = await eventually('the refusal', async () => {
      const text = await (await gateway.request('GET', '/readyz')).text()
      return text.includes('not trusted') ? text : undefined
    })
    expect(readiness).toContain('"ready":true,"parts"')
    expect(gateway.log).not.toContain('hidden-from-here-on')
  } finally {
    await gateway.dispose()
    await station.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
