import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { JournalUnavailable } from '../../gateway/model/pipeline.ts'
import { upload } from './monitor.fixture.ts'
import { FUME, NOON, OVER, Rig, until } from './source.fixture.ts'
import type { Hj212Options } from './source.ts'

let rig: Rig
const rigged = async (options?: Partial<Hj212Options>): Promise<Rig> => (rig = await Rig.start(options))
afterEach(() => rig.end())

const TEN_MINUTES =
  '##0172QN=20240601121000001;ST=31;CN=2051;PW=123456;MN=320613000000000000000001;Flag=5;CP=&&DataTime=20240601120000;a34041-Min=1.80,a34041-Avg=2.21,a34041-Max=2.90,a34041-Flag=N&&5D80'
/** What is kept of frames beside the readings. */
const keptOf = (...frames: (string | Uint8Array)[]) => ({
  form: { wire: 'hj212', checksum: 'annex-a', masked: ['PW', 'checksum'] },
  frames: frames.map((frame) => {
    const text = Buffer.from(frame).toString().trimEnd()
    return Buffer.from(text.replace('PW=123456', 'PW=******').replace(/....$/, '****'))
  }),
  leftOut: 0,
})
const OVER_READ = {
  device: 'fume-1',
  ts: NOON,
  metrics: { fume: 2.35, pm: 6.1, nmhc: 8.412, fan: true, purifier: false },
}

describe('acknowledging', () => {
  test('9014 goes out when the readings are durable, and not before', async () => {
    await rigged()
    const durable = Promise.withResolvers<void>()
    rig.accept = () => durable.promise
    const monitor = rig.monitor()
    monitor.send(OVER)
    await until(() => rig.messages.length === 1)
    expect(rig.readings).toEqual([OVER_READ])
    expect(rig.messages[0]!.wire).toEqual(keptOf(OVER))
    await pause(30)
    expect(monitor.heard).toEqual([])
    durable.resolve()
    expect(await monitor.next()).toMatchObject({
      qn: '20240601120000123',
      st: '91',
      cn: '9014',
      mn: FUME,
      flag: 4,
    })
  })

  test('what the disk cannot take is not acknowledged, and the connection closes so that the device sends it again', async () => {
    await rigged()
    rig.accept = () => Promise.reject(new JournalUnavailable('full'))
    const monitor = rig.monitor()
    monitor.send(OVER)
    await monitor.closed()
    expect(monitor.heard).toEqual([])
  })

  test.each([
    ['of 2005, without Flag', null],
    ['whose Flag wants none', 4],
  ])('a frame %s is taken and not answered', async (_, flag) => {
    await rigged()
    const monitor = rig.monitor()
    monitor.send(upload({ mn: FUME, at: NOON, flag, cp: 'a34041-Rtd=1.2' }).frame)
    const { frame, qn } = upload({ mn: FUME, at: NOON + 30_000, cp: 'a34041-Rtd=1.3' })
    monitor.send(frame)
    expect(await monitor.next()).toMatchObject({ qn, cn: '9014' })
    expect(rig.readings).toHaveLength(2)
  })

  test('the version of the sender comes back, without its other bits', async () => {
    await rigged()
    const monitor = rig.monitor()
    for (const [flag, answered] of [
      [1, 0],
      [5, 4],
      [9, 8],
      [7, 4],
    ] as const) {
      monitor.send(upload({ mn: FUME, at: NOON, flag, cp: 'a34041-Rtd=1.2' }).frame)
      expect(await monitor.next()).toMatchObject({ cn: '9014', flag: answered })
    }
  })

  test.each([
    ['9015', '9013', 'the heartbeat of 2025'],
    ['1099', '9013', 'a notice that nobody knows'],
    ['9021', '9013', 'the sign-in of some loggers'],
    ['2081', '9014', 'the start of the logger'],
    ['2041', '9014', 'run times'],
    ['3020', '9014', 'information of the device'],
  ])('CN %s is answered with %s: %s', async (cn, answer) => {
    await rigged()
    const monitor = rig.monitor()
    monitor.send(upload({ mn: FUME, cn, at: NOON }).frame)
    expect(await monitor.next()).toMatchObject({ cn: answer })
    expect(rig.messages).toEqual([])
  })

  test('data that is not understood is kept in the quarantine before it is acknowledged', async () => {
    await rigged()
    const monitor = rig.monitor()
    const { frame, qn } = upload({ mn: FUME, cn: '2071', at: NOON, cp: 'a34041-Ala=5' })
    monitor.send(frame)
    expect(await monitor.next()).toMatchObject({ qn, cn: '9014' })
    expect(rig.refusals).toMatchObject([{ device: 'fume-1', code: 'bad_reading' }])
    expect(Buffer.from(rig.refusals[0]!.raw)).toEqual(frame)
  })

  test('answers are not answered, and unknown commands never cost the connection', async () => {
    await rigged()
    const monitor = rig.monitor()
    for (const cn of ['9011', '9012', '9013', '9014', '0000', '7777', 'ABCD']) {
      monitor.send(upload({ mn: FUME, cn, cp: 'QnRtn=1' }).frame)
    }
    monitor.send(OVER)
    const seen = [await monitor.next(), await monitor.next(), await monitor.next(), await monitor.next()]
    expect(seen.map(({ cn }) => cn)).toEqual(['9013', '9013', '9013', '9014'])
    expect(monitor.isClosed).toBe(false)
  })
})

describe('readings', () => {
  test('a value under maintenance keeps its mark', async () => {
    await rigged()
    const monitor = rig.monitor()
    monitor.send(
      '##0140QN=20240601120030123;ST=31;CN=2011;PW=123456;MN=320613000000000000000001;Flag=4;CP=&&DataTime=20240601120030;a34041-Rtd=9.99,a34041-Flag=M&&3C00',
    )
    await until(() => rig.messages.length === 1)
    expect(rig.readings).toEqual([
      { device: 'fume-1', ts: NOON + 30_000, metrics: { fume: 9.99 }, flags: { fume: 'M' } },
    ])
  })

  test('a mean is acknowledged and is no reading where its instants have come, in the same breath too', async () => {
    await rigged()
    const monitor = rig.monitor()
    monitor.send(`${OVER}\r\n${TEN_MINUTES}`)
    expect([await monitor.next(), await monitor.next()]).toMatchObject([
      { qn: '20240601120000123', cn: '9014' },
      { qn: '20240601121000001', cn: '9014' },
    ])
    expect(rig.readings).toEqual([OVER_READ])
  })

  test('a mean that its instants speak for is acknowledged no sooner than they are durable', async () => {
    await rigged()
    const durable = Promise.withResolvers<void>()
    rig.accept = () => durable.promise
    const monitor = rig.monitor()
    monitor.send(`${OVER}\r\n${TEN_MINUTES}`)
    await until(() => rig.messages.length === 1)
    await pause(30)
    expect(monitor.heard).toEqual([])
    durable.reject(new JournalUnavailable('full'))
    await monitor.closed()
    expect(monitor.heard).toEqual([])
  })

  test('a mean is the reading of its period where nothing finer has come', async () => {
    await rigged()
    const monitor = rig.monitor()
    monitor.send(TEN_MINUTES)
    await monitor.next()
    expect(rig.readings).toEqual([{ device: 'fume-1', ts: NOON, metrics: { fume: 2.21 }, span: 60_000 }])
  })

  test('a mean is taken where its instants were no values', async () => {
    await rigged()
    const monitor = rig.monitor()
    monitor.send(upload({ mn: FUME, at: NOON, cp: 'a34041-Rtd=,a34041-Flag=D;SB1-RS=1' }).frame)
    monitor.send(TEN_MINUTES)
    await monitor.next()
    await monitor.next()
    expect(rig.readings).toEqual([
      { device: 'fume-1', ts: NOON, metrics: { fan: true }, flags: { fume: 'D' } },
      { device: 'fume-1', ts: NOON, metrics: { fume: 2.21 }, span: 60_000 },
    ])
  })

  test('the same mean again is handed over again, for the intake to recognise', async () => {
    await rigged()
    const monitor = rig.monitor()
    monitor.send(`${TEN_MINUTES}\r\n${TEN_MINUTES}`)
    await monitor.next()
    await monitor.next()
    expect(rig.readings).toHaveLength(2)
  })

  test('a code without a metric is told once, beside what is taken; alone it is always told', async () => {
    await rigged()
    const monitor = rig.monitor()
    for (const cp of ['a34041-Rtd=1;x1-Rtd=7', 'a34041-Rtd=1;x1-Rtd=8', 'x1-Rtd=9', 'a34041-Rtd=----']) {
      monitor.send(upload({ mn: FUME, at: NOON, cp }).frame)
      await monitor.next()
    }
    expect(rig.readings).toEqual([
      { device: 'fume-1', ts: NOON, metrics: { fume: 1 } },
      { device: 'fume-1', ts: NOON, metrics: { x1: 7 } },
      { device: 'fume-1', ts: NOON, metrics: { fume: 1 } },
      { device: 'fume-1', ts: NOON, metrics: { x1: 9 } },
      { device: 'fume-1', ts: NOON, metrics: { fume: '----' } },
    ])
  })

  test('packets of one message become one reading and are acknowledged one by one', async () => {
    await rigged()
    rig.register('river-1', { mn: '320613000000000000000101', profile: 'water' }, 'river_station')
    const monitor = rig.monitor()
    const first =
      '##0152QN=20240601090000534;ST=21;CN=2061;PW=123456;MN=320613000000000000000101;Flag=7;PNUM=2;PNO=1;CP=&&DataTime=20240601080000;w01001-Avg=7.5,w01001-Flag=N&&B981'
    const second =
      '##0152QN=20240601090000535;ST=21;CN=2061;PW=123456;MN=320613000000000000000101;Flag=7;PNUM=2;PNO=2;CP=&&DataTime=20240601080000;w01009-Avg=6.2,w01009-Flag=N&&CE81'
    monitor.send(first)
    await pause(20)
    expect(monitor.heard).toEqual([])
    monitor.send(second)
    expect([await monitor.next(), await monitor.next()]).toMatchObject([
      { qn: '20240601090000534', cn: '9014' },
      { qn: '20240601090000535', cn: '9014' },
    ])
    expect(rig.readings).toEqual([
      { device: 'river-1', ts: Date.UTC(2024, 5, 1), metrics: { ph: 7.5, do: 6.2 }, span: 3_600_000 },
    ])
    expect(rig.messages[0]!.wire).toEqual(keptOf(first, second))
  })

  test('means say for how long they stand: minute data from one to the next', async () => {
    await rigged()
    const monitor = rig.monitor()
    const MINUTE = 60_000
    const sent = [
      ['2011', NOON - 120 * MINUTE],
      ['2051', NOON],
      ['2051', NOON + 10 * MINUTE],
      ['2051', NOON + 100 * MINUTE],
      ['2061', NOON + 120 * MINUTE],
      ['2031', NOON + 12 * 60 * MINUTE],
    ] as const
    for (const [cn, at] of sent) {
      monitor.send(upload({ mn: FUME, cn, at, cp: `a34041-${cn === '2011' ? 'Rtd' : 'Avg'}=1.2` }).frame)
      await monitor.next()
    }
    expect(rig.readings.map((reading) => (reading as { span?: number }).span)).toEqual(
      [undefined, 1, 10, 10, 60, 1440].map((minutes) => minutes && minutes * MINUTE),
    )
  })

  test('a part whose sender waits for its acknowledgement gets it, without the others', async () => {
    await rigged()
    const monitor = rig.monitor()
    for (const [pno, cp] of ['a34041-Rtd=1.2', 'a24088-Rtd=3.4'].entries()) {
      const { frame, qn } = upload({ mn: FUME, flag: 7, at: NOON, pnum: 2, pno: pno + 1, cp })
      monitor.send(frame)
      expect(await monitor.next()).toMatchObject({ qn, cn: '9014' })
    }
    expect(rig.readings).toEqual([
      { device: 'fume-1', ts: NOON, metrics: { fume: 1.2 } },
      { device: 'fume-1', ts: NOON, metrics: { nmhc: 3.4 } },
    ])
  })

  test('the first of thousands of unfinished messages are taken as they are: what is held is bounded', async () => {
    await rigged()
    const monitors = Array.from({ length: 20 }, () => rig.monitor())
    for (const [m, monitor] of monitors.entries()) {
      for (let i = 0; i < 60; i++) {
        const at = NOON + (m * 60 + i) * 1000
        monitor.send(upload({ mn: FUME, flag: 7, at, pnum: 9, pno: 1, cp: 'a34041-Rtd=1.2' }).frame)
      }
    }
    await until(() => rig.messages.length >= 700)
    expect(rig.messages.length).toBeLessThanOrEqual(1200)
  })
})

describe('who is heard', () => {
  test('a wrong checksum is not answered, and what follows it is', async () => {
    await rigged()
    const monitor = rig.monitor()
    monitor.send(OVER.replace('2.35', '2.36'))
    monitor.send(OVER)
    expect(await monitor.next()).toMatchObject({ qn: '20240601120000123' })
    expect(monitor.heard).toHaveLength(1)
    expect(rig.source.health().detail).toContain('1 damaged frames')
  })

  test('a device may be allowed another checksum; it is answered with the same, and others are told of', async () => {
    await rigged()
    rig.register('fume-2', { mn: 'MODBUS-1', crc: 'modbus' })
    const monitor = rig.monitor('modbus')
    monitor.send(upload({ mn: FUME, at: NOON, crc: 'modbus', cp: 'a34041-Rtd=1.2' }).frame)
    const { frame, qn } = upload({ mn: 'MODBUS-1', at: NOON, crc: 'modbus', cp: 'a34041-Rtd=1.2' })
    monitor.send(frame)
    expect(await monitor.next()).toMatchObject({ qn, cn: '9014' })
    expect(rig.source.unknown()).toMatchObject([
      { mn: FUME, trouble: 'wrong_crc', suggestion: { crc: 'modbus' } },
    ])
    expect(rig.messages).toHaveLength(1)
  })

  test('a wrong password is neither taken nor answered, and told of', async () => {
    await rigged()
    rig.register('fume-2', { mn: 'WITH-PW', pw: 'secret' })
    const monitor = rig.monitor()
    monitor.send(upload({ mn: 'WITH-PW', at: NOON, cp: 'a34041-Rtd=1.2' }).frame)
    monitor.send(upload({ mn: 'WITH-PW', pw: 'secret', at: NOON, cp: 'a34041-Rtd=1.3' }).frame)
    await monitor.next()
    expect(rig.readings).toMatchObject([{ metrics: { fume: 1.3 } }])
    expect(rig.source.unknown()).toMatchObject([{ mn: 'WITH-PW', trouble: 'wrong_pw' }])
  })

  test('data of an unknown MN is quarantined, acknowledged and suggested for registration; once registered it is read again', async () => {
    await rigged()
    const monitor = rig.monitor()
    const cp = 'a34041-Rtd=1.2;a01001-Rtd=5;a01002-Rtd=6;a01018-Rtd=1;a01022-Rtd=0'
    const { frame, qn } = upload({ mn: 'fume-1', at: NOON, cp })
    monitor.send(frame)
    expect(await monitor.next()).toMatchObject({ qn, cn: '9014' })
    // Its MN is the id of a device that is registered: that makes it nobody.
    expect(rig.messages).toEqual([])
    expect(rig.refusals).toMatchObject([{ device: 'fume-1', code: 'unknown_device' }])
    expect(rig.source.unknown()).toMatchObject([
      { mn: 'fume-1', frames: 1, suggestion: { kind: 'cooking_fume', profile: 'fume-a01', crc: 'annex-a' } },
    ])
    expect(rig.source.reread(rig.refusals[0]!.raw)).toMatchObject({ code: 'unknown_device' })
    rig.register('fume-9', { mn: 'fume-1', profile: 'fume-a01' })
    expect(rig.source.unknown()).toEqual([])
    expect(rig.source.reread(rig.refusals[0]!.raw)).toEqual({
      device: 'fume-9',
      readings: [{ ts: NOON, metrics: { fume: 1.2, nmhc: 5, pm: 6, fan: true, purifier: false } }],
      wire: keptOf(frame),
    })
    expect(rig.source.reread(Buffer.from('{"ts":1}'))).toBeNull()
  })

  test('a device is there while its newest connection is', async () => {
    await rigged()
    const first = rig.monitor()
    first.send(OVER)
    await first.next()
    const second = rig.monitor()
    second.send(OVER)
    await second.next()
    first.end()
    await pause(20)
    expect(rig.presences.at(-1)).toEqual(['fume-1', true])
    second.end()
    await until(() => !rig.presences.at(-1)![1])
  })
})

describe('bounds', () => {
  test('connections that say nothing right, or nothing more, are closed; a heartbeat keeps one open', async () => {
    await rigged({ connectMs: 200, idleMs: 1000 })
    const silent = rig.monitor()
    const noisy = rig.monitor()
    noisy.send('hello')
    const alive = rig.monitor()
    alive.send(OVER)
    await Promise.all([silent.closed(), noisy.closed()])
    expect(alive.isClosed).toBe(false)
    for (let i = 0; i < 5; i++) {
      await pause(300)
      alive.send(upload({ mn: FUME, cn: '9015' }).frame)
    }
    expect(alive.isClosed).toBe(false)
    await alive.closed()
  })

  test('nothing but noise closes the connection', async () => {
    await rigged()
    const monitor = rig.monitor()
    const noise = Buffer.alloc(40_000, 'x')
    monitor.send(noise)
    monitor.send(noise)
    await monitor.closed()
  })

  test('when there are too many, those who have said nothing right make room, and others do not', async () => {
    await rigged({ maxConnections: 2 })
    rig.register('fume-2', { mn: 'DM000002' })
    const [known, silent] = [rig.monitor(), rig.monitor()]
    known.send(OVER)
    await known.next()
    const third = rig.monitor()
    await silent.closed()
    third.send(upload({ mn: 'DM000002', at: NOON, cp: 'a34041-Rtd=1.2' }).frame)
    await third.next()
    const fourth = rig.monitor()
    await fourth.closed()
    expect([known.isClosed, third.isClosed]).toEqual([false, false])
  })

  test('a crowd of unknown senders locks no device out', async () => {
    await rigged({ maxConnections: 2 })
    const crowd = [rig.monitor(), rig.monitor()]
    for (const [i, stranger] of crowd.entries()) {
      stranger.send(upload({ mn: `STRANGER-${i}`, at: NOON, cp: 'a34041-Rtd=1.2' }).frame)
      await stranger.next()
    }
    const device = rig.monitor()
    device.send(OVER)
    expect(await device.next()).toMatchObject({ cn: '9014' })
    await crowd[0]!.closed()
    expect(crowd[1]!.isClosed).toBe(false)
  })

  test('a sender over its rate waits and loses nothing', async () => {
    await rigged({ framesPerSecond: 100 })
    const monitor = rig.monitor()
    const began = performance.now()
    for (let i = 0; i < 250; i++) {
      monitor.send(upload({ mn: FUME, at: NOON + i * 1000, cp: 'a34041-Rtd=1.2' }).frame)
      // What one read brings is taken in whole.
      if (i % 50 === 49) await pause(10)
    }
    await until(() => monitor.heard.length === 250)
    expect(performance.now() - began).toBeGreaterThan(700)
    expect(rig.messages).toHaveLength(250)
  })

  test('a sender is not read further while too much of it waits for the disk', async () => {
    await rigged()
    const durable = Promise.withResolvers<void>()
    rig.accept = () => durable.promise
    const monitor = rig.monitor()
    // Each in a packet of its own: what one read brings is taken in whole.
    for (let i = 0; i < 200; i++) {
      monitor.send(
        upload({ mn: FUME, at: NOON + i * 1000, cp: `a34041-Rtd=1.2;x-Info=${'.'.repeat(3000)}` }).frame,
      )
    }
    await until(() => rig.messages.length >= 64)
    await pause(50)
    expect(rig.messages.length).toBeLessThan(120)
    durable.resolve()
    await until(() => monitor.heard.length === 200)
  })

  test('a stop answers what is on its way to the disk', async () => {
    await rigged()
    const durable = Promise.withResolvers<void>()
    rig.accept = () => durable.promise
    const monitor = rig.monitor()
    monitor.send(OVER)
    await until(() => rig.messages.length === 1)
    const stopped = rig.source.stop()
    durable.resolve()
    await stopped
    await monitor.closed()
    expect(monitor.heard).toMatchObject([{ cn: '9014' }])
  })
})
