import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { png } from '../evidence/media.fixture.ts'
import { LISTS, ONE, type Things } from './scope.fixture.ts'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

/**
 * Street A's user and team against street B's things, for every route that lets them in: what lies outside looks as
 * if it did not exist. The routes are in scope.fixture.ts.
 */
let site: Site
const tokens = new Map<'street' | 'team', string>()
let own: Things
let foreign: Things

beforeAll(async () => {
  site = await new Site().start()
  tokens.set('street', await site.person('wu', 'street', { street: 'wenfeng' }))
  tokens.set('team', await site.person('ma', 'team', { team: 'wenfeng-crew' }))
})
afterAll(() => site.stop())

async function thingsOf(device: string, street: string): Promise<Things> {
  const token = await site.device(fume(device, street))
  await site.call('POST', '/api/v1/readings', { token, body: [{ device, metrics: { fume: 1 } }] })
  const id = site.alarm({ device })!
  const form = new FormData()
  form.append('file', new Blob([Buffer.from(png())]), 'photo.png')
  const response = await fetch(`${site.origin}/api/v1/cases/${id}/files`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    body: form,
  })
  const { id: file } = (await response.json()) as { id: string }
  const [alarm = ''] = site.cases.get(id)!.alarms
  const hook = { type: 'webhook', url: 'https://hooks.example.com/x', filter: { streets: [street] } }
  const made = await site.call('POST', '/api/v1/subscriptions', { token: ADMIN_TOKEN, body: hook })
  const { id: subscription } = made.body as { id: string }
  const place = site.parts.district.sites!.find((known) => known.street === street)!.id
  const grid = `${street}-001`
  const team = `${street}-crew`
  const admin = (method: string, path: string, body: object) =>
    site.call(method, `/api/v1/registers/${path}`, { token: ADMIN_TOKEN, body })
  const purifier = `${device}-purifier`
  await admin('PUT', `purifiers/${purifier}`, { title: 'x', street, grid, every: '30d' })
  const from = site.clock.now()
  const sites = [{ site: `${device}-stall`, grid, position: [120.85, 32.01] }]
  const plan = { title: 'x', street, team, from, to: from + 3_600_000, sites }
  const inspection = ((await admin('POST', 'inspections', plan)).body as { id: string }).id
  // One at a time for each person.
  const walker = await site.person(`walker-${device}`, 'team', { team })
  const walk = { token: walker, body: { section: `${device}-river`, street, grid } }
  const patrol = ((await site.call('POST', '/api/v1/registers/patrols', walk)).body as { id: string }).id
  const registers = { purifier, inspection, patrol }
  return { ...registers, device, case: id, alarm, file, subscription, site: place, street, team }
}

const fill = (path: string, things: Things) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: keyof Things) => encodeURIComponent(things[name]))

const lets = (route: string, role: 'street' | 'team') => {
  const [method, url] = route.split(' ')
  const found = site.server.routes.all().find((known) => known.method === method && known.url === url)
  return found?.access?.roles?.includes(role) === true
}

describe.each(['street', 'team'] as const)('a %s', (role) => {
  // Anew for each: what is its own it may remove.
  beforeAll(async () => {
    own = await thingsOf(`near-${role}`, 'wenfeng')
    foreign = await thingsOf(`far-${role}`, 'hongqiao')
  })

  test('finds none of the things of others, and acts on none', async () => {
    const token = tokens.get(role)
    const before = site.cases.get(foreign.case)
    for (const [route, [path, body]] of Object.entries(ONE)) {
      if (!lets(route, role)) continue
      const [method = ''] = route.split(' ')
      const status = async (things: Things) =>
        (await site.call(method, fill(path, things), { token, ...(body !== undefined && { body }) })).status
      expect([route, await status(foreign)]).toEqual([route, 404])
      // That it is not simply broken: its own is there.
      expect([route, await status(own)]).not.toEqual([route, expect.toBeOneOf([401, 403, 404])])
    }
    expect(site.cases.get(foreign.case)).toEqual(before)
  })

  test('sees nothing of others in any list, however it asks', async () => {
    const token = tokens.get(role)
    for (const [route, queries] of Object.entries(LISTS)) {
      if (!lets(route, role)) continue
      const [, url = ''] = route.split(' ')
      for (const query of queries) {
        const { status, body } = await site.call('GET', url + fill(query, foreign), { token })
        expect([route, query, status]).toEqual([route, query, expect.toBeOneOf([200, 403, 404])])
        const text = JSON.stringify(body)
        for (const name of [foreign.device, foreign.case, foreign.alarm, '"hongqiao', 'hongqiao-crew'])
          if (!text.includes(`querystring`))
            expect([route, query, text.includes(name)]).toEqual([route, query, false])
      }
    }
  })
})
