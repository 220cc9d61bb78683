import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ADMIN_TOKEN as token, fume, Site } from './server.fixture.ts'

const NOON = Date.parse('2024-06-01T12:00:00+08:00')
const COUNT = 250

let site: Site
let secret: string

beforeAll(async () => {
  site = await new Site().start()
  secret = await site.device(fume('fume-1'))
  const body = Array.from({ length: COUNT }, (_, i) => ({
    ts: NOON + i * 1000,
    metrics: { fume: i, fan: i % 2 === 0 },
  }))
  const answer = await site.call('POST', '/api/v1/readings', { token: secret, body })
  expect(answer.body).toEqual({ accepted: COUNT, duplicates: 0, quarantined: 0, refused: [] })
  await vi.waitFor(() => expect(site.journal.ledger().pending).toBe(0), 10_000)
})
afterAll(() => site.stop())

interface Points {
  points: [number, number | boolean | null][]
  cursor?: string
}

async function points(query: string): Promise<Points> {
  const answer = await site.call('GET', `/api/v1/readings?device=fume-1&${query}`, { token })
  expect(answer.status).toBe(200)
  return answer.body as Points
}

async function pages(query: string, limit: number): Promise<Points['points']> {
  const all: Points['points'] = []
  let cursor: string | undefined
  do {
    const page = await points(`${query}&limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`)
    expect(page.points.length).toBeLessThanOrEqual(limit)
    all.push(...page.points)
    cursor = page.cursor
  } while (cursor !== undefined)
  return all
}

describe('GET /readings', () => {
  const range = `metric=fume&from=${NOON}&to=${NOON + COUNT * 1000}`

  test('gives what was handed in, in time order, numbers and booleans alike', async () => {
    expect((await points(range)).points).toEqual(
      Array.from({ length: COUNT }, (_, i) => [NOON + i * 1000, i]),
    )
    const fans = await points(`metric=fan&from=${NOON}&to=${NOON + 3000}`)
    expect(fans.points.map(([, value]) => value)).toEqual([true, false, true])
  })

  test('understands ISO 8601 with an offset, also when its plus sign was not escaped', async () => {
    const iso = await points('metric=fume&from=2024-06-01T12:00:00%2B08:00&to=2024-06-01T04:00:02Z')
    const raw = await points('metric=fume&from=2024-06-01T12:00:00+08:00&to=2024-06-01T04:00:02Z')
    expect(iso.points).toEqual([
      [NOON, 0],
      [NOON + 1000, 1],
    ])
    expect(raw).toEqual(iso)
  })

  test.each([
    ['mean', 4.5],
    ['min', 0],
    ['max', 9],
    ['sum', 45],
    ['count', 10],
  ])('every with %s rolls up', async (agg, expected) => {
    const { points: rolled } = await points(`${range}&every=10s&agg=${agg}`)
    expect(rolled.length).toBe(COUNT / 10)
    expect(rolled[0]).toEqual([NOON, expected])
  })

  test('pages of any size make up the whole, without loss or repetition', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 0, max: 200 }),
        fc.constantFrom('', '&every=3s', '&every=7s&agg=max'),
        async (limit, skip, every) => {
          fc.pre(limit > 20 || skip > 190)
          const query = `metric=fume&from=${NOON + skip * 1000}&to=${NOON + COUNT * 1000}${every}`
          expect(await pages(query, limit)).toEqual((await points(query)).points)
        },
      ),
      { numRuns: 25 },
    )
  })

  test.each(['0s', '3661d', '999999999d'])('no stretch is as long as %s', async (every) => {
    const query = `/api/v1/readings?device=fume-1&metric=fume&every=${every}`
    expect((await site.call('GET', query, { token })).body).toMatchObject({ code: 'bad_request' })
  })

  test('an end left open does not move between pages', async () => {
    const from = `metric=fume&from=${NOON}`
    const first = await points(`${from}&limit=200`)
    site.clock.ahead += 1000
    const late = [{ metrics: { fume: 7 } }]
    await site.call('POST', '/api/v1/readings', { token: secret, body: late })
    await vi.waitFor(() => expect(site.journal.ledger().pending).toBe(0), 10_000)
    const rest = await points(`${from}&limit=200&cursor=${first.cursor}`)
    expect(first.points.length + rest.points.length).toBe(COUNT)
  })
})

describe('POST /readings', () => {
  test('202 means durable: every reading is counted in exactly one way', async () => {
    const before = site.journal.ledger()
    const ts = site.clock.now()
    const body = [
      { ts, metrics: { fume: 1 } },
      { ts, metrics: { fume: 1 } },
      { ts, metrics: { fumes: 1 } },
      { ts: ts + 3_600_000, metrics: { fume: 1 } },
      'nonsense',
    ]
    const answer = await site.call('POST', '/api/v1/readings', { token: secret, body })
    expect(answer.status).toBe(202)
    expect(answer.body).toMatchObject({
      accepted: 1,
      duplicates: 1,
      quarantined: 3,
      refused: [{ code: 'unknown_metric' }, { code: 'clock_ahead' }, { code: 'bad_reading' }],
    })
    const after = site.journal.ledger()
    expect(after.received - before.received).toBe(5)
    expect(after.accepted - before.accepted).toBe(1)
    const ledger = await site.call('GET', '/api/v1/ledger', { token })
    expect(ledger.body).toEqual({ ...site.journal.ledger(), late: 0 })
  })

  test('more than a message holds is taken in, each reading once', async () => {
    const body = Array.from({ length: 2500 }, (_, i) => ({ ts: NOON - 1 - i, metrics: { pm: 1 } }))
    const answer = await site.call('POST', '/api/v1/readings', { token: secret, body })
    expect(answer.body).toMatchObject({ accepted: 2500 })
    const again = await site.call('POST', '/api/v1/readings', { token: secret, body })
    expect(again.body).toMatchObject({ accepted: 0, duplicates: 2500 })
  })

  test('when the disk cannot take it, nothing is acknowledged', async () => {
    await site.journal.stop()
    const answer = await site.call('POST', '/api/v1/readings', {
      token: secret,
      body: [{ metrics: { fume: 1 } }],
    })
    expect(answer.status).toBe(503)
    expect(answer.body).toMatchObject({ code: 'journal_unavailable' })
    expect(answer.headers.get('retry-after')).toBe('1')
  })
})
