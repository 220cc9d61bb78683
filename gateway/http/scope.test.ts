import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { png } from '../evidence/media.fixture.ts'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

/**
 * Street A's user and team against street B's things, for every route that lets them in: what lies outside looks as
 * if it did not exist. A route that is in none of the tables below fails the first test.
 */
let site: Site
const tokens = new Map<'street' | 'team', string>()
/** What stands for `{device}` and the like in a path. */
type Things = Readonly<
  Record<'device' | 'case' | 'alarm' | 'file' | 'subscription' | 'street' | 'team', string>
>
let own: Things
let foreign: Things

beforeAll(async () => {
  site = await new Site().start()
  tokens.set('street', await site.person('wu', 'street', { street: 'wenfeng' }))
  tokens.set('team', await site.person('ma', 'team', { team: 'wenfeng-crew' }))
  own = await thingsOf('near', 'wenfeng')
  foreign = await thingsOf('far', 'hongqiao')
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
  return { device, case: id, alarm, file, subscription, street, team: `${street}-crew` }
}

/** Routes about one thing: the path, and a body where one is needed to come as far as the thing. */
const ONE: Readonly<Record<string, readonly [path: string, body?: object]>> = {
  'GET /api/v1/devices/:id': ['/api/v1/devices/{device}'],
  'POST /api/v1/devices/:id/commands': [
    '/api/v1/devices/{device}/commands',
    { command: 'say', args: { text: 'x' } },
  ],
  'GET /api/v1/alarms/:id': ['/api/v1/alarms/{alarm}'],
  'GET /api/v1/cases/:id': ['/api/v1/cases/{case}'],
  'POST /api/v1/cases/:id/actions': ['/api/v1/cases/{case}/actions', { action: 'accept' }],
  'GET /api/v1/cases/:id/files': ['/api/v1/cases/{case}/files'],
  'POST /api/v1/cases/:id/files': ['/api/v1/cases/{case}/files'],
  'GET /api/v1/cases/:id/export': ['/api/v1/cases/{case}/export'],
  'GET /api/v1/cases/:id/files/:file': ['/api/v1/cases/{case}/files/{file}'],
  'GET /api/v1/cases/:id/tickets': ['/api/v1/cases/{case}/tickets'],
  'GET /api/v1/subscriptions/:id/deliveries': ['/api/v1/subscriptions/{subscription}/deliveries'],
  'PATCH /api/v1/subscriptions/:id': ['/api/v1/subscriptions/{subscription}', { language: 'en' }],
  'DELETE /api/v1/subscriptions/:id': ['/api/v1/subscriptions/{subscription}'],
  'GET /api/v1/readings': ['/api/v1/readings?device={device}&metric=fume'],
}

/** Lists: asked for what is another's, they are empty or shut; asked for nothing, they hold nothing of it. */
const LISTS: Readonly<Record<string, readonly string[]>> = {
  'GET /api/v1/devices': ['', '?street={street}', '?site={device}-site'],
  'GET /api/v1/alarms': ['', '?street={street}', '?device={device}'],
  'GET /api/v1/cases': ['', '?street={street}', '?team={team}', '?site={device}-site'],
  'GET /api/v1/tickets': [''],
  'GET /api/v1/subscriptions': [''],
  'GET /api/v1/subscriptions/dead-letters': [''],
  'GET /api/v1/supervision': ['', '?street={street}', '?team={team}'],
  'GET /api/v1/stats/precision': ['?by=street', '?by=device'],
  'GET /api/v1/stats/accountability': ['?by=street', '?by=team'],
  'GET /api/v1/reports/sections': ['?month=2024-06'],
}

/** Routes whose own test has them, for they reach further than this one can see. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'POST /api/v1/cases': 'people-reports.test.ts: whoever sees something may report it, wherever it is',
  'POST /api/v1/subscriptions': 'subscriptions.test.ts: a filter within the own street',
  'POST /api/v1/subscriptions/:id/test': 'subscriptions.test.ts: it sends',
  'POST /api/v1/subscriptions/dead-letters/:id/retry': 'subscriptions.test.ts: it sends',
}

/** Routes that are the same for all whom they let in, and why. */
const WHOLE: Readonly<Record<string, string>> = {
  'GET /api/v1/rules': 'rules hold for the district',
  'GET /api/v1/rules/:id': 'rules hold for the district',
  'GET /api/v1/rules/:id/versions': 'rules hold for the district',
  'GET /api/v1/district': 'names of streets and teams; no rosters',
  'GET /api/v1/terms': 'words',
  'GET /api/v1/kinds': 'kinds of devices',
  'GET /api/v1/evidence-key': 'a public key',
  'GET /api/v1/ledger': 'sums over the district',
  'GET /metrics': 'sums over the district',
  'GET /api/v1/metrics': 'sums over the district',
  'GET /api/v1/events': 'events.test.ts: each event by its own scope',
  'GET /api/v1/session': 'about oneself',
  'DELETE /api/v1/session': 'about oneself',
  'POST /api/v1/session/secret': 'about oneself',
  'GET /api/v1/sessions': 'about oneself',
  'DELETE /api/v1/sessions': 'about oneself',
  'DELETE /api/v1/sessions/:id': 'about oneself: session-life.test.ts',
  'GET /api/v1/users/:name/tokens': 'about oneself: session-life.test.ts',
  'POST /api/v1/users/:name/tokens': 'about oneself: session-life.test.ts',
  'DELETE /api/v1/users/:name/tokens/:id': 'about oneself: session-life.test.ts',
}

const fill = (path: string, things: Things) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: keyof Things) => encodeURIComponent(things[name]))

const lets = (route: string, role: 'street' | 'team') => {
  const [method, url] = route.split(' ')
  const found = site.server.routes.all().find((known) => known.method === method && known.url === url)
  return found?.access?.roles?.includes(role) === true
}

test('every route that lets a street or a team in says how it keeps to what is theirs', () => {
  const open = site.server.routes
    .all()
    .filter(({ method, access }) => method !== 'HEAD' && access?.public !== true)
    .filter(
      ({ access }) => access?.roles?.includes('street') === true || access?.roles?.includes('team') === true,
    )
    .map(({ method, url }) => `${method} ${url}`)
  const told = [ONE, LISTS, ELSEWHERE, WHOLE].flatMap((kind) => Object.keys(kind))
  expect(told.sort()).toEqual(open.sort())
})

describe.each(['street', 'team'] as const)('a %s', (role) => {
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
