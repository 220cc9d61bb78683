import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createHistorian } from '../../gateway/historian/historian.ts'
import { hasVictoriaMetrics, VictoriaMetrics } from '../services/victoria-metrics.ts'
import { delivery, originOf, settings, silent } from './stores.fixture.ts'

const T = 1_718_000_000_000
const fume = originOf('fume-1', 'cooking_fume')
const tags = { device: 'fume-1', site: 'fume-1-site', street: 'wenfeng', grid: 'wenfeng-001' }

describe.skipIf(!hasVictoriaMetrics)('/api/v2/write of VictoriaMetrics 1.79', () => {
  let victoria: VictoriaMetrics
  beforeAll(async () => {
    victoria = await VictoriaMetrics.launch()
  })
  afterAll(() => victoria.dispose())

  test.for([false, true])('what is written is read back once, gzip %s', async (gzip) => {
    const device = `fume-${gzip}`
    const store = createHistorian(
      settings({ type: 'influx2', url: victoria.url, token: 't', gzip, batch: 100 }),
      '',
      silent,
    )
    // It knows no buckets: the historian notes that and goes on.
    await store.start()
    const readings = Array.from({ length: 250 }, (_, index) => ({
      ts: T + index * 1000,
      metrics: { fume: index / 8 },
    }))
    const batch = [delivery({ ...fume, device }, readings)]
    expect(await store.write(batch)).toEqual([])
    const [series, ...others] = await victoria.export(`{__name__="cooking_fume_fume",device="${device}"}`)
    expect(others).toEqual([])
    expect(series!.metric).toMatchObject({ ...tags, device })
    expect(series!.timestamps).toEqual(readings.map(({ ts }) => ts))
    expect(series!.values).toEqual(readings.map(({ metrics }) => metrics.fume))
  })
})

/** What InfluxDB 2 and 3 answer, by their API descriptions: no Debian package of them exists to ask. */
describe('the answers of InfluxDB 2 and 3', () => {
  let server: Server
  let url: string
  let answer: (request: IncomingMessage, body: string) => [status: number, body?: unknown]
  const seen: string[] = []
  beforeEach(async () => {
    seen.length = 0
    server = createServer((request: IncomingMessage, response: ServerResponse) => {
      void text(request).then((body) => {
        seen.push(`${request.method} ${request.url}`)
        const [status, reply] = answer(request, body)
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(reply === undefined ? '' : JSON.stringify(reply))
        return undefined
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  const open = () =>
    createHistorian(
      settings({ type: 'influx2', url, org: 'district', bucket: 'b 1', token: 't0ken' }),
      '',
      silent,
    )
  const line = (ts: number, value: number | boolean) =>
    delivery(fume, [{ ts, metrics: { fume: value } }], ts - T)

  test('a missing bucket is created and the write repeated', async () => {
    let bucket: unknown
    answer = ({ method, url, headers }, body) => {
      expect(headers.authorization).toBe('Token t0ken')
      if (url!.startsWith('/api/v2/write')) {
        return bucket === undefined ? [404, { code: 'not found', message: 'bucket "b 1" not found' }] : [204]
      }
      if (url!.startsWith('/api/v2/orgs')) return [200, { orgs: [{ id: '07', name: 'district' }] }]
      if (method === 'POST' && url === '/api/v2/buckets') {
        bucket = JSON.parse(body)
        return [201, { id: '1', name: 'b 1', retentionRules: [] }]
      }
      return [500]
    }
    expect(await open().write([line(T, 1)])).toEqual([])
    expect(bucket).toEqual({ orgID: '07', name: 'b 1', retentionRules: [] })
    expect(seen.filter((request) => request.startsWith('POST /api/v2/write'))).toHaveLength(2)
  })

  test.for([
    [
      422,
      'failure writing points to database: partial write: field type conflict: input field "fume" on measurement "cooking_fume" is type boolean, already exists as type float dropped=1',
    ],
    [400, 'partial write of line protocol occurred'],
    [201, 'partial write of line protocol occurred'],
  ] as const)('with %s only the offending line is rejected', async ([status, message]) => {
    const stored = new Set<string>()
    answer = (_request, body) => {
      const lines = body.split('\n')
      for (const text of lines) if (!text.includes('fume=true')) stored.add(text)
      return lines.some((text) => text.includes('fume=true')) ? [status, { code: 'invalid', message }] : [204]
    }
    const rejects = await open().write(
      Array.from({ length: 20 }, (_, index) => line(T + index, index === 11 ? true : index)),
    )
    expect(rejects.map(({ delivery }) => delivery.seq)).toEqual([11])
    expect(rejects[0]!.reason).toContain(message.slice(0, 20))
    expect(stored.size).toBe(19)
  })

  test.for([401, 403, 404, 429, 500, 503])(
    '%s is an error that says what, never a reject',
    async (status) => {
      answer = () => [status, { code: 'x', message: 'what is wrong' }]
      await expect(open().write([line(T, 1)])).rejects.toThrow(`InfluxDB answered ${status}: `)
    },
  )

  test('a 400 that speaks of no data is an error: it would take out everything', async () => {
    answer = () => [400, { code: 'invalid', message: 'invalid precision' }]
    await expect(open().write([line(T, 1)])).rejects.toThrow('invalid precision')
  })

  test('a request that is too large is parted', async () => {
    answer = (_request, body) => (body.length > 300 ? [413, { message: 'too large' }] : [204])
    expect(await open().write(Array.from({ length: 20 }, (_, index) => line(T + index, index)))).toEqual([])
  })

  test('a query is InfluxQL over the bucket of the same name', async () => {
    answer = ({ url, headers }, body) => {
      expect(url).toBe('/query?db=b+1&epoch=ms')
      expect(headers.authorization).toBe('Token t0ken')
      expect(new URLSearchParams(body).get('q')).toContain('SELECT "fume" FROM "cooking_fume"')
      return [
        200,
        { results: [{ statement_id: 0, series: [{ columns: ['time', 'fume'], values: [[T, 1.5]] }] }] },
      ]
    }
    const query = { device: 'fume-1', kind: 'cooking_fume', metric: 'fume', from: 0, to: T * 2, limit: 9 }
    expect(await open().query(query)).toEqual([[T, 1.5]])
  })
})
