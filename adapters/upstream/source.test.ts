import { connectAsync, type MqttClient } from 'mqtt'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { JournalUnavailable, type Message, type Outcome } from '../../gateway/model/pipeline.ts'
import type { Refusal } from '../../gateway/model/reading.ts'
import { Certificates } from '../../test/certificates.ts'
import { hasMosquitto, Mosquitto } from '../../test/services/mosquitto.ts'
import { TopicPattern } from './codec.ts'
import { Upstream, type UpstreamOptions } from './source.ts'

const TAKEN: Outcome = { accepted: 1, duplicates: 0, refused: [] }
const readings = TopicPattern.parse('v1/{device}/readings') as TopicPattern

/** An intake whose disk is what the test says it is. */
class Disk {
  readonly messages: { device: string; text: string }[] = []
  readonly refusals: Refusal[] = []
  /** What waits for the fsync. */
  waiting: { resolve: (outcome: Outcome) => void; reject: (error: Error) => void }[] = []
  state: 'good' | 'slow' | 'full' = 'good'

  accept({ device, payload }: Message): Promise<Outcome> {
    if (this.state === 'full') return Promise.reject(new JournalUnavailable('the disk is full'))
    this.messages.push({ device, text: Buffer.from(payload as Uint8Array).toString() })
    if (this.state === 'good') return Promise.resolve(TAKEN)
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  sync(): void {
    for (const { resolve } of this.waiting.splice(0)) resolve(TAKEN)
  }

  get texts(): string[] {
    return this.messages.map(({ text }) => text)
  }
}

describe.skipIf(!hasMosquitto)('a client of a real Mosquitto', () => {
  let broker: Mosquitto
  let publisher: MqttClient
  let number = 0
  const running: Upstream[] = []

  beforeAll(async () => {
    broker = await Mosquitto.launch({ lines: 'max_inflight_messages 0' })
  })
  afterAll(() => broker.dispose())
  beforeEach(async () => {
    publisher = await connectAsync(broker.url, { reconnectPeriod: 50 })
    number++
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((upstream) => upstream.stop()))
    await publisher.endAsync(true)
  })

  async function start(disk: Disk, more: Partial<UpstreamOptions> = {}): Promise<Upstream> {
    const upstream = new Upstream(
      {
        url: broker.url,
        // A session of its own for each test.
        clientId: `gateway-${number}`,
        version: 5,
        topics: [TopicPattern.parse(`t${number}/{device}/readings`) as TopicPattern],
        sessionExpiry: 60,
        ...more,
      },
      {
        intake: disk,
        refuse: async (refusal) => void disk.refusals.push(refusal),
        clock: { now: () => Date.now() },
        log: { info: () => {}, warn: () => {} },
      },
    )
    running.push(upstream)
    await upstream.start()
    return upstream
  }

  const connected = (upstream: Upstream) =>
    vi.waitFor(() => expect(upstream.health()).toMatchObject({ ready: true }), 10_000)
  const publish = (text: string, qos: 0 | 1 | 2 = 1, device = 'fume-1') =>
    publisher.publishAsync(`t${number}/${device}/readings`, text, { qos })
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i))

  describe.each([5, '3.1.1'] as const)('version %s', (version) => {
    test('what is published comes in under the device of its topic, at every QoS', async () => {
      const disk = new Disk()
      await connected(await start(disk, { version }))
      for (const qos of [0, 1, 2] as const) await publish(`q${qos}`, qos, `fume-${qos}`)
      await vi.waitFor(() =>
        expect(disk.messages).toEqual([
          { device: 'fume-0', text: 'q0' },
          { device: 'fume-1', text: 'q1' },
          { device: 'fume-2', text: 'q2' },
        ]),
      )
    })

    test('nothing is acknowledged before it is durable, and then it is, for good', async () => {
      const disk = new Disk()
      disk.state = 'slow'
      const first = await start(disk, { version })
      await connected(first)
      for (const text of numbers(5)) await publish(text)
      await vi.waitFor(() => expect(disk.waiting).toHaveLength(5))
      // The third fails: what was in front of it is acknowledged, it and all after it come again.
      const [a, b, c, d] = disk.waiting.splice(0)
      a!.resolve(TAKEN)
      d!.resolve(TAKEN)
      b!.resolve(TAKEN)
      await new Promise((resolve) => setImmediate(resolve))
      disk.state = 'good'
      c!.reject(new JournalUnavailable('the disk is full'))
      await vi.waitFor(() => expect(disk.texts).toEqual(['0', '1', '2', '3', '4', '2', '3', '4']), 10_000)
      await first.stop()
      await connected(await start(disk, { version }))
      await publish('last')
      await vi.waitFor(() => expect(disk.texts.at(-1)).toBe('last'))
      expect(disk.texts).toHaveLength(9)
    })

    test('what comes while the gateway is away is kept for it', async () => {
      const disk = new Disk()
      const first = await start(disk, { version })
      await connected(first)
      await first.stop()
      for (const text of numbers(50)) await publish(text)
      expect(disk.messages).toEqual([])
      await start(disk, { version })
      await vi.waitFor(() => expect(disk.texts).toEqual(numbers(50)), 10_000)
    })
  })

  test('many messages wait for one fsync, and no more than may', async () => {
    const disk = new Disk()
    disk.state = 'slow'
    await connected(await start(disk))
    await Promise.all(numbers(1500).map((text) => publish(text)))
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1000))
    await publish('more')
    expect(disk.waiting).toHaveLength(1000)
    disk.state = 'good'
    disk.sync()
    await vi.waitFor(() => expect(disk.texts).toEqual([...numbers(1500), 'more']), 10_000)
  })

  test('so it is with QoS 0, which is not read while too much waits', async () => {
    const disk = new Disk()
    disk.state = 'slow'
    const upstream = await start(disk)
    await connected(upstream)
    await Promise.all(numbers(1200).map((text) => publish(text, 0)))
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1000))
    disk.state = 'good'
    disk.sync()
    await vi.waitFor(() => expect(disk.texts).toEqual(numbers(1200)), 10_000)
  })

  test('a disk that refuses for a while loses nothing', async () => {
    const disk = new Disk()
    const upstream = await start(disk)
    await connected(upstream)
    disk.state = 'full'
    await publish('a')
    await vi.waitFor(() => expect(upstream.health()).toMatchObject({ ready: false, detail: /disk is full/ }))
    await publish('b')
    disk.state = 'good'
    await vi.waitFor(() => expect(disk.texts).toEqual(['a', 'b']), 10_000)
  })

  test('it comes back to a broker that was restarted', async () => {
    const disk = new Disk()
    const upstream = await start(disk)
    await connected(upstream)
    const lost = new Promise<void>((resolve) => publisher.once('close', () => resolve()))
    await broker.stop()
    await lost
    await vi.waitFor(() => expect(upstream.health().ready).toBe(false))
    await broker.start()
    await publish('again')
    await vi.waitFor(() => expect(disk.texts).toEqual(['again']), 10_000)
  })

  test('a group shares the messages: each comes to one of them', async () => {
    const disks = [new Disk(), new Disk()]
    for (const [i, disk] of disks.entries())
      await connected(await start(disk, { share: 'gateways', clientId: `shared-${i}` }))
    await Promise.all(numbers(100).map((text) => publish(text)))
    await vi.waitFor(() => expect(disks.flatMap((disk) => disk.texts)).toHaveLength(100))
    expect(new Set(disks.flatMap((disk) => disk.texts)).size).toBe(100)
    for (const disk of disks) expect(disk.messages.length).toBeGreaterThan(10)
  })

  test.each([5, '3.1.1'] as const)(
    'a retained reading is taken with its own time, and never with that of our connection (version %s)',
    async (version) => {
      const timed = '{"ts":1718000000123,"metrics":{"fume":1}}'
      for (const [device, text] of [
        ['fume-1', timed],
        ['fume-2', '[{"metrics":{"fume":2}}]'],
      ] as const)
        await publisher.publishAsync(`t${number}/${device}/readings`, text, { qos: 1, retain: true })
      const disk = new Disk()
      await connected(await start(disk, { version }))
      await vi.waitFor(() => expect(disk.refusals).toHaveLength(1))
      expect(disk.refusals[0]).toMatchObject({ device: 'fume-2', code: 'bad_reading' })
      // Published while we are there it is a message like any other.
      await publisher.publishAsync(`t${number}/fume-3/readings`, '{"metrics":{}}', { qos: 1, retain: true })
      await vi.waitFor(() => expect(disk.texts).toEqual([timed, '{"metrics":{}}']))
    },
  )

  test('version 5: retained messages do not come again at every connection', async () => {
    const disk = new Disk()
    await publisher.publishAsync(`t${number}/fume-1/readings`, '{"ts":1}', { qos: 1, retain: true })
    const first = await start(disk)
    await connected(first)
    await vi.waitFor(() => expect(disk.texts).toEqual(['{"ts":1}']))
    await first.stop()
    await connected(await start(disk))
    await publish('last')
    await vi.waitFor(() => expect(disk.texts).toEqual(['{"ts":1}', 'last']))
  })

  test('a topic that the session still has from before goes to the quarantine', async () => {
    const disk = new Disk()
    const old = await start(disk)
    await connected(old)
    await old.stop()
    await connected(await start(disk, { topics: [readings] }))
    await publish('old')
    await vi.waitFor(() => expect(disk.refusals).toHaveLength(1))
    expect(disk.refusals[0]).toMatchObject({ code: 'unknown_topic', device: null, rawSize: 3 })
  })

  test.each([
    ['a password that is wrong', { username: 'a', password: 'b' }, /not authori[sz]ed/i],
    ['a broker that is not there', { url: 'mqtt://127.0.0.1:1' }, /ECONNREFUSED/],
  ])('%s shows on the readiness page', async (_name, options, detail) => {
    const closed = await Mosquitto.launch({ lines: 'allow_anonymous false' })
    try {
      const upstream = await start(new Disk(), { url: closed.url, ...options })
      await vi.waitFor(() => expect(upstream.health().detail).toMatch(detail), 10_000)
      await upstream.stop()
    } finally {
      await closed.dispose()
    }
  })

  test('TLS: only a broker that the CA vouches for, and only with our certificate', async () => {
    const certificates = new Certificates()
    for (const ca of ['ca', 'other']) certificates.authority(ca)
    certificates.issue('server', '127.0.0.1', 'ca')
    certificates.issue('client', 'gateway', 'ca')
    const file = (name: string) => certificates.file(name)
    const tls = { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') }
    const secure = await Mosquitto.launch({ tls })
    try {
      const url = `mqtts://127.0.0.1:${secure.port}`
      const own = { cert: file('client.pem'), key: file('client.key') }
      const good = await start(new Disk(), { url, ca: file('ca.pem'), ...own })
      await connected(good)
      const wary = await start(new Disk(), { url, ca: file('other.pem'), clientId: 'wary', ...own })
      await vi.waitFor(() => expect(wary.health().detail).toMatch(/certificate/), 10_000)
      await expect(start(new Disk(), { url, ca: file('none.pem') })).rejects.toThrow(/none\.pem/)
    } finally {
      await Promise.all(running.splice(0).map((upstream) => upstream.stop()))
      await secure.dispose()
      certificates.dispose()
    }
  })
})
