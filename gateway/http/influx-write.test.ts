import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { InfluxDB as InfluxDB2 } from '@influxdata/influxdb-client'
import { InfluxDB as InfluxDB1 } from 'influx'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Refusal } from '../model/reading.ts'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

const run = promisify(execFile)
const NOON = Date.parse('2024-06-01T12:00:00+08:00')

let site: Site
let own: string
let forwarder: string
beforeAll(async () => {
  site = await new Site().start()
  own = await site.device(fume('fume-1'))
  await site.device(fume('fume-2'))
  await site.device(fume('stranger'))
  const protocols = { http: { forwards: ['fume-1', 'fume-2', 'not-there'] } }
  forwarder = await site.device(fume('edge-7', 'wenfeng', { protocols }))
})
afterAll(() => site.stop())

async function write(
  body: string | Uint8Array,
  options: { path?: string; headers?: Record<string, string>; token?: string | null } = {},
) {
  const { path = '/api/v2/write?precision=ms', headers = {}, token = own } = options
  const authorization = token === null ? {} : { authorization: `Token ${token}` }
  const response = await fetch(site.origin + path, {
    method: 'POST',
    body: Buffer.from(body),
    headers: { ...authorization, ...headers },
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) }
}

let clock = NOON
/** A time that no other test writes at. */
const next = () => (clock += 1000)

async function stored(device: string, ts: number): Promise<unknown> {
  await vi.waitFor(() => expect(site.journal.ledger().pending).toBe(0), 10_000)
  const path = `/api/v1/readings?device=${device}&metric=fume&from=${ts}&to=${ts + 1}`
  const { body } = await site.call('GET', path, { token: ADMIN_TOKEN })
  return (body as { points: [number, unknown][] }).points[0]?.[1]
}

async function newest(): Promise<Omit<Refusal, 'raw'> & { raw: string }> {
  const { body } = await site.call('GET', '/api/v1/quarantine?limit=1', { token: ADMIN_TOKEN })
  return (body as { items: [Omit<Refusal, 'raw'> & { raw: string }] }).items[0]
}

describe('204 means durable', () => {
  test.each(['/write?db=x&precision=ms', '/api/v2/write?org=o&bucket=b&precision=ms'])('%s', async (path) => {
    const ts = next()
    const before = site.journal.ledger()
    const lines = `cooking_fume,device=fume-1,host=a fume=2.5,fan=true,fume_flag="M" ${ts}\ncooking_fume fume=1 ${ts + 500}`
    expect(await write(lines, { path })).toMatchObject({ status: 204, body: null })
    expect(site.journal.ledger().accepted - before.accepted).toBe(2)
    expect(await stored('fume-1', ts)).toBe(2.5)
    const { body: device } = await site.call('GET', '/api/v1/devices/fume-1', { token: ADMIN_TOKEN })
    expect(device).toMatchObject({ last: { ts: ts + 500, metrics: { fume: 1 } } })
    // Sent again, as after an answer that was lost.
    expect((await write(lines, { path })).status).toBe(204)
    expect(site.journal.ledger().duplicates - before.duplicates).toBe(2)
  })

  test('when the disk cannot take it, the answer is 503 and nothing is acknowledged', async () => {
    const other = await new Site().start()
    try {
      const token = await other.device(fume('fume-1'))
      await other.journal.stop()
      const headers = { authorization: `Token ${token}` }
      for (const body of ['cooking_fume fume=1', 'nonsense']) {
        const answer = await fetch(`${other.origin}/write`, { method: 'POST', body, headers })
        expect(answer.status).toBe(503)
        expect(answer.headers.get('retry-after')).toBe('1')
      }
    } finally {
      await other.stop()
    }
  })

  test.each([
    ['ns', '000000'],
    ['us', '000'],
    ['ms', ''],
  ])('precision %s', async (precision, zeros) => {
    const ts = next()
    await write(`cooking_fume fume=3 ${ts}${zeros}`, { path: `/write?precision=${precision}` })
    expect(await stored('fume-1', ts)).toBe(3)
  })
})

describe('what cannot be taken is in the quarantine, with a code, and the rest is taken', () => {
  test.each([
    ['bad_line', 'cooking_fume fume=', 'fume-1'],
    ['unknown_metric', 'cooking_fume fumes=1', 'fume-1'],
    ['bad_type', 'cooking_fume fume="2.35"', 'fume-1'],
    ['out_of_range', 'cooking_fume humidity=111', 'fume-1'],
    ['out_of_range', 'cooking_fume humidity=50 -1', 'fume-1'],
    ['wrong_kind', 'cpu,device=fume-1 usage=1', 'fume-1'],
    ['forbidden', 'cooking_fume,device=stranger fume=1', 'fume-1'],
  ])('%s: %s', async (code, line, device) => {
    const ts = next()
    const before = site.journal.ledger()
    const answer = await write(`${line}\ncooking_fume fume=7 ${ts}`)
    expect(answer.status).toBe(400)
    expect(answer.body.error).toMatch(new RegExp(`^partial write: ${code}: .* dropped=1$`))
    expect(answer.body).toMatchObject({ code: 'invalid', message: answer.body.error })
    expect(await newest()).toMatchObject({ code, device })
    const after = site.journal.ledger()
    expect(after.accepted - before.accepted).toBe(1)
    expect(after.quarantined - before.quarantined).toBe(1)
    expect(await stored('fume-1', ts)).toBe(7)
  })

  test('an unknown device of a gateway can be registered and tried again', async () => {
    const ts = next()
    await write(`cooking_fume,device=not-there fume=9 ${ts}`, { token: forwarder })
    const refused = await newest()
    expect(refused).toMatchObject({ code: 'unknown_device', device: 'not-there' })
    await site.device(fume('not-there'))
    const { id } = refused as unknown as { id: number }
    await site.call('POST', `/api/v1/quarantine/${id}/retry`, { token: ADMIN_TOKEN })
    expect(await stored('not-there', ts)).toBe(9)
  })

  test("an admin's lines need a device", async () => {
    expect((await write('cooking_fume fume=1', { token: ADMIN_TOKEN })).status).toBe(400)
    expect(await newest()).toMatchObject({ code: 'unknown_device', device: null })
  })

  test("a gateway's token writes for the devices that it forwards", async () => {
    const ts = next()
    const lines = ['fume-1', 'fume-2'].map((id) => `cooking_fume,device=${id} fume=4 ${ts}`).join('\n')
    expect((await write(lines, { token: forwarder })).status).toBe(204)
    expect(await stored('fume-2', ts)).toBe(4)
  })
})

describe('credentials as agents send them', () => {
  const line = 'cooking_fume fume=1 1'
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })

  test.each<[string, () => { path?: string; headers?: Record<string, string> }]>([
    ['Token name:secret', () => ({ headers: { authorization: `Token fume-1:${own}` } })],
    ['Bearer', () => ({ headers: { authorization: `Bearer ${own}` } })],
    ['Basic', () => ({ headers: basic(`fume-1:${own}`) })],
    ['u and p', () => ({ path: `/write?u=fume-1&p=${own}` })],
  ])('%s', async (_name, options) => {
    expect((await write(line, { token: null, ...options() })).status).toBe(204)
  })

  test.each<[string, { path?: string; headers?: Record<string, string> }]>([
    ['none', {}],
    ['a wrong token', { headers: { authorization: 'Token nonsense' } }],
    ['another scheme', { headers: { authorization: 'Digest x' } }],
    ['a wrong Basic password', { headers: basic('fume-1:nonsense') }],
    ['a Basic name without password', { headers: basic('fume-1') }],
    ['half of u and p', { path: '/write?u=fume-1' }],
    ['u and p twice', { path: '/write?u=fume-1&u=fume-1&p=x' }],
  ])('%s: 401', async (_name, options) => {
    expect(await write(line, { token: null, ...options })).toMatchObject({
      status: 401,
      body: { code: 'unauthorized' },
    })
  })

  test('they open no other route', async () => {
    const path = `/api/v1/readings?u=fume-1&p=${own}`
    const answers = [
      await site.call('POST', path, { body: [] }),
      await site.call('POST', '/api/v1/readings', { body: [], headers: { authorization: `Token ${own}` } }),
    ]
    expect(answers.map((answer) => answer.status)).toEqual([401, 401])
  })
})

test('of many senders at once, in pieces, plain and packed, is stored what each has sent', async () => {
  const from = site.journal.head()
  const sent: string[] = []
  let value = 0
  const bodies = Array.from({ length: 40 }, (_, sender) => {
    const count = 20 + ((sender * 397) % 1500)
    const lines = Array.from({ length: count }, (_, i) => {
      // Of some senders line by line, of others one device after the other.
      const isFirst = sender % 2 === 0 ? i % 7 < 4 : i < count / 2
      const [device, ts, fume] = [isFirst ? 'fume-1' : 'fume-2', next(), value++ / 1000]
      sent.push(JSON.stringify([device, ts, fume]))
      return `cooking_fume,device=${device} fume=${fume},fan=${i % 3 === 0} ${ts}\n`
    })
    return Buffer.from(lines.join(''))
  })
  const statuses = await Promise.all(
    bodies.map((body, sender) => writeInPieces(body, 1 + (sender % 5), sender % 3 === 0)),
  )
  expect(statuses.every((status) => status === 204)).toBe(true)
  const found: string[] = []
  for (let at = from; at < site.journal.head();) {
    const { deliveries, next } = site.journal.read(at, 10_000)
    for (const { origin, readings } of deliveries)
      for (const { ts, metrics } of readings) found.push(JSON.stringify([origin.device, ts, metrics['fume']]))
    at = next
  }
  expect(found.toSorted()).toEqual(sent.toSorted())
})

function writeInPieces(body: Buffer, count: number, isPacked: boolean): Promise<number> {
  const bytes = isPacked ? gzipSync(body) : body
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Token ${ADMIN_TOKEN}`, ...(isPacked && { 'content-encoding': 'gzip' }) }
    const post = request(`${site.origin}/api/v2/write?precision=ms`, { method: 'POST', headers }, (answer) =>
      answer.resume().once('end', () => resolve(answer.statusCode!)),
    )
    post.once('error', reject)
    void (async () => {
      for (let piece = 0; piece < count; piece++) {
        post.write(bytes.subarray((piece * bytes.length) / count, ((piece + 1) * bytes.length) / count))
        await sleep(5)
      }
      post.end()
    })()
  })
}

describe('bounds', () => {
  test('gzip is unpacked, and no further than a body may be long', async () => {
    const ts = next()
    const headers = { 'content-encoding': 'gzip' }
    expect((await write(gzipSync(`cooking_fume fume=5 ${ts}`), { headers })).status).toBe(204)
    expect(await stored('fume-1', ts)).toBe(5)
    expect((await write(gzipSync(Buffer.alloc(100 << 20, '#')), { headers })).status).toBe(413)
    expect((await write('nonsense', { headers })).status).toBe(400)
    expect((await write('#', { headers: { 'content-encoding': 'br' } })).status).toBe(415)
  })

  test('a body, and its lines', async () => {
    expect((await write('#'.repeat(5 << 20))).status).toBe(413)
    expect((await write('#\n'.repeat(10_001))).body).toMatchObject({ code: 'request too large' })
    expect((await write('#\n'.repeat(10_000))).status).toBe(204)
    expect((await write('')).status).toBe(204)
    expect((await write('', { path: '/write?precision=fortnight' })).status).toBe(400)
  })
})

describe('clients of InfluxDB write unchanged', () => {
  test('influx for Node.js (version 1)', async () => {
    const ts = next()
    const { hostname: host, port } = new URL(site.origin)
    const client = new InfluxDB1({
      host,
      port: Number(port),
      database: 'x',
      username: 'fume-1',
      password: own,
    })
    expect((await client.ping(1000))[0]).toMatchObject({ online: true })
    await client.createDatabase('x')
    const point = {
      measurement: 'cooking_fume',
      tags: { device: 'fume-1' },
      fields: { fume: 1.25, fan: true },
    }
    await client.writePoints([{ ...point, timestamp: ts }], { precision: 'ms' })
    expect(await stored('fume-1', ts)).toBe(1.25)
    await expect(client.query('SELECT * FROM cooking_fume')).rejects.toThrow(/it takes POST/)
  })

  test('@influxdata/influxdb-client (version 2), gzip', async () => {
    const ts = next()
    const api = new InfluxDB2({ url: site.origin, token: own }).getWriteApi('o', 'b', 'ms', {
      gzipThreshold: 1,
    })
    api.writeRecord(`cooking_fume,device=fume-1 fume=1.5 ${ts}`)
    await api.close()
    expect(await stored('fume-1', ts)).toBe(1.5)
  })

  test('curl, which says that it sends a form', async () => {
    const ts = next()
    const line = `cooking_fume fume=1.75 ${ts}`
    const args = ['-sS', '-f', '-u', `fume-1:${own}`, '--data-binary', line]
    await run('curl', [...args, `${site.origin}/write?precision=ms`])
    expect(await stored('fume-1', ts)).toBe(1.75)
  })

  test.skipIf(!existsSync('/usr/bin/influx'))("InfluxDB's own command line", async () => {
    const ts = next()
    const { hostname, port } = new URL(site.origin)
    const login = ['-host', hostname, '-port', port, '-username', 'fume-1', '-password', own]
    const insert = `INSERT cooking_fume,device=fume-1 fume=1.875 ${ts}`
    await run('influx', [...login, '-database', 'x', '-precision', 'ms', '-execute', insert])
    expect(await stored('fume-1', ts)).toBe(1.875)
  })
})

test('a device that is faster than it may be waits; one that piles up requests is refused', async () => {
  const slow = await new Site({ messagesPerSecond: 5 }).start()
  try {
    const flood = async (path: string, body: string) => {
      const token = await slow.device(fume(path.replaceAll('/', '')))
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const send = () => fetch(slow.origin + path, { method: 'POST', body, headers })
      const answers = await Promise.all(Array.from({ length: 30 }, send))
      return new Set(answers.map((answer) => answer.status))
    }
    const line = 'cooking_fume fume=1'
    const statuses = await Promise.all([
      flood('/api/v1/readings', '[{"metrics":{"fume":1}}]'),
      flood('/api/v2/write', line),
      // 503, for the sake of Telegraf's output for InfluxDB 1, which drops what a 429 answers.
      flood('/write', line),
    ])
    expect(statuses).toEqual([new Set([202, 429]), new Set([204, 429]), new Set([204, 503])])
  } finally {
    await slow.stop()
  }
})
