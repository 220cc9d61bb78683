/** Recordings that are played as they are: recorded messages, MAVLink logs through a map, HJ 212 frames. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { mapFile } from './built-in.ts'
import { FakeGateway } from './gateway.fixture.ts'
import { annexA, frameOf, framesIn, writtenTime } from './hj212-frame.ts'
import { deviceLine, messageLine, moved } from './recording-messages.ts'
import { replay, type ReplayOptions } from './replay.ts'

let folder: string
let gateway: FakeGateway
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'replay-'))
  gateway = new FakeGateway()
  await gateway.start()
})
afterEach(async () => {
  await gateway.stop()
  rmSync(folder, { recursive: true, force: true })
})

function written(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function options(file: string, more: Partial<ReplayOptions> = {}): ReplayOptions {
  return {
    file,
    speed: Infinity,
    shift: 'none',
    devicePrefix: 'sim-',
    mqttUrl: gateway.mqttUrl,
    registry: { httpUrl: gateway.httpUrl, token: gateway.token },
    batch: 1,
    inFlight: 20,
    maxGap: 60_000,
    ...more,
  }
}

const NOON = Date.parse('2026-06-01T12:00:00+08:00')
const kitchen = {
  id: 'k-1',
  kind: 'cooking_fume',
  site: 'shop-1',
  street: 'wenfeng',
  grid: 'wenfeng-001',
  attributes: { fume_limit: 1 },
}

describe('a recording of messages', () => {
  const line = (at: number, payload: string | Buffer) =>
    messageLine({ device: 'k-1', topic: 'v1/k-1/readings', at }, Buffer.from(payload))
  const reading = (ts: number, fume: number) => JSON.stringify({ ts, metrics: { fume } })

  test('is played message by message, by devices that it names itself, marked as simulated', async () => {
    const file = written(
      'r.jsonl',
      deviceLine(kitchen, NOON) +
        line(NOON, reading(NOON - 5, 1)) +
        messageLine({ device: null, topic: 'alarms/wenfeng/k-1', at: NOON }, Buffer.from('{}')) +
        line(NOON + 1000, `[${reading(NOON + 995, 2)},${reading(NOON + 996, 3)}]`) +
        'what is this\n',
    )
    const result = await replay(options(file, { shift: NOON + 86_400_000 }))
    expect(result).toMatchObject({
      format: 'messages',
      rows: 4,
      sent: 2,
      acknowledged: 2,
      skipped: { not_from_a_device: 1, damaged: 1 },
      complete: true,
    })
    const day = 86_400_000
    expect(gateway.readings.get('sim-k-1')).toEqual([
      { ts: NOON - 5 + day, metrics: { fume: 1 } },
      { ts: NOON + 995 + day, metrics: { fume: 2 } },
      { ts: NOON + 996 + day, metrics: { fume: 3 } },
    ])
    expect(gateway.registered.get('sim-k-1')).toMatchObject({
      kind: 'cooking_fume',
      attributes: { fume_limit: 1, simulated: true },
    })
  })

  test('whose devices nobody names needs a roster', async () => {
    const file = written('r.ndjson', line(NOON, reading(NOON, 1)))
    await expect(replay(options(file))).rejects.toThrow('does not say what k-1 is; name it in --map')
    const map = written('roster.yaml', stringify({ source: 'a test', devices: [kitchen] }))
    await expect(replay(options(file, { map }))).resolves.toMatchObject({ acknowledged: 1 })
  })

  test('bytes that are no UTF-8 come back as they were', () => {
    const payload = Buffer.from([0xff, 0x00, 0x80])
    const { encoding, payload: text } = JSON.parse(line(NOON, payload)) as Record<string, string>
    expect(Buffer.from(text!, encoding as BufferEncoding)).toEqual(payload)
  })

  test.each([
    ['no JSON', '{"ts":'],
    ['no object', '[1,null,"ts"]'],
    ['a time that is none', '{"ts":"noon"}'],
  ])('a message that is %s says when it is moved what it said', (_, text) => {
    expect(moved(Buffer.from(text), 1000).toString()).toBe(text)
  })
})

test('a table of JSON lines goes through a map, objects in objects as columns with a dot', async () => {
  const file = written(
    't.jsonl',
    '{"t":1790000000,"air":{"heat":25.5}}\n{"t":1790000060,"air":{"heat":26}}\n',
  )
  const map = written(
    'map.yaml',
    stringify({
      source: 'a test',
      time: { columns: ['t'], format: 'seconds' },
      devices: [{ ...kitchen, metrics: { temperature: { column: 'air.heat' } } }],
    }),
  )
  await expect(replay(options(file, { map }))).resolves.toMatchObject({ format: 'jsonl', rows: 2, sent: 2 })
  expect(gateway.readings.get('sim-k-1')).toEqual([
    { ts: 1790000000000, metrics: { temperature: 25.5 } },
    { ts: 1790000060000, metrics: { temperature: 26 } },
  ])
  const other = written('o.jsonl', '{"t":1790000000}\n')
  await expect(replay(options(other, { map }))).rejects.toThrow('no row has air.heat')
})

test('a MAVLink log: a reading for each position, over damaged bytes and unknown messages', async () => {
  const stamped = (ms: number, hex: string) => {
    const stamp = Buffer.alloc(8)
    stamp.writeBigUInt64BE(BigInt(ms) * 1000n)
    return Buffer.concat([stamp, Buffer.from(hex, 'hex')])
  }
  const position = 'fd1c000001010121000040e20100500a1513485c0948d8d6000050c300006400ceff000028238bf8'
  const file = written(
    'flight.tlog',
    Buffer.concat([
      stamped(NOON, 'fd09000000010100000000000000020c810403638c'),
      stamped(NOON + 100, position),
      Buffer.from('fd1c00000101'.repeat(9), 'hex'),
      stamped(NOON + 200, 'fe02000101fe0000aabb'),
      stamped(NOON + 300, position),
      stamped(NOON + 400, position.slice(0, 30)),
    ]),
  )
  const result = await replay(options(file, { map: mapFile('mavlink-drone') }))
  expect(result).toMatchObject({
    format: 'tlog',
    sent: 2,
    acknowledged: 2,
    skipped: { not_mapped: 2, damaged: 2 },
    complete: true,
  })
  expect(gateway.readings.get('sim-drone-1')).toEqual(
    [NOON + 100, NOON + 300].map((ts) => ({
      ts,
      metrics: { height: 50, speed: 1.118, heading: 90 },
      position: [120.8573, 32.0146, 55],
    })),
  )
})

describe('an HJ 212 log', () => {
  const MN = '320613000000000000000001'
  const frame = (ts: number, flag = 5) => {
    const time = writtenTime(ts)
    return frameOf(
      `QN=${time};ST=31;CN=2011;PW=123456;MN=${MN};Flag=${flag};CP=&&DataTime=${time.slice(0, 14)};a34041-Rtd=2.35,a34041-Flag=N&&`,
    ).trimEnd()
  }
  let server: Server
  let heard: string[]
  beforeEach(async () => {
    heard = []
    server = createServer((socket) => {
      let unread = ''
      socket.setEncoding('latin1').on('data', (chunk) => {
        const lines = (unread + chunk.toString()).split('\r\n')
        unread = lines.pop()!
        for (const line of lines) {
          heard.push(line)
          const [logged] = [...framesIn(line)]
          if (logged?.asksForAck === true)
            socket.write(frameOf(`${line.slice(6, 26)};ST=91;CN=9014;PW=123456;MN=${MN};Flag=4;CP=&&&&`))
        }
      })
      socket.on('error', () => {})
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(() => {
    server.close()
  })

  test('is played frame by frame, in order, its times moved and its checksums right', async () => {
    const file = written(
      'monitors.log',
      [
        `[12:00:00] recv ${frame(NOON)}`,
        'connection from 10.0.0.8',
        `[12:00:30] recv ${frame(NOON + 30_000, 4)}`,
        `[12:01:00] recv ${frame(NOON + 60_000).replace(MN, 'NOBODY')}`,
      ].join('\n'),
    )
    const map = written(
      'roster.yaml',
      stringify({ source: 'a test', devices: [{ ...kitchen, hj212: { mn: MN } }] }),
    )
    const hj212Url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
    const result = await replay(options(file, { map, hj212Url, shift: NOON + 3_600_000 }))
    expect(result).toMatchObject({
      format: 'hj212',
      rows: 3,
      sent: 2,
      acknowledged: 1,
      skipped: { not_mapped: 1 },
      complete: true,
    })
    await expect.poll(() => heard).toEqual([frame(NOON + 3_600_000), frame(NOON + 3_630_000, 4)])
    for (const line of heard)
      expect(annexA(Buffer.from(line.slice(6, -4)))).toBe(parseInt(line.slice(-4), 16))
    expect(gateway.registered.get('sim-k-1')).toMatchObject({
      attributes: { simulated: true },
      protocols: { hj212: { mn: MN } },
    })
  })
})
