import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Device } from '../model/device.ts'
import type { SectionReport } from '../reports/section-report.ts'
import { ADMIN_TOKEN as token, fume, Site } from './server.fixture.ts'

const path = '/api/v1/reports/sections'
const MONTH = '2024-06'
const NOON = Date.parse('2024-06-15T12:00:00+08:00')

interface Report {
  month: string
  complete: boolean
  notice: { zh: string }
  items: SectionReport[]
  cursor?: string
}

let site: Site

beforeAll(async () => {
  site = await new Site().start()
  const river = (id: string, street: string, more: Partial<Device> = {}) =>
    fume(id, street, { kind: 'river_station', site: `${id}-bridge`, ...more })
  await site.device(river('canal', 'wenfeng', { attributes: { target: 'II', upstream_payer: '=1+1' } }))
  await site.device(river('moat', 'hongqiao'))
  await site.device(river('creek', 'hongqiao'))
  await site.device(fume('kitchen', 'wenfeng'))
  const body = [
    { device: 'canal', ts: NOON, metrics: { nh3n: 0.75, codmn: 3, tp: 0.1, flow: 2 } },
    { device: 'moat', ts: NOON, metrics: { nh3n: 0.75, codmn: 3, tp: 0.1 } },
  ]
  await site.call('POST', '/api/v1/readings', { token, body })
  await vi.waitFor(() => expect(site.journal.ledger().pending).toBe(0), 10_000)
})
afterAll(() => site.stop())

async function report(query: string, as = token): Promise<Report> {
  const { status, body } = await site.call('GET', `${path}?month=${MONTH}${query}`, { token: as })
  expect(status).toBe(200)
  return body as Report
}

describe('GET /reports/sections', () => {
  test('rates every section against its own target, for reference only', async () => {
    const { complete, notice, items, cursor } = await report('')
    expect({ complete, cursor }).toEqual({ complete: true, cursor: undefined })
    expect(notice.zh).toContain('仅供参考')
    expect(items.map((item) => [item.section, item.target, item.class, item.meetsTarget])).toEqual([
      ['canal-bridge', 2, 3, false],
      ['creek-bridge', 3, null, null],
      ['moat-bridge', 3, 3, true],
    ])
    // 0.25 mg/L × 2 m³/s × 30 d = 1.296 t at 100,000 yuan.
    expect(items[0]).toMatchObject({ load: { yuan: 129_600 }, tiers: { yuan: 500_000 } })
  })

  test('pages of any size make up the whole', async () => {
    const { items } = await report('')
    for (const limit of [1, 2, 3]) {
      const all: SectionReport[] = []
      let cursor: string | undefined
      do {
        const page = await report(`&limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`)
        expect(page.items.length).toBeLessThanOrEqual(limit)
        all.push(...page.items)
        cursor = page.cursor
      } while (cursor !== undefined)
      expect(all).toEqual(items)
    }
  })

  test('as CSV is a file, and its header leads to what the limit cut off', async () => {
    const rows: Record<string, string>[] = []
    let next: string | undefined = `${path}?month=${MONTH}&format=csv&limit=2`
    while (next !== undefined) {
      const { status, body, headers } = await site.call('GET', next, { token })
      expect(status).toBe(200)
      expect(headers.get('content-type')).toBe('text/csv; charset=utf-8')
      expect(headers.get('content-disposition')).toBe('attachment; filename="sections-2024-06.csv"')
      rows.push(
        ...(parse(body as string, { columns: true, bom: true }) as unknown as Record<string, string>[]),
      )
      next = /^<(.+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1]
    }
    expect(rows.map((row) => [row['section'], row['class'], row['upstream']])).toEqual([
      ['canal-bridge', 'Ⅲ', `'=1+1`],
      ['creek-bridge', '', ''],
      ['moat-bridge', 'Ⅲ', ''],
    ])
  })

  test('a street sees its own sections', async () => {
    const street = await site.person('wu', 'street', { street: 'wenfeng' })
    expect((await report('', street)).items.map(({ section }) => section)).toEqual(['canal-bridge'])
    const csv = await site.call('GET', `${path}?month=${MONTH}&format=csv`, { token: street })
    expect(csv.body).not.toContain('moat')
  })

  test.each([
    ['', 'querystring/month'],
    ['?month=2024-13', 'querystring/month'],
    ['?month=2024-06-01', 'querystring/month'],
    ['?month=2098-01', 'has not begun'],
    [`?month=${MONTH}&format=pdf`, 'querystring/format'],
    [`?month=${MONTH}&limit=101`, 'querystring/limit'],
    [`?month=${MONTH}&cursor=x`, ''],
  ])('%s is refused', async (query, detail) => {
    const { status, body } = await site.call('GET', path + query, { token })
    expect(status).toBe(400)
    expect((body as { detail?: string }).detail ?? '').toContain(detail)
  })

  test('a month under way is not complete', async () => {
    const now = new Date(site.clock.now() + 8 * 3_600_000).toISOString().slice(0, 7)
    const { body } = await site.call('GET', `${path}?month=${now}`, { token })
    expect(body).toMatchObject({ complete: false })
  })
})
