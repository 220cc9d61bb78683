import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadDistrict } from '../district/district.ts'
import { checkPlace } from './register-shapes.ts'
import { ADMIN_TOKEN as token, Site } from './server.fixture.ts'

const HERE = [120.892, 31.99]
const base = '/api/v1/registers'
let site: Site
let street: string
let other: string
let crew: string
let strangers: string

beforeAll(async () => {
  site = await new Site().start()
  street = await site.person('wu', 'street', { street: 'wenfeng' })
  other = await site.person('he', 'street', { street: 'hongqiao' })
  crew = await site.person('ma', 'team', { team: 'wenfeng-crew' })
  strangers = await site.person('xu', 'team', { team: 'hongqiao-crew' })
})
afterAll(() => site.stop())

async function call(method: string, path: string, as: string, body?: unknown) {
  const answer = await site.call(method, `${base}/${path}`, { token: as, body })
  return { status: answer.status, body: answer.body as Record<string, unknown> }
}
const personalReads = () =>
  site.parts.audit.list({ limit: 100 }).items.filter(({ action }) => action === 'personal.read')

test('a street registers its purifiers and nobody elsewhere sees or cleans them', async () => {
  const body = { title: '文峰小馆', street: 'wenfeng', grid: 'wenfeng-001', position: HERE, every: '30d' }
  expect((await call('PUT', 'purifiers/k1', other, body)).status).toBe(403)
  expect((await call('PUT', 'purifiers/k1', street, { ...body, grid: 'hongqiao-001' })).status).toBe(400)
  expect((await call('PUT', 'purifiers/k1', street, { ...body, every: '1m' })).status).toBe(400)
  expect((await call('PUT', 'purifiers/k1', street, body)).status).toBe(200)
  for (const as of [other, strangers]) {
    expect((await call('GET', 'purifiers', as)).body).toEqual({ items: [] })
    expect((await call('GET', 'purifiers/k1', as)).status).toBe(404)
    expect((await call('POST', 'purifiers/k1/cleanings', as, {})).status).toBe(404)
  }
  expect((await call('POST', 'purifiers/k1/cleanings', crew, { at: site.clock.now() + 60_000 })).status).toBe(
    400,
  )
  expect((await call('POST', 'purifiers/k1/cleanings', crew, { note: '已清洗' })).body).toMatchObject({
    state: 'ok',
  })
  const story = (await call('GET', 'purifiers/k1', street)).body
  expect(story['cleanings']).toMatchObject([{ actor: 'ma', note: '已清洗' }])
  expect((await call('GET', 'purifiers?state=overdue', street)).body).toEqual({ items: [] })
  expect((await call('DELETE', 'purifiers/k1', street)).status).toBe(204)
  expect((await call('GET', 'purifiers/k1', street)).status).toBe(404)
})

test('lists of purifiers page through all of them once', async () => {
  const body = { title: 'x', street: 'wenfeng', grid: 'wenfeng-001', every: '30d' }
  for (let i = 0; i < 5; i++) await call('PUT', `purifiers/p${i}`, token, body)
  const ids: string[] = []
  let cursor = ''
  do {
    const page = (await call('GET', `purifiers?limit=2${cursor}`, token)).body as {
      items: { site: string }[]
      cursor?: string
    }
    ids.push(...page.items.map((item) => item.site))
    cursor = page.cursor === undefined ? '' : `&cursor=${page.cursor}`
  } while (cursor !== '')
  expect(ids.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['p0', 'p1', 'p2', 'p3', 'p4'])
})

test('an inspection is planned for a team of the street, which alone checks in', async () => {
  const now = site.clock.now()
  const plan = {
    title: '夜查烧烤',
    street: 'wenfeng',
    team: 'wenfeng-crew',
    from: now - 1000,
    to: now + 3_600_000,
    sites: [{ site: 'stall-1', grid: 'wenfeng-002', position: HERE }],
  }
  expect((await call('POST', 'inspections', other, plan)).status).toBe(403)
  expect((await call('POST', 'inspections', street, { ...plan, team: 'hongqiao-crew' })).status).toBe(400)
  expect((await call('POST', 'inspections', street, { ...plan, to: plan.from })).status).toBe(400)
  const planned = await call('POST', 'inspections', street, plan)
  expect(planned.status).toBe(201)
  const path = `inspections/${planned.body['id'] as string}`
  const here = { site: 'stall-1', position: HERE }
  expect((await call('POST', `${path}/check-ins`, strangers, here)).status).toBe(404)
  expect((await call('POST', `${path}/check-ins`, crew, { ...here, site: 'stall-2' })).status).toBe(404)
  const finding = { category: 'cooking-fume', title: '露天烧烤' }
  const made = { ...finding, category: '../#' }
  expect((await call('POST', `${path}/check-ins`, crew, { ...here, finding: made })).status).toBe(400)
  const done = await call('POST', `${path}/check-ins`, crew, { ...here, finding })
  expect(done.body).toMatchObject({ state: 'done', sites: [{ state: 'done', actor: 'ma', offSite: null }] })
  expect((await call('POST', `${path}/check-ins`, street, here)).status).toBe(409)
  expect((await call('GET', 'inspections', strangers)).body).toEqual({ items: [] })
  expect((await call('GET', 'inspections?team=hongqiao-crew', crew)).body).toEqual({ items: [] })
})

test('a track is shown to whoever may see it, and every look is in the audit', async () => {
  const course = { title: '濠河', street: 'wenfeng', grid: 'wenfeng-001', course: [HERE, [120.892, 32.0]] }
  expect(
    (await call('PUT', 'river-courses/hao', street, { ...course, course: [HERE, [-120, 3]] })).status,
  ).toBe(400)
  expect((await call('PUT', 'river-courses/hao', street, course)).status).toBe(200)
  expect((await call('POST', 'patrols', strangers, { section: 'hao' })).status).toBe(403)
  const id = (await call('POST', 'patrols', crew, { section: 'hao' })).body['id'] as string
  const now = site.clock.now()
  const points = [0, 1, 2].map((i) => ({ at: now + i * 1000, position: [120.892, 31.99 + i * 0.0001] }))
  expect((await call('POST', `patrols/${id}/points`, street, points)).status).toBe(403)
  expect((await call('POST', `patrols/${id}/points`, crew, points)).body).toEqual({ added: 3 })
  expect((await call('POST', `patrols/${id}/points`, crew, [{ ...points[0], at: 1 }])).status).toBe(400)
  const finding = { finding: 'a', position: HERE, category: 'riverbank', title: '漂浮物' }
  const found = (await call('POST', `patrols/${id}/findings`, crew, finding)).body
  expect(site.cases.get(found['case'] as string)).toMatchObject({ title: '漂浮物', street: 'wenfeng' })
  // A category is a part of the case's id, so of its topic, its address and its receivers' headers.
  for (const category of ['垃圾', '../#', 'a+b\n\0c']) {
    const made = { ...finding, finding: category, category }
    expect((await call('POST', `patrols/${id}/findings`, crew, made)).status).toBe(400)
  }
  // Nobody makes a case file name evidence that it has not.
  const lost = { ...finding, finding: 'b', files: ['a'.repeat(64)] }
  expect((await call('POST', `patrols/${id}/findings`, crew, lost)).body).toMatchObject({
    status: 400,
    detail: expect.stringContaining('no evidence of this case') as string,
  })
  expect((await call('POST', `patrols/${id}/stop`, crew)).body).toMatchObject({ metres: 22, points: 3 })
  expect((await call('GET', `patrols/${id}/track`, strangers)).status).toBe(404)
  expect(personalReads()).toEqual([])
  expect((await call('GET', `patrols/${id}/track`, street)).body['points']).toHaveLength(3)
  expect(personalReads()).toMatchObject([{ actor: 'wu', subject: `patrol ${id}`, detail: 'track of ma' }])
  expect((await call('GET', 'patrols', crew)).body['items']).toMatchObject([{ id, findings: [{ id: 'a' }] }])
})

test('a section that another street calls the same is another: nothing is written into its case', async () => {
  const finding = { finding: 'a', position: HERE, category: 'riverbank', title: '漂浮物' }
  const walk = { section: 'hao-2', street: 'wenfeng', grid: 'wenfeng-001' }
  const own = (await call('POST', 'patrols', crew, walk)).body['id'] as string
  const kept = (await call('POST', `patrols/${own}/findings`, crew, finding)).body['case'] as string
  const theirs = { section: 'hao-2', street: 'hongqiao', grid: 'hongqiao-001' }
  const foreign = (await call('POST', 'patrols', strangers, theirs)).body['id'] as string
  const loud = { ...finding, severity: 'red', note: 'written by a stranger' }
  expect((await call('POST', `patrols/${foreign}/findings`, strangers, loud)).status).toBe(409)
  expect(site.cases.get(kept)).toMatchObject({ severity: 'yellow' })
})

test('a patrol of a section that the district file has needs no street; of one that nobody knows it does', async () => {
  const unknown = await call('POST', 'patrols', token, { section: 'nowhere' })
  expect(unknown.status).toBe(400)
  expect(unknown.body['detail']).toMatch(/^body\/section: .*"nowhere".*expected street and grid/)
  const section = site.parts.district.sites!.find((one) => one.section !== undefined)!
  const begun = await call('POST', 'patrols', token, { section: section.id })
  expect(begun).toMatchObject({ status: 201, body: { street: section.street, grid: section.grid } })
})

test('grids with names of their own are places too', () => {
  const harbour = loadDistrict(fileURLToPath(new URL('../district/districts/harbour.yaml', import.meta.url)))
  const user = { name: 'li', role: 'district', street: null, team: null } as const
  const check = (street: string, grid: string) => () => checkPlace({ street, grid }, user, harbour)
  expect(check('oldtown', 'lighthouse')).not.toThrow()
  expect(check('quayside', 'quayside-003')).not.toThrow()
  expect(check('quayside', 'lighthouse')).toThrow('body/grid: lighthouse is not of quayside')
  expect(check('quayside', 'quayside-004')).toThrow('body/grid: quayside-004 is not of quayside')
})
