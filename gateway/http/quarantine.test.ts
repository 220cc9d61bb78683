import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN_TOKEN as token, fume, Site } from './server.fixture.ts'

let site: Site

beforeAll(async () => {
  site = await new Site().start()
})
afterAll(() => site.stop())

interface List {
  items: { id: number; raw: string; code: string; device: string }[]
  cursor?: string
}

test('refused readings are listed newest first, page by page, with what was sent', async () => {
  const body = [1, 2, 3].map((i) => ({ device: 'new-1', ts: 1_718_000_000_000 + i, metrics: { fume: i } }))
  const sent = await site.call('POST', '/api/v1/readings', { token, body })
  expect(sent.body).toMatchObject({ accepted: 0, quarantined: 3 })
  const first = (await site.call('GET', '/api/v1/quarantine?limit=2', { token })).body as List
  expect(first.items.map((item) => JSON.parse(item.raw).metrics.fume)).toEqual([3, 2])
  const rest = (await site.call('GET', `/api/v1/quarantine?limit=2&cursor=${first.cursor}`, { token }))
    .body as List
  expect(rest.items.map((item) => [item.device, item.code])).toEqual([['new-1', 'unknown_device']])
  expect(rest.cursor).toBeUndefined()
})

test('a retry takes a reading out once what was wrong has been put right, and says why until then', async () => {
  const { items } = (await site.call('GET', '/api/v1/quarantine', { token })).body as List
  const path = `/api/v1/quarantine/${items[0]!.id}/retry`
  const early = await site.call('POST', path, { token })
  expect(early.body).toMatchObject({
    status: 409,
    code: 'conflict',
    detail: expect.stringContaining('unknown_device'),
  })
  await site.device(fume('new-1'))
  expect((await site.call('POST', path, { token })).body).toEqual({
    released: true,
    accepted: 1,
    duplicates: 0,
  })
  expect((await site.call('POST', path, { token })).status).toBe(404)
  expect(site.journal.ledger()).toMatchObject({ accepted: 1, quarantined: 2 })
})
