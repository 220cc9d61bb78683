import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { frame } from '../../adapters/hj212/codec.ts'
import { Monitor, upload } from '../../adapters/hj212/monitor.fixture.ts'
import { writtenTime } from '../../adapters/hj212/time.ts'
import { gridwhistle } from '../command.ts'
import { ledgerOf, pointsOf, register } from '../device.ts'
import { ADMIN_TOKEN, eventually, GatewayProcess } from '../gateway-process.ts'

const FUME = '320613000000000000000001'
const MINUTE = 60_000
const NOON = Date.UTC(2024, 5, 1, 4)
const OVER =
  '##0219QN=20240601120000123;ST=31;CN=2011;PW=123456;MN=320613000000000000000001;Flag=5;CP=&&DataTime=20240601120000;a34041-Rtd=2.35,a34041-Flag=N;a34013-Rtd=6.10,a34013-Flag=N;a24088-Rtd=8.412,a24088-Flag=N;SB1-RS=1;SB2-RS=0&&5A00'
const CLASS_IV =
  '##0377QN=20240601090000001;ST=21;CN=2061;PW=123456;MN=320613000000000000000101;Flag=5;CP=&&DataTime=20240601080000;w01010-Avg=23.1,w01010-Flag=N;w01001-Avg=7.64,w01001-Flag=N;w01009-Avg=4.60,w01009-Flag=N;w01014-Avg=612,w01014-Flag=N;w01003-Avg=17,w01003-Flag=N;w01019-Avg=6.4,w01019-Flag=N;w21003-Avg=1.16,w21003-Flag=N;w21011-Avg=0.242,w21011-Flag=N;w21001-Avg=3.04,w21001-Flag=N&&2800'

const gateway = new GatewayProcess({ GW_HJ212_PORT: '0' })
beforeAll(() => gateway.start())
afterAll(() => gateway.dispose())

async function monitored(work: (monitor: Monitor) => Promise<void>): Promise<void> {
  const monitor = new Monitor(gateway.ports.hj212!)
  try {
    await work(monitor)
  } finally {
    monitor.end()
  }
}

const bound = (id: string, mn: string, more: object = {}, kind = 'cooking_fume') =>
  register(gateway, { id, kind, protocols: { hj212: { mn, ...more } } })

const points = (device: string, metric: string, count: number) =>
  eventually(`${count} points of ${device} ${metric}`, async () => {
    const found = await pointsOf(gateway, device, metric)
    return found.length >= count ? found : undefined
  })

test('a frame that is acknowledged is stored, a frame that comes again is stored once, a damaged one is not answered', async () => {
  await bound('fume-1', FUME, { profile: 'standard', crc: 'annex-a' })
  const before = await ledgerOf(gateway)
  await monitored(async (monitor) => {
    monitor.send(OVER.replace('2.35', '9.35'))
    for (let i = 0; i < 3; i++) {
      monitor.send(OVER)
      expect(await monitor.next()).toMatchObject({ cn: '9014', qn: '20240601120000123', st: '91', flag: 4 })
    }
    expect(monitor.heard).toHaveLength(3)
  })
  expect(await points('fume-1', 'fume', 1)).toEqual([[NOON, 2.35]])
  expect(await points('fume-1', 'purifier', 1)).toEqual([[NOON, false]])
  const after = await ledgerOf(gateway)
  expect([after.accepted - before.accepted, after.duplicates - before.duplicates]).toEqual([1, 2])
})

test('hourly means of a river station are its readings, and are judged', async () => {
  const mn = '320613000000000000000101'
  const protocols = { hj212: { mn, profile: 'water' } }
  await register(gateway, { id: 'river-1', kind: 'river_station', attributes: { target: 'III' }, protocols })
  // The next hour is no better, so it has lasted.
  const later = CLASS_IV.slice(6, -4)
    .replace('QN=2024060109', 'QN=2024060110')
    .replace('DataTime=2024060108', 'DataTime=2024060109')
  await monitored(async (monitor) => {
    for (const sent of [CLASS_IV, frame(Buffer.from(later), 'annex-a').toString('latin1').trimEnd()]) {
      monitor.send(sent)
      expect(await monitor.next()).toMatchObject({ cn: '9014' })
    }
  })
  expect((await points('river-1', 'nh3n', 2))[0]).toEqual([Date.UTC(2024, 5, 1), 1.16])
  const alarm = await eventually('the alarm', async () => {
    const { items } = await gateway.api<{ items: { rule: string }[] }>('GET', '/api/v1/alarms?device=river-1')
    return items.find(({ rule }) => rule === 'river-worse-than-target')
  })
  expect(alarm).toMatchObject({
    severity: 'yellow',
    startedAt: Date.UTC(2024, 5, 1, 0, 5),
  })
})

test('a mean of the hour that has just ended is news and no backlog: a station that reports hours has its cases', async () => {
  const mn = '320613000000000000000102'
  const protocols = { hj212: { mn, profile: 'water' } }
  await register(gateway, { id: 'river-2', kind: 'river_station', attributes: { target: 'III' }, protocols })
  const hour = Math.floor(Date.now() / (60 * MINUTE)) * 60 * MINUTE - 60 * MINUTE
  await monitored(async (monitor) => {
    for (const at of [hour - 60 * MINUTE, hour]) {
      monitor.send(upload({ mn, cn: '2061', at, cp: 'w01009-Avg=1.2;w21003-Avg=5.1' }).frame)
      expect(await monitor.next()).toMatchObject({ cn: '9014' })
    }
  })
  const alarm = await eventually('the alarm with its case', async () => {
    const { items } = await gateway.api<{ items: { rule: string; case: string | null }[] }>(
      'GET',
      '/api/v1/alarms?device=river-2',
    )
    return items.find(({ rule, case: its }) => rule === 'river-worse-than-target' && its !== null)
  })
  expect(alarm).not.toHaveProperty('stale')
  expect((await points('river-2', 'nh3n', 2)).map(([ts]) => ts)).toEqual([hour - 60 * MINUTE, hour])
})

test('values under maintenance raise no alarm, the same values unmarked do', async () => {
  await bound('fume-2', 'MAINTAINED')
  const now = Date.now()
  await monitored(async (monitor) => {
    for (const [from, flag] of [
      [now - 60 * 60_000, 'M'],
      [now - 20 * 60_000, 'N'],
    ] as const) {
      for (let i = 0; i < 40; i++) {
        const cp = `a34041-Rtd=9.99,a34041-Flag=${flag};SB1-RS=1`
        monitor.send(upload({ mn: 'MAINTAINED', at: from + i * 30_000, cp }).frame)
        await monitor.next()
      }
    }
  })
  const overLimit = async () => {
    const { items } = await gateway.api<{ items: { rule: string; startedAt: number }[] }>(
      'GET',
      '/api/v1/alarms?device=fume-2',
    )
    return items.filter(({ rule }) => rule === 'fume-over-limit')
  }
  const alarm = await eventually('the alarm of the unmarked values', async () => (await overLimit())[0])
  expect(alarm.startedAt).toBeGreaterThanOrEqual(Math.floor((now - 20 * 60_000) / 1000) * 1000)
  expect(await overLimit()).toHaveLength(1)
})

test('a mark without a value is stored with the values beside it', async () => {
  await bound('fume-9', 'MARKED')
  const before = await ledgerOf(gateway)
  await monitored(async (monitor) => {
    const cp = 'a34041-Rtd=,a34041-Flag=D;a24088-Rtd=1.5,a24088-Flag=N'
    monitor.send(upload({ mn: 'MARKED', at: NOON, cp }).frame)
    await monitor.next()
  })
  expect(await points('fume-9', 'nmhc', 1)).toEqual([[NOON, 1.5]])
  const after = await ledgerOf(gateway)
  expect([after.accepted - before.accepted, after.quarantined - before.quarantined]).toEqual([1, 0])
})

test('a sender that nobody knows is listed with what to register it as; registered, what it sent can be retried', async () => {
  await monitored(async (monitor) => {
    const { frame, qn } = upload({ mn: 'A110000_0001', at: NOON, cp: 'a34041-Rtd=1.25;SB1-RS=1' })
    monitor.send(frame)
    expect(await monitor.next()).toMatchObject({ cn: '9014', qn })
    const { items } = await gateway.api<{ items: { mn: string }[] }>('GET', '/api/v1/hj212/unknown')
    const stranger = items.find(({ mn }) => mn === 'A110000_0001')
    expect(stranger).toMatchObject({
      trouble: 'unknown_mn',
      frames: 1,
      factors: ['a34041', 'SB1'],
      suggestion: { kind: 'cooking_fume', profile: 'standard', crc: 'annex-a' },
    })
    const place = ['--site', 's', '--street', 'wenfeng', '--grid', 'wenfeng-001']
    const target = { env: { ...process.env, GW_ADMIN_TOKEN: ADMIN_TOKEN } }
    const url = ['--url', `http://127.0.0.1:${gateway.ports.http}`]
    const listed = await gridwhistle(['hj212', 'unknown', ...url], target)
    expect(listed.out).toMatch(/^A110000_0001 +unknown_mn +cooking_fume standard annex-a/)
    const added = ['hj212', 'register', 'A110000_0001', '--id', 'fume-3', ...place, ...url]
    expect(await gridwhistle(added, target)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^fume-3 gw_/) as unknown,
    })
    const quarantined = await gateway.api<{ items: { id: number; code: string }[] }>(
      'GET',
      '/api/v1/quarantine?device=A110000_0001',
    )
    expect(quarantined.items).toMatchObject([{ code: 'unknown_device' }])
    await gateway.api('POST', `/api/v1/quarantine/${quarantined.items[0]!.id}/retry`)
    expect(await points('fume-3', 'fume', 1)).toEqual([[NOON, 1.25]])
    const left = await gateway.api<{ items: { mn: string }[] }>('GET', '/api/v1/hj212/unknown')
    expect(left.items.map(({ mn }) => mn)).not.toContain('A110000_0001')
  })
})

test('a command goes out over the connection of its device', async () => {
  await bound('fume-4', 'COMMANDED')
  const path = '/api/v1/devices/fume-4/commands'
  const away = await gateway.request('POST', path, { command: 'set_time' })
  expect([away.status, ((await away.json()) as { code: string }).code]).toEqual([409, 'conflict'])
  await monitored(async (monitor) => {
    monitor.send(upload({ mn: 'COMMANDED', at: NOON, cp: 'a34041-Rtd=1' }).frame)
    await monitor.next()
    const { presence } = await gateway.api<{ presence: { online: boolean } }>('GET', '/api/v1/devices/fume-4')
    expect(presence.online).toBe(true)
    expect((await gateway.request('POST', path, { command: 'set_realtime_interval', args: {} })).status).toBe(
      400,
    )
    const sent = await gateway.request('POST', path, {
      command: 'set_realtime_interval',
      args: { seconds: 60 },
    })
    expect(sent.status).toBe(202)
    expect(await monitor.next()).toMatchObject({ cn: '1062', mn: 'COMMANDED', cp: [['RtdInterval', '60']] })
  })
})

test(
  'after an outage the device is asked for what is missing, and what it has kept of it is stored',
  { timeout: 60_000 },
  async () => {
    const restarted = new GatewayProcess({ GW_HJ212_PORT: '0' })
    const send = async (monitor: Monitor, fields: Omit<Parameters<typeof upload>[0], 'mn'>) => {
      monitor.send(upload({ mn: 'AWAY', ...fields }).frame)
      expect(await monitor.next()).toMatchObject({ cn: '9014' })
    }
    const stored = (count: number) =>
      eventually(`${count} points`, async () => {
        const found = await pointsOf(restarted, 'away', 'fume')
        return found.length >= count ? found : undefined
      })
    try {
      await restarted.start()
      await register(restarted, { id: 'away', protocols: { hj212: { mn: 'AWAY' } } })
      const now = Math.floor(Date.now() / MINUTE) * MINUTE
      const before = new Monitor(restarted.ports.hj212!)
      for (let at = now - 60 * MINUTE; at < now - 30 * MINUTE; at += MINUTE)
        await send(before, { at, cp: 'a34041-Rtd=1.1' })
      await stored(30)
      await restarted.end('SIGTERM')
      await restarted.start()
      const back = new Monitor(restarted.ports.hj212!)
      // Its clock is right, so its first reading is older than the moment at which it comes in.
      await send(back, { at: now, cp: 'a34041-Rtd=1.2' })
      const { cn, qn, cp } = await back.next()
      const [from, to] = [now - 30 * MINUTE, now].map((at) => writtenTime(at))
      expect([cn, Object.fromEntries(cp)]).toEqual(['2051', { BeginTime: from, EndTime: to }])
      back.send(upload({ mn: 'AWAY', cn: '9011', flag: 4, qn: qn!, cp: 'QnRtn=1' }).frame)
      for (let at = now - 30 * MINUTE; at < now; at += 10 * MINUTE)
        await send(back, { cn: '2051', at, cp: 'a34041-Avg=1.3' })
      back.send(upload({ mn: 'AWAY', cn: '9012', flag: 4, qn: qn!, cp: 'ExeRtn=1' }).frame)
      const filled = (await stored(34)).filter(([, value]) => value === 1.3)
      expect(filled.map(([at]) => at)).toEqual([30, 20, 10].map((minutes) => now - minutes * MINUTE))
      back.end()
      before.end()
    } finally {
      await restarted.dispose()
    }
  },
)

describe('registration', () => {
  test.each([
    [{}, /protocols\.hj212\.mn: missing/],
    [{ mn: 'x', crc: 'crc32' }, /protocols\.hj212\.crc: expected one of annex-a, modbus, modbus-swapped/],
    [{ mn: 'x', profile: 'no-such' }, /protocols\.hj212\.profile: not known; expected one of fume-a01/],
    [{ mn: 'x;MN=y' }, /protocols\.hj212\.mn: expected plain text/],
    [{ mn: 'x', colour: 1 }, /colour: unknown key/],
    ['x', /protocols\.hj212\.mn: missing; expected an object/],
  ])('%j is refused', async (hj212, detail) => {
    await expect(register(gateway, { id: 'fume-8', protocols: { hj212 } })).rejects.toThrow(detail)
  })

  test('a profile that knows no metric of the kind is refused', async () => {
    await expect(bound('level-1', 'x', { profile: 'water' }, 'water_level')).rejects.toThrow(
      /profile: water has no metric of water_level/,
    )
  })

  test('two devices cannot have one MN, at registration or later', async () => {
    await bound('fume-5', 'TAKEN')
    await expect(bound('fume-6', 'TAKEN')).rejects.toThrow(/409 .*is that of \\"fume-5\\" already/)
    await register(gateway, { id: 'fume-6' })
    const patch = (mn: string) =>
      gateway.request('PATCH', '/api/v1/devices/fume-6', { protocols: { hj212: { mn } } })
    expect((await patch('TAKEN')).status).toBe(409)
    expect((await patch('FREE')).status).toBe(200)
    await gateway.api('DELETE', '/api/v1/devices/fume-5')
    expect((await patch('TAKEN')).status).toBe(200)
  })

  test('a password is never shown again, and outlives a change of the device', async () => {
    await bound('fume-7', 'WITH-PW', { pw: 'geheim' })
    const shown = JSON.stringify(await gateway.api('GET', '/api/v1/devices?limit=1000'))
    expect(shown).toContain('WITH-PW')
    expect(shown).not.toContain('geheim')
    await gateway.api('PATCH', '/api/v1/devices/fume-7', { site: 'elsewhere' })
    await monitored(async (monitor) => {
      monitor.send(upload({ mn: 'WITH-PW', at: NOON, cp: 'a34041-Rtd=1' }).frame)
      const { frame, qn } = upload({ mn: 'WITH-PW', pw: 'geheim', at: NOON, cp: 'a34041-Rtd=2' })
      monitor.send(frame)
      expect(await monitor.next()).toMatchObject({ qn })
    })
  })
})

test(
  'whatever is killed: every reading acknowledged with 9014 is stored, and once',
  { timeout: 60_000 },
  async () => {
    const crashing = new GatewayProcess({ GW_HJ212_PORT: '0' })
    try {
      await crashing.start()
      const devices = ['k1', 'k2', 'k3', 'k4']
      for (const id of devices) await register(crashing, { id, protocols: { hj212: { mn: `MN-${id}` } } })
      const frames = new Map<string, { device: string; at: number; value: number; frame: Buffer }>()
      const acknowledged = new Set<string>()
      const start = Math.floor(Date.now() / 1000) * 1000 - 3_600_000
      for (let i = 0; i < 600; i++) {
        const device = devices[i % devices.length]!
        const at = start + i * 1000
        const { frame, qn } = upload({ mn: `MN-${device}`, at, cp: `a34041-Rtd=${i / 1000}` })
        frames.set(qn, { device, at, value: i / 1000, frame })
      }
      for (let kill = 0; kill <= 2; kill++) {
        const monitors = new Map(devices.map((id) => [id, new Monitor(crashing.ports.hj212!)]))
        const isLast = kill === 2
        const goal = isLast ? frames.size : ((kill + 1) * frames.size) / 4
        // What was not acknowledged is sent again, and a third of what was, as devices do that missed the answer.
        for (const [qn, { device, frame }] of frames) {
          if (!acknowledged.has(qn) || Number(qn) % 3 === 0) monitors.get(device)!.send(frame)
        }
        await eventually(`${goal} acknowledgements`, () => {
          for (const { heard } of monitors.values()) for (const { qn } of heard) acknowledged.add(qn!)
          return acknowledged.size >= goal ? true : undefined
        })
        if (!isLast) {
          await crashing.end('SIGKILL')
          for (const monitor of monitors.values()) {
            await monitor.closed()
            for (const { qn } of monitor.heard) acknowledged.add(qn!)
          }
          await crashing.start()
        }
        for (const monitor of monitors.values()) monitor.end()
      }
      for (const id of devices) {
        const sent = [...frames.values()].filter(({ device }) => device === id)
        const stored = await eventually(`all of ${id}`, async () => {
          const found = await pointsOf(crashing, id, 'fume')
          return found.length >= sent.length ? found : undefined
        })
        expect(stored).toEqual(sent.map(({ at, value }) => [at, value]))
      }
      const { received, accepted, duplicates, quarantined } = await ledgerOf(crashing)
      expect([accepted, quarantined]).toEqual([frames.size, 0])
      expect(received).toBe(accepted + duplicates)
    } finally {
      await crashing.dispose()
    }
  },
)
