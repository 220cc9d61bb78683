import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROLES, type Role } from '../model/user.ts'
import { accessPage, PRINCIPALS, topicCell, TOPICS } from './access-table.ts'
import { TOLD } from './scope.fixture.ts'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

let site: Site
let deviceToken: string
const tokens = new Map<Role, string>([['admin', ADMIN_TOKEN]])

beforeAll(async () => {
  site = await new Site().start()
  deviceToken = await site.device(fume('fume-1'))
  tokens.set('district', await site.person('li', 'district'))
  tokens.set('street', await site.person('wu', 'street', { street: 'wenfeng' }))
  tokens.set('team', await site.person('ma', 'team', { team: 'wenfeng-crew' }))
  tokens.set('viewer', await site.person('zhao', 'viewer'))
})
afterAll(() => site.stop())

async function statusOf(method: string, url: string, token?: string, headers: Record<string, string> = {}) {
  const response = await fetch(site.origin + url.replace(/:\w+/g, '1'), {
    method,
    headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    redirect: 'manual',
  })
  await response.body?.cancel()
  return response.status
}

/**
 * Contract §5, and what each route says of itself: written down twice, so that one slip is seen. A new route also says
 * in scope.fixture.ts how it keeps to its caller's street and team; `npx vitest run gateway/http/access -u` writes
 * docs/access.md.
 */
const EVERYONE: readonly Role[] = ['admin', 'district', 'street', 'team', 'viewer']
const ALLOWED: Record<string, readonly (Role | 'device')[]> = {
  'GET /api/v1/devices': EVERYONE,
  'POST /api/v1/devices': ['admin'],
  'GET /api/v1/devices/:id': EVERYONE,
  'PATCH /api/v1/devices/:id': ['admin'],
  'DELETE /api/v1/devices/:id': ['admin'],
  'POST /api/v1/devices/:id/secret': ['admin'],
  'POST /api/v1/devices/:id/commands': ['admin', 'district', 'street', 'team'],
  'GET /api/v1/hj212/unknown': ['admin', 'district', 'viewer'],
  'GET /api/v1/users': ['admin'],
  'POST /api/v1/users': ['admin'],
  'POST /api/v1/users/:name/secret': ['admin'],
  'DELETE /api/v1/users/:name': ['admin'],
  'PATCH /api/v1/users/:name': ['admin'],
  'DELETE /api/v1/users/:name/lock': ['admin'],
  'DELETE /api/v1/users/:name/sessions': ['admin'],
  'GET /api/v1/users/:name/tokens': EVERYONE,
  'POST /api/v1/users/:name/tokens': EVERYONE,
  'DELETE /api/v1/users/:name/tokens/:id': EVERYONE,
  'GET /api/v1/sessions': EVERYONE,
  'DELETE /api/v1/sessions': EVERYONE,
  'DELETE /api/v1/sessions/:id': EVERYONE,
  'POST /api/v1/session/secret': EVERYONE,
  'GET /api/v1/audit': ['admin'],
  'POST /api/v1/readings': ['admin', 'device'],
  'POST /write': ['admin', 'device'],
  'POST /api/v2/write': ['admin', 'device'],
  'POST /query': ['admin', 'device'],
  'GET /api/v1/readings': EVERYONE,
  'GET /api/v1/messages': ['admin'],
  'GET /api/v1/quarantine': ['admin', 'district', 'viewer'],
  'POST /api/v1/quarantine/:id/retry': ['admin', 'district'],
  'GET /api/v1/ledger': EVERYONE,
  'GET /api/v1/reports/sections': ['admin', 'district', 'street', 'viewer'],
  'GET /api/v1/rules': EVERYONE,
  'GET /api/v1/rules/:id': EVERYONE,
  'GET /api/v1/rules/:id/versions': EVERYONE,
  'GET /api/v1/rules/:id/suggestion': ['admin', 'district', 'viewer'],
  'POST /api/v1/rules': ['admin', 'district'],
  'PUT /api/v1/rules/:id': ['admin', 'district'],
  'DELETE /api/v1/rules/:id': ['admin', 'district'],
  'POST /api/v1/rules/:id/reset': ['admin', 'district'],
  'POST /api/v1/rules/check': ['admin', 'district'],
  'POST /api/v1/rules/backtest': ['admin', 'district'],
  'GET /api/v1/stats/precision': EVERYONE,
  'GET /api/v1/stats/accountability': EVERYONE,
  'GET /api/v1/registers/purifiers': EVERYONE,
  'GET /api/v1/registers/purifiers/:site': EVERYONE,
  'PUT /api/v1/registers/purifiers/:site': ['admin', 'district', 'street'],
  'DELETE /api/v1/registers/purifiers/:site': ['admin', 'district', 'street'],
  'POST /api/v1/registers/purifiers/:site/cleanings': ['admin', 'district', 'street', 'team'],
  'GET /api/v1/registers/inspections': EVERYONE,
  'POST /api/v1/registers/inspections': ['admin', 'district', 'street'],
  'GET /api/v1/registers/inspections/:id': EVERYONE,
  'DELETE /api/v1/registers/inspections/:id': ['admin', 'district', 'street'],
  'POST /api/v1/registers/inspections/:id/check-ins': ['admin', 'district', 'street', 'team'],
  'GET /api/v1/registers/river-courses': EVERYONE,
  'PUT /api/v1/registers/river-courses/:section': ['admin', 'district', 'street'],
  'GET /api/v1/registers/patrols': EVERYONE,
  'POST /api/v1/registers/patrols': ['admin', 'district', 'street', 'team'],
  'GET /api/v1/registers/patrols/:id': EVERYONE,
  'GET /api/v1/registers/patrols/:id/track': EVERYONE,
  'POST /api/v1/registers/patrols/:id/points': ['admin', 'district', 'street', 'team'],
  'POST /api/v1/registers/patrols/:id/findings': ['admin', 'district', 'street', 'team'],
  'POST /api/v1/registers/patrols/:id/stop': ['admin', 'district', 'street', 'team'],
  'GET /api/v1/alarms': EVERYONE,
  'GET /api/v1/alarms/:id': EVERYONE,
  'GET /api/v1/cases': EVERYONE,
  'POST /api/v1/cases': ['admin', 'district', 'street', 'team'],
  'POST /api/v1/hotline/import': ['admin', 'district'],
  'GET /api/v1/tickets': EVERYONE,
  'GET /api/v1/cases/:id/tickets': EVERYONE,
  'GET /api/v1/places/qr': ['admin'],
  'GET /api/v1/cases/:id': EVERYONE,
  'POST /api/v1/cases/:id/files': ['admin', 'district', 'street', 'team'],
  'GET /api/v1/cases/:id/files': EVERYONE,
  'GET /api/v1/cases/:id/files/:file': EVERYONE,
  'GET /api/v1/cases/:id/export': EVERYONE,
  'GET /api/v1/evidence-key': EVERYONE,
  'POST /api/v1/cases/:id/actions': ['admin', 'district', 'street', 'team'],
  'POST /api/v1/cases/:id/whistles': ['admin', 'district', 'street'],
  'POST /api/v1/cases/:id/whistles/:department/report-in': ['admin', 'district', 'street', 'team'],
  'POST /api/v1/cases/:id/whistles/:department/done': ['admin', 'district', 'street', 'team'],
  'POST /api/v1/cases/:id/whistles/:department/withdraw': ['admin', 'district', 'street'],
  'GET /api/v1/supervision': ['admin', 'district', 'street', 'viewer'],
  'GET /api/v1/subscriptions': ['admin', 'district', 'street'],
  'POST /api/v1/subscriptions': ['admin', 'district', 'street'],
  'PATCH /api/v1/subscriptions/:id': ['admin', 'district', 'street'],
  'DELETE /api/v1/subscriptions/:id': ['admin', 'district', 'street'],
  'POST /api/v1/subscriptions/:id/test': ['admin', 'district', 'street'],
  'GET /api/v1/subscriptions/:id/deliveries': ['admin', 'district', 'street'],
  'GET /api/v1/subscriptions/dead-letters': ['admin', 'district', 'street'],
  'POST /api/v1/subscriptions/dead-letters/:id/retry': ['admin', 'district', 'street'],
  'GET /api/v1/district': EVERYONE,
  'GET /api/v1/sites': EVERYONE,
  'GET /api/v1/sites/:id': EVERYONE,
  'GET /api/v1/kinds': EVERYONE,
  'GET /api/v1/terms': EVERYONE,
  'GET /api/v1/events': EVERYONE,
  'GET /api/v1/session': EVERYONE,
  'DELETE /api/v1/session': EVERYONE,
  'GET /metrics': EVERYONE,
  'GET /api/v1/metrics': EVERYONE,
}
const PUBLIC =
  /^\/(api\/v1\/)?(healthz|readyz)$|^\/api\/v1\/(openapi\.json|session)$|^\/api\/docs|^\/[\w-]*(\.\w+)?$|^\/api\/v1\/public\/|^\/r\/:place$|^\/t\/:ticket$|^\/report\/([\w-]+\.\w+)?$/

describe('every route denies by default', () => {
  test('no route is missing from the table above, and none is public that should not be', () => {
    const guarded = site.server.routes.all().filter((route) => route.method !== 'HEAD')
    const closed = guarded.filter((route) => route.access?.public !== true)
    expect(closed.map((route) => `${route.method} ${route.url}`).sort()).toEqual(Object.keys(ALLOWED).sort())
    for (const route of guarded) if (route.access?.public) expect(route.url).toMatch(PUBLIC)
  })

  test('every route that lets a street or a team in says in scope.fixture.ts how it keeps to what is theirs', () => {
    const open = site.server.routes
      .all()
      .filter(({ method, access }) => method !== 'HEAD' && access?.public !== true)
      .filter(({ access }) => ['street', 'team'].some((role) => access?.roles?.includes(role as Role)))
      .map(({ method, url }) => `${method} ${url}`)
    expect([...TOLD].sort()).toEqual(open.sort())
  })

  test('without a token, and with a wrong one, every route answers 401', async () => {
    // A proxy on this machine speaks for somebody else: no door opens for being local.
    const proxied = { 'x-forwarded-for': '203.0.113.7' }
    for (const route of Object.keys(ALLOWED)) {
      const [method, url] = route.split(' ') as [string, string]
      expect([route, await statusOf(method, url, undefined, proxied)]).toEqual([route, 401])
      expect([route, await statusOf(method, url, 'nonsense', proxied)]).toEqual([route, 401])
    }
  })

  test.each([...ROLES, 'device' as const])('%s gets 403 everywhere but on its own routes', async (role) => {
    const token = role === 'device' ? deviceToken : tokens.get(role)!
    const proxied = { 'x-forwarded-for': '203.0.113.7' }
    for (const [route, roles] of Object.entries(ALLOWED)) {
      const [method, url] = route.split(' ') as [string, string]
      if (route === 'DELETE /api/v1/devices/:id' && role === 'admin') continue
      const status = await statusOf(method, url, token, proxied)
      if (roles.includes(role)) expect([route, status]).not.toEqual([route, expect.toBeOneOf([401, 403])])
      else expect([route, status]).toEqual([route, 403])
    }
  })

  test('metrics are open to processes of this machine, and only to them', async () => {
    expect(await statusOf('GET', '/metrics')).toBe(200)
    for (const proxy of [
      { forwarded: 'for=203.0.113.7' },
      { 'x-real-ip': '203.0.113.7' },
      { via: '1.1 web' },
    ])
      expect(await statusOf('GET', '/metrics', undefined, proxy)).toBe(401)
    // `fetch` does not let a page choose its host, nor us.
    const rebound = get(`${site.origin}/metrics`, { headers: { host: 'rebound.example' } })
    const [response] = (await once(rebound, 'response')) as [IncomingMessage]
    expect(response.resume().statusCode).toBe(401)
  })
})

test('the page of who may do what is what the code does (npx vitest run gateway/http/access -u)', async () => {
  await expect(accessPage(site.server.routes.all())).toMatchFileSnapshot('../../docs/access.md')
})

/** Contract §2, written down a second time: who hears and who says; all that is not here is nobody's. */
const HEARS: Record<string, readonly string[]> = {
  'v1/device-1/commands': ['device'],
  'v1/device-1/commands/c-1/result': ['device'],
  'v1/device-1/errors': ['device'],
  'v1/device-1/status': ['admin'],
  'v1/device-2/status': ['admin'],
  'v1/+/status': ['admin'],
  'alarms/street-1/device-1': EVERYONE,
  'alarms/street-1/#': EVERYONE,
  'alarms/street-2/#': ['admin', 'district', 'viewer'],
  'alarms/#': ['admin', 'district', 'viewer'],
  'dispatch/team-1/orders/case-1': ['admin', 'district', 'team'],
  'dispatch/team-1/results': ['admin', 'district', 'team'],
  'dispatch/team-1/actions': ['admin', 'district', 'team'],
  'dispatch/team-1/#': ['admin', 'district', 'team'],
  'dispatch/team-2/actions': ['admin', 'district'],
  'dispatch/team-2/#': ['admin', 'district'],
  'dispatch/#': ['admin', 'district'],
}
const SAYS: Record<string, readonly string[]> = {
  'v1/device-1/readings': ['device'],
  'v1/device-1/status': ['device'],
  'v1/device-1/commands/c-1/result': ['device'],
  'dispatch/team-1/actions': ['team'],
}

test.each(Object.keys(PRINCIPALS))('%s hears and says its own topics and no others', (name) => {
  const principal = PRINCIPALS[name]!
  for (const topic of TOPICS) {
    const expected = {
      read: HEARS[topic]?.includes(name) ?? false,
      publish: SAYS[topic]?.includes(name) ?? false,
    }
    expect([topic, topicCell(principal, topic)]).toEqual([topic, expected])
    if (principal.type === 'user') {
      const reads = { ...principal, grant: { token: 'id', readOnly: true } }
      expect([topic, topicCell(reads, topic)]).toEqual([topic, { ...expected, publish: false }])
    }
  }
})

test('a HEAD request gets no stream that it would hold open', async () => {
  expect(await statusOf('HEAD', '/api/v1/events', ADMIN_TOKEN)).toBe(405)
})

describe('nobody reads or writes a route or case outside their own', () => {
  let mine: string
  let theirs: string

  beforeAll(async () => {
    const near = await site.device(fume('near', 'wenfeng'))
    const far = await site.device(fume('far', 'hongqiao'))
    for (const [id, token] of [
      ['near', near],
      ['far', far],
    ]) {
      await site.call('POST', '/api/v1/readings', { token, body: [{ device: id, metrics: { fume: 1 } }] })
    }
    mine = site.alarm({ device: 'near' })!
    theirs = site.alarm({ device: 'far' })!
  })

  test.each(['street', 'team'] as const)(
    '%s sees its own part of every list and none of the rest',
    async (role) => {
      const token = tokens.get(role)
      const ids = async (path: string) =>
        (
          (await site.call('GET', `/api/v1/${path}`, { token })).body as { items: { id: string }[] }
        ).items.map((item) => item.id)
      expect(await ids('devices')).toEqual(['near'])
      expect(await ids('cases')).toEqual([mine])
      expect(await ids('cases?street=hongqiao')).toEqual([])
      expect(await ids('cases?team=hongqiao-crew')).toEqual([])
      expect((await ids('alarms')).map((id) => id.split(':')[1])).toEqual(['near'])
      expect(await ids('alarms?street=hongqiao')).toEqual([])
    },
  )

  test.each(['street', 'team'] as const)(
    'what lies outside of a %s looks as if it did not exist',
    async (role) => {
      const token = tokens.get(role)
      const alarm = site.cases.get(theirs)!.alarms[0]!
      for (const path of [
        'devices/far',
        `cases/${theirs}`,
        `alarms/${alarm}`,
        'readings?device=far&metric=fume',
      ])
        expect([path, (await site.call('GET', `/api/v1/${path}`, { token })).status]).toEqual([path, 404])
      const body = { action: 'accept' }
      expect((await site.call('POST', `/api/v1/cases/${theirs}/actions`, { token, body })).status).toBe(404)
      const command = { command: 'say', args: { text: 'x' } }
      expect((await site.call('POST', '/api/v1/devices/far/commands', { token, body: command })).status).toBe(
        404,
      )
      expect((await site.call('GET', '/api/v1/readings?device=near&metric=fume', { token })).status).toBe(200)
    },
  )

  test('a device hands in readings of its own, and a gateway those of the devices it speaks for', async () => {
    const forwards = { http: { forwards: ['near'] } }
    const gateway = await site.device(fume('lora', 'wenfeng', { protocols: forwards }))
    const send = async (token: string, device: string) =>
      (await site.call('POST', '/api/v1/readings', { token, body: [{ device, metrics: { fume: 2 } }] }))
        .status
    expect(await send(gateway, 'near')).toBe(202)
    expect(await send(gateway, 'far')).toBe(403)
    expect(await send(deviceToken, 'near')).toBe(403)
    expect(await send(`fume-1:${deviceToken}`, 'fume-1')).toBe(202)
    expect(await send(ADMIN_TOKEN, 'far')).toBe(202)
  })
})
