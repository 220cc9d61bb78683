import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { Point } from '../../gateway/model/pipeline.ts'
import { upload, type Monitor } from './monitor.fixture.ts'
import { FUME, NOON, OVER, Rig, until } from './source.fixture.ts'
import type { Hj212Options } from './source.ts'

let rig: Rig
const rigged = async (options?: Partial<Hj212Options>): Promise<Rig> => (rig = await Rig.start(options))
afterEach(() => rig.end())

describe('commands', () => {
  async function connected(): Promise<Monitor> {
    await rigged({ fillGaps: false })
    const monitor = rig.monitor()
    monitor.send(OVER)
    await monitor.next()
    return monitor
  }
  const reply = (to: { qn: string | null }, cn: string, cp: string) =>
    upload({ mn: FUME, cn, flag: 4, qn: to.qn!, cp }).frame

  test('set_time: request, ready, done', async () => {
    const monitor = await connected()
    expect(rig.source.check('fume-1', 'set_time', {})).toBeNull()
    rig.source.send('c1', 'fume-1', 'set_time', {})
    const request = await monitor.next()
    expect(request).toMatchObject({ st: '31', cn: '1012', pw: '123456', mn: FUME, flag: 5 })
    expect(request.qn).toMatch(/^\d{17}$/)
    expect(request.cp).toEqual([['SystemTime', expect.stringMatching(/^20\d{12}$/)]])
    monitor.send(reply(request, '9011', 'QnRtn=1'))
    monitor.send(reply(request, '9012', 'ExeRtn=1'))
    await until(() => rig.results.length === 1)
    expect(rig.results).toEqual([['fume-1', 'c1', { ok: true }]])
  })

  test.each([
    ['set_realtime_interval', { seconds: 60 }, '1062', [['RtdInterval', '60']]],
    ['set_minute_interval', { minutes: 10 }, '1064', [['MinInterval', '10']]],
    ['get_time', {}, '1011', []],
    [
      'ask_history',
      { period: 'hour', from: NOON, to: NOON + 7_200_000 },
      '2061',
      [
        ['BeginTime', '20240601120000'],
        ['EndTime', '20240601140000'],
      ],
    ],
  ])('%s', async (command, args, cn, cp) => {
    const monitor = await connected()
    expect(rig.source.check('fume-1', command, args)).toBeNull()
    rig.source.send('c1', 'fume-1', command, args)
    expect(await monitor.next()).toMatchObject({ cn, cp })
  })

  test('without an answer the request is sent three times more, the same one, and then given up', async () => {
    const monitor = await connected()
    rig.source.send('c1', 'fume-1', 'get_time', {})
    const requests = [await monitor.next(), await monitor.next(), await monitor.next(), await monitor.next()]
    expect(new Set(requests.map(({ qn }) => qn)).size).toBe(1)
    await until(() => rig.results.length === 1)
    expect(rig.results[0]![2]).toEqual({ ok: false, error: 'no answer to 4 requests' })
    expect(monitor.heard).toHaveLength(5)
  })

  test.each([
    [[['9011', 'QnRtn=3']], 'refused: PW is wrong'],
    [
      [
        ['9011', 'QnRtn=1'],
        ['9012', 'ExeRtn=5'],
      ],
      'failed: the device is busy',
    ],
    [[['9011', 'QnRtn=1']], 'ready, but without a result'],
    [[['9011', '']], 'refused: no reason given'],
  ])('%j is told as "%s"', async (answers, error) => {
    const monitor = await connected()
    rig.source.send('c1', 'fume-1', 'set_time', {})
    const request = await monitor.next()
    for (const [cn, cp] of answers) monitor.send(reply(request, cn!, cp!))
    await until(() => rig.results.length === 1)
    expect(rig.results[0]![2]).toEqual({ ok: false, error })
  })

  test('a connection that is lost ends its commands', async () => {
    const monitor = await connected()
    rig.source.send('c1', 'fume-1', 'set_time', {})
    await monitor.next()
    monitor.end()
    await until(() => rig.results.length === 1)
    expect(rig.results[0]![2]).toEqual({ ok: false, error: 'the connection was closed' })
  })

  test('history that is asked for is taken like any upload', async () => {
    const monitor = await connected()
    rig.source.send('c1', 'fume-1', 'ask_history', { period: 'minute', from: NOON - 3_600_000, to: NOON })
    const request = await monitor.next()
    monitor.send(reply(request, '9011', 'QnRtn=1'))
    for (let i = 0; i < 3; i++) {
      const at = NOON - 3_600_000 + i * 600_000
      monitor.send(upload({ mn: FUME, cn: '2051', qn: request.qn!, at, cp: `a34041-Avg=${i + 0.5}` }).frame)
      expect(await monitor.next()).toMatchObject({ cn: '9014', qn: request.qn })
    }
    monitor.send(reply(request, '9012', 'ExeRtn=1'))
    await until(() => rig.results.length === 1)
    expect(rig.results[0]![2]).toEqual({ ok: true })
    expect(rig.readings.slice(1)).toHaveLength(3)
  })

  test('a device that asks for the time is told it', async () => {
    const monitor = await connected()
    const { frame, qn } = upload({ mn: FUME, cn: '1013' })
    monitor.send(frame)
    expect([await monitor.next(), await monitor.next()]).toMatchObject([{ cn: '9013', qn }, { cn: '1012' }])
  })

  test.each([
    ['say', { text: 'hello' }, 'bad_request', /command: not one of HJ 212; expected get_time, set_time/],
    ['set_realtime_interval', { seconds: 5 }, 'bad_request', /args\.seconds: must be >= 30/],
    ['set_realtime_interval', {}, 'bad_request', /args: must have required property 'seconds'/],
    ['set_minute_interval', { minutes: 7 }, 'bad_request', /args\.minutes/],
    ['ask_history', { period: 'hour', from: 2, to: 1 }, 'bad_request', /from must lie before to/],
    ['ask_history', { period: 'minute', from: 0, to: NOON }, 'bad_request', /at most 2 days/],
    ['set_time', { time: 1 }, 'bad_request', /args\.time: unknown key/],
  ])('%s %j is refused', async (command, args, code, detail) => {
    await connected()
    expect(rig.source.check('fume-1', command, args)).toEqual({
      code,
      detail: expect.stringMatching(detail) as unknown,
    })
  })

  test('a device that is not connected gets no command', async () => {
    await rigged()
    expect(rig.source.carries('fume-1')).toBe(true)
    expect(rig.source.carries('fume-2')).toBe(false)
    expect(rig.source.check('fume-1', 'set_time', {})).toMatchObject({ code: 'conflict' })
  })
})

describe('gaps', () => {
  const MINUTE = 60_000
  const windows = (from: number, to: number): Point[] => {
    const points: Point[] = []
    for (let at = from; at < to; at += 10 * MINUTE) points.push([at, 20])
    return points
  }

  test('a device that is back after an outage is asked for what is missing, once', async () => {
    await rigged()
    const now = Date.now()
    rig.history = windows(now - 300 * MINUTE, now - 90 * MINUTE)
    const monitor = rig.monitor()
    for (let i = 0; i < 2; i++) {
      monitor.send(upload({ mn: FUME, at: now, cp: 'a34041-Rtd=1.2' }).frame)
      await monitor.next()
    }
    const request = await monitor.next()
    expect(request).toMatchObject({ cn: '2051' })
    monitor.send(upload({ mn: FUME, cn: '9011', flag: 4, qn: request.qn!, cp: 'QnRtn=1' }).frame)
    monitor.send(upload({ mn: FUME, cn: '9012', flag: 4, qn: request.qn!, cp: 'ExeRtn=1' }).frame)
    const again = rig.monitor()
    again.send(upload({ mn: FUME, at: now + 1, cp: 'a34041-Rtd=1.2' }).frame)
    await again.next()
    await pause(50)
    expect(rig.queries).toHaveLength(1)
    expect(again.heard).toHaveLength(1)
  })

  test('what was not acknowledged may come first: the gap is looked for before what speaks of now', async () => {
    await rigged()
    const now = Date.now()
    rig.history = windows(now - 300 * MINUTE, now - 90 * MINUTE)
    const monitor = rig.monitor()
    for (const at of [now - 91 * MINUTE, now]) {
      monitor.send(upload({ mn: FUME, at, cp: 'a34041-Rtd=1.2' }).frame)
      await monitor.next()
    }
    expect(await monitor.next()).toMatchObject({ cn: '2051' })
  })

  test('a device that comes back again and again while it waits is asked once', async () => {
    await rigged({ settleMs: 100 })
    const now = Date.now()
    rig.history = windows(now - 300 * MINUTE, now - 90 * MINUTE)
    const monitors = []
    for (let i = 0; i < 4; i++) {
      const monitor = rig.monitor()
      monitor.send(upload({ mn: FUME, at: now + i, cp: 'a34041-Rtd=1.2' }).frame)
      await monitor.next()
      monitors.push(monitor)
    }
    expect(await monitors.at(-1)!.next()).toMatchObject({ cn: '2051' })
    await pause(200)
    // What is not answered is said again.
    const asked = monitors.flatMap(({ heard }) => heard.flatMap(({ cn, qn }) => (cn === '2051' ? qn : [])))
    expect(new Set(asked).size).toBe(1)
  })

  test('a device without a gap, or that is new, is left alone', async () => {
    await rigged()
    const now = Date.now()
    rig.register('fume-2', { mn: 'NEW' })
    rig.history = windows(now - 300 * MINUTE, now)
    const monitor = rig.monitor()
    monitor.send(upload({ mn: FUME, at: now, cp: 'a34041-Rtd=1.2' }).frame)
    await monitor.next()
    await until(() => rig.queries.length === 1)
    rig.history = []
    monitor.send(upload({ mn: 'NEW', at: now, cp: 'a34041-Rtd=1.2' }).frame)
    await monitor.next()
    await until(() => rig.queries.length === 3)
    await pause(30)
    expect(monitor.heard).toHaveLength(2)
  })
})
