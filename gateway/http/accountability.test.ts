import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noted } from '../dispatch/life.ts'
import type { Figures } from '../reports/accountability.ts'
import { ADMIN_TOKEN as token, fume, Site } from './server.fixture.ts'

const path = '/api/v1/stats/accountability'
const HERE = [120.8239, 32.0616]

interface Answer {
  by: string
  from: number
  to: number
  total: Figures
  items: (Figures & { key: string; title: string })[]
}

let site: Site
let late: string

beforeAll(async () => {
  site = await new Site().start()
  await site.device(fume('near', 'wenfeng'))
  await site.device(fume('far', 'hongqiao'))
  const kept = site.alarm({ device: 'near' })!
  late = site.alarm({ device: 'far' })!
  const act = async (id: string, body: object) =>
    site.call('POST', `/api/v1/cases/${id}/actions`, { token, body })
  for (const body of [
    { action: 'accept' },
    { action: 'arrive', position: HERE },
    { action: 'handle' },
    { action: 'verify' },
    { action: 'close', code: 'confirmed' },
  ])
    await act(kept, body)
  site.clock.ahead = 11 * 60_000
  await act(late, { action: 'supervise', note: '<script>alert(1)</script>' })
})
afterAll(() => site.stop())

async function asked(query: string, as = token): Promise<Answer> {
  const { status, body } = await site.call('GET', `${path}?${query}`, { token: as })
  expect([query, status]).toEqual([query, 200])
  return body as Answer
}

describe('GET /stats/accountability', () => {
  test('says who kept the promises, and the parts add up to the total', async () => {
    const { items, total } = await asked('by=street')
    expect(items.map(({ key, title, received, response }) => [key, title, received, response.late])).toEqual([
      ['hongqiao', '虹桥', 1, 1],
      ['wenfeng', '文峰', 1, 0],
    ])
    expect(total).toMatchObject({
      received: 2,
      open: 1,
      closed: 1,
      response: { of: 2, inTime: 1, late: 1, pending: 0, share: 0.5 },
      arrival: { of: 2, inTime: 1, late: 0, pending: 1, share: 1 },
      codes: { confirmed: 1 },
      precision: 1,
      few: true,
      supervised: 1,
    })
    for (const by of ['team', 'category', 'rule', 'day'])
      expect((await asked(`by=${by}`)).items.reduce((sum, { received }) => sum + received, 0)).toBe(2)
  })

  test('calls categories as the district does', async () => {
    const { body } = await site.call('GET', '/api/v1/stats/accountability?by=category', {
      token,
    })
    expect((body as { items: unknown[] }).items).toContainEqual(
      expect.objectContaining({ key: 'cooking-fume', title: '餐饮油烟' }),
    )
  })

  test('shows a street and a team their own part only', async () => {
    const street = await site.person('wu', 'street', { street: 'wenfeng' })
    const team = await site.person('ma', 'team', { team: 'wenfeng-crew' })
    expect((await asked('by=street', street)).items.map(({ key }) => key)).toEqual(['wenfeng'])
    expect((await asked('by=team', team)).items.map(({ key }) => key)).toEqual(['wenfeng-crew'])
    expect((await asked('by=category', team)).total.received).toBe(1)
    const page = await site.call('GET', `${path}?format=html`, { token: team })
    expect(page.body).not.toContain(late)
  })

  test('of a month is that of China, and a wrong period is refused', async () => {
    const { from, to } = await asked('month=2024-02')
    expect([from, to]).toEqual(
      ['2024-02-01T00:00+08:00', '2024-03-01T00:00+08:00'].map((time) => Date.parse(time)),
    )
    const now = site.clock.now()
    for (const query of [
      'month=2024-13',
      'month=2099-01',
      'month=2024-02&from=1',
      `from=${now}&to=${now}`,
      'from=0',
      'by=person',
    ])
      expect([query, (await site.call('GET', `${path}?${query}`, { token })).status]).toEqual([query, 400])
  })

  test('as a spreadsheet has the same figures, opens as UTF-8 and runs no formula', async () => {
    const answer = await site.call('GET', `${path}?by=rule&format=csv`, { token })
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    const response = await fetch(`${site.origin}${path}?format=csv`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const bytes = new Uint8Array(await response.arrayBuffer())
    expect(Buffer.from(bytes).subarray(0, 3).toString('hex')).toBe('efbbbf')
    const rows = parse(Buffer.from(bytes), { bom: true, columns: true }) as Record<string, string>[]
    expect(rows.map((row) => [row['street'], row['title'], row['response_late']])).toEqual([
      ['hongqiao', '虹桥', '1'],
      ['wenfeng', '文峰', '0'],
      ['', 'total', '1'],
    ])
    const chinese = await site.call('GET', `${path}?format=csv&lang=zh`, { token })
    expect(chinese.body).toContain('按时响应率')
  })

  test('of words that other hands chose has no formula', async () => {
    const known = site.cases.record(late)!
    site.queue.open({
      ...known,
      family: 'odd',
      category: '=1+1',
      title: '<b onload="x">',
      happenedAt: 0,
      seed: 'odd',
      resolveMs: -1,
      entry: noted(site.clock.now(), 'opened'),
    })
    const { body } = await site.call('GET', `${path}?by=category&format=csv`, { token })
    expect(body).toContain("'=1+1")
  })

  test('as a page runs nothing and loads nothing, whatever names have been given', async () => {
    const { body, headers } = await site.call('GET', `${path}?format=html&lang=en`, { token })
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+'$/,
    )
    expect(body).toContain(late)
    expect(body).toContain('&lt;b onload=&quot;x&quot;&gt;')
    expect(body).not.toMatch(/<script|<b>|<img|href=|src=/)
    expect(body).toContain('accountability report')
    expect(body).toContain('<td>Cooking fume over the limit</td>')
    const chinese = await site.call('GET', `${path}?format=html`, { token })
    expect(chinese.body).toContain('行政问效报告')
    expect(chinese.body).toContain('<td>餐饮油烟</td>')
    expect(chinese.body).not.toContain('<td>cooking-fume</td>')
  })
})
