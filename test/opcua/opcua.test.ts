import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { StatusCodes } from 'node-opcua-client'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { MarkedReading } from '../../adapters/opcua/codec.ts'
import { OpcuaSource } from '../../adapters/opcua/source.ts'
import { loadKinds } from '../../gateway/model/kinds.ts'
import { JournalUnavailable, type Message, type Outcome } from '../../gateway/model/pipeline.ts'
import type { Device } from '../../gateway/model/device.ts'
import type { Refusal } from '../../gateway/model/reading.ts'
import { OpcuaStation } from '../../simulators/opcua/station.ts'
import { freePort } from '../services/service.ts'

const kinds = loadKinds()
const simulator = fileURLToPath(new URL('../../simulators/opcua/run.ts', import.meta.url))
const RESTARTS = 20
const USER = { name: 'gridwhistle', password: 'station-password' }

let folder: string
let station: OpcuaStation
let source: OpcuaSource | undefined
let devices: Map<string, Device>
let readings: Map<string, MarkedReading[]>
let refusals: Refusal[]
let isDiskFull = false
let refused = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-opcua-'))
  station = new OpcuaStation({
    port: await freePort(),
    folder: join(folder, 'station'),
    names: ['North', 'South'],
    every: 0,
    user: USER,
  })
  await station.start()
})
afterAll(async () => {
  await station.stop()
  rmSync(folder, { recursive: true, force: true })
})
afterEach(async () => {
  await source?.stop()
  source = undefined
  isDiskFull = false
})

function bound(id: string, nodes: Record<string, string>, more: object = {}): Device {
  return {
    id,
    kind: 'river_station',
    site: id,
    street: 'wenfeng',
    grid: 'wenfeng-001',
    protocols: { opcua: { endpoint: station.url, nodes, ...more } },
  }
}

async function accept({ device, payload }: Message): Promise<Outcome> {
  if (isDiskFull) {
    refused++
    throw new JournalUnavailable('the disk is full')
  }
  const known = readings.get(device) ?? []
  readings.set(device, known)
  known.push(...(payload as readonly MarkedReading[]))
  return { accepted: payload.length, duplicates: 0, refused: [] }
}

async function start(list: readonly Device[]): Promise<OpcuaSource> {
  devices = new Map(list.map((device) => [device.id, device]))
  readings = new Map()
  refusals = []
  source = new OpcuaSource({
    devices: { get: (id) => devices.get(id), all: () => devices.values() },
    kinds,
    intake: { accept },
    refuse: async (refusal) => void refusals.push(refusal),
    pkiDir: join(folder, 'pki'),
    clock: { now: () => Date.now() },
    log: { info: () => {}, warn: () => {}, debug: () => {} },
  })
  await source.start()
  return source
}

const soon = (check: () => void, timeout = 15_000) => vi.waitFor(check, { timeout, interval: 20 })
const ready = (source: OpcuaSource) => soon(() => expect(source.health().detail).toContain('connected, '))
const last = (device: string) => readings.get(device)?.at(-1)

/** Times that no other test uses. */
let clock = Date.now() - 3_600_000
const next = () => (clock += 1000)

describe('a subscription to a real server', () => {
  test('values of one instant are one reading, with the time of their source', async () => {
    const at = next()
    station.set('North', 'ph', 7.25, { at })
    station.set('North', 'do', 8.5, { at })
    station.set('South', 'ph', 6.75, { at: at + 1 })
    await ready(
      await start([
        bound('north', { ph: 'ns=1;s=North.ph', do: 'ns=1;s=North.do' }),
        bound('south', { ph: '/Objects/1:South/1:ph' }),
      ]),
    )
    await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 7.25, do: 8.5 } }))
    await soon(() => expect(last('south')).toEqual({ ts: at + 1, metrics: { ph: 6.75 } }))
    const later = next()
    for (const [ph, ts] of [
      [7.3, later],
      [7.4, later + 100],
    ] as const) {
      station.set('North', 'ph', ph, { at: ts })
      station.set('North', 'do', 8, { at: ts })
      // Also of what has not changed.
      await soon(() => expect(last('north')).toEqual({ ts, metrics: { ph, do: 8 } }))
    }
  })

  test('quality becomes a mark, and a bad value is not taken', async () => {
    let at = next()
    station.set('North', 'ph', 7, { at })
    await ready(await start([bound('north', { ph: 'ns=1;s=North.ph' })]))
    await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 7 } }))
    for (const [status, value, expected] of [
      [StatusCodes.UncertainSensorCalibration, 7.5, { metrics: { ph: 7.5 }, flags: { ph: 'C' } }],
      [StatusCodes.BadSensorFailure, 3, { metrics: { ph: 7 }, flags: { ph: 'D' } }],
      [StatusCodes.BadNoCommunication, 3, { metrics: { ph: 7 }, flags: { ph: 'B' } }],
      [StatusCodes.Good, 14.5, { metrics: { ph: 14.5 }, flags: { ph: 'T' } }],
      [StatusCodes.Good, 7.1, { metrics: { ph: 7.1 } }],
    ] as const) {
      at = next()
      station.set('North', 'ph', value, { status, at })
      await soon(() => expect(last('north')).toEqual({ ts: at, ...expected }))
    }
  })

  test('a unit that is not the metric’s, and a node that is not there, are named and not taken', async () => {
    const at = next()
    station.set('North', 'ph', 7, { at })
    station.set('North', 'temperature', 20, { at })
    const source = await start([
      bound('north', {
        ph: 'ns=1;s=North.ph',
        conductivity: 'ns=1;s=North.temperature',
        turbidity: 'ns=1;s=North.none',
        flow: '/Objects/1:North/1:none',
      }),
    ])
    await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 7 } }))
    await soon(() => expect(refusals).toHaveLength(3))
    expect(refusals.map(({ message }) => message).sort()).toEqual([
      'protocols.opcua.nodes.conductivity: its unit is "°C (UNECE CEL)"; expected µS/cm',
      'protocols.opcua.nodes.flow: /Objects/1:North/1:none is not there: BadNoMatch',
      'protocols.opcua.nodes.turbidity: it cannot be monitored: BadNodeIdUnknown',
    ])
    expect(source.health()).toMatchObject({ ready: false, detail: /north\.conductivity: its unit/ })
  })

  test('devices come, change and go while others are read', async () => {
    const source = await start([])
    expect(source.health()).toEqual({ ready: true, detail: 'no device is bound' })
    const at = next()
    station.set('North', 'ph', 7, { at })
    station.set('South', 'ph', 8, { at })
    devices.set('north', bound('north', { ph: 'ns=1;s=North.ph' }))
    source.deviceChanged()
    await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 7 } }))
    devices.set('north', bound('north', { ph: 'ns=1;s=South.ph' }))
    source.deviceChanged()
    await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 8 } }))
    devices.delete('north')
    source.deviceChanged()
    await soon(() => expect(source.health().detail).toBe('no device is bound'))
  })

  test('a disk that refuses for a while loses nothing', async () => {
    const at = next()
    station.set('North', 'ph', 7, { at })
    await ready(await start([bound('north', { ph: 'ns=1;s=North.ph' })]))
    await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 7 } }))
    isDiskFull = true
    const later = next()
    station.set('North', 'ph', 7.5, { at: later })
    await soon(() => expect(refused).toBeGreaterThan(1))
    isDiskFull = false
    await soon(() => expect(last('north')).toEqual({ ts: later, metrics: { ph: 7.5 } }))
  })
})

describe('secured endpoints', () => {
  const secure = { securityMode: 'SignAndEncrypt', username: USER.name, password: USER.password }

  test('nobody is trusted before a person says so; then user and password open the door', async () => {
    const at = next()
    station.set('North', 'ph', 7, { at })
    const pki = join(folder, 'pki')
    rmSync(pki, { recursive: true, force: true })
    const source = await start([bound('north', { ph: 'ns=1;s=North.ph' }, secure)])
    await soon(() => expect(source.health().detail).toMatch(/not trusted.*rejected.*trusted/))
    expect(readings.size).toBe(0)
    // As its message says.
    const rejected = join(pki, 'rejected')
    await soon(() => expect(readdirSync(rejected)).toHaveLength(1))
    // A person is not so quick that the file is still being written and listed.
    await sleep(1500)
    const [file] = readdirSync(rejected)
    renameSync(join(rejected, file!), join(pki, 'trusted', 'certs', file!))
    await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 7 } }), 25_000)
    expect(source.health().detail).toContain('connected as gridwhistle')
    expect(existsSync(join(pki, 'own', 'certs', 'gridwhistle.pem'))).toBe(true)
  })

  test('a wrong password is said', async () => {
    const wrong = { ...secure, password: 'wrong' }
    const source = await start([bound('north', { ph: 'ns=1;s=North.ph' }, wrong)])
    await soon(() => expect(source.health().detail).toMatch(/BadUserAccessDenied|BadIdentityToken/))
    expect(source.health().detail).not.toContain('wrong')
  })

  test('a policy that the server does not have is said', async () => {
    const other = { ...secure, securityPolicy: 'Aes256_Sha256_RsaPss' }
    const source = await start([bound('north', { ph: 'ns=1;s=North.ph' }, other)])
    await soon(() => expect(source.health().detail).toMatch(/no endpoint with SignAndEncrypt and Aes256/))
  })
})

test(
  `values come again within 15 s of a server's restart, ${RESTARTS} times, and the gap is marked`,
  async () => {
    let at = next()
    station.set('North', 'ph', 7, { at })
    await ready(await start([bound('north', { ph: 'ns=1;s=North.ph' })]))
    await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 7 } }))
    for (let restart = 0; restart < RESTARTS; restart++) {
      await station.stop()
      await soon(() => expect(last('north')).toMatchObject({ metrics: { ph: 7 }, flags: { ph: 'B' } }))
      await station.start()
      at = next()
      station.set('North', 'ph', 7, { at })
      await soon(() => expect(last('north')).toEqual({ ts: at, metrics: { ph: 7 } }))
    }
  },
  RESTARTS * 20_000,
)

test('values come again within 15 s after the server is killed', async () => {
  const port = await freePort()
  const args = [simulator, '--port', String(port), '--station', 'Killed', '--folder', join(folder, 'killed')]
  const launch = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    return child
  }
  let server = await launch()
  try {
    const endpoint = `opc.tcp://127.0.0.1:${port}`
    await ready(await start([bound('killed', { ph: 'ns=1;s=Killed.ph' }, { endpoint })]))
    const isHeard = () => soon(() => expect(last('killed')?.flags).toBeUndefined())
    await soon(() => expect(last('killed')).toBeDefined())
    await isHeard()
    for (let kill = 0; kill < 2; kill++) {
      server.kill('SIGKILL')
      await soon(() => expect(last('killed')).toMatchObject({ flags: { ph: 'B' } }))
      server = await launch()
      await isHeard()
    }
  } finally {
    server.kill('SIGKILL')
  }
}, 120_000)
