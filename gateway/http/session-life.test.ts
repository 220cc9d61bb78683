import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

let site: Site

beforeAll(async () => {
  site = await new Site().start()
})
afterAll(() => site.stop())

async function signIn(body: object): Promise<string> {
  const answer = await site.call('POST', '/api/v1/session', { body })
  expect(answer.status).toBe(200)
  return answer.headers.get('set-cookie')!
}
const bearing = (cookie: string, more: Record<string, string> = {}) => ({
  headers: { cookie: cookie.split(';')[0]!, ...more },
})

describe('sessions over time', () => {
  const admin = { token: ADMIN_TOKEN }
  const add = async (name: string, more: object = {}) =>
    (
      (await site.call('POST', '/api/v1/users', { ...admin, body: { name, role: 'viewer', ...more } }))
        .body as {
        secret: string
      }
    ).secret
  const statusOf = async (cookie: string) =>
    (await site.call('GET', '/api/v1/session', bearing(cookie))).status

  test('survive a restart of the gateway, each with its own end', async () => {
    const own = await add('sun', { expires: site.clock.now() + 3_600_000 })
    const cookie = await signIn({ name: 'sun', secret: own })
    const admins = await signIn(admin)
    await site.restart()
    expect(await statusOf(cookie)).toBe(200)
    expect(await statusOf(admins)).toBe(200)
    site.clock.ahead += 3_600_000
    const ended = await site.call('GET', '/api/v1/session', bearing(cookie))
    expect(ended.body).toMatchObject({ status: 401, code: 'expired' })
    expect(ended.headers.get('www-authenticate')).toContain('Bearer')
    site.clock.ahead = 0
    await site.users.rotateSecret('sun')
    await site.restart()
    expect(await statusOf(cookie)).toBe(401)
  })

  test('signing in again in the same browser ends the former session', async () => {
    const first = await signIn(admin)
    const answer = await site.call('POST', '/api/v1/session', { body: admin, ...bearing(first) })
    expect(await statusOf(first)).toBe(401)
    expect(await statusOf(answer.headers.get('set-cookie')!)).toBe(200)
  })

  test('are listed to their user, and end one by one or all together', async () => {
    const own = await add('qian')
    const [here, there] = [
      await signIn({ name: 'qian', secret: own }),
      await signIn({ name: 'qian', secret: own }),
    ]
    type List = { items: { id: string; current: boolean; address: string }[] }
    const list = async (cookie: string) =>
      ((await site.call('GET', '/api/v1/sessions', bearing(cookie))).body as List).items
    const shown = await list(here)
    expect(shown).toHaveLength(2)
    expect(shown.filter(({ current }) => current)).toHaveLength(1)
    expect(shown[0]!.address).toBe('127.0.0.1')
    const other = shown.find(({ current }) => !current)!
    const from = bearing(here, { origin: site.origin })
    expect((await site.call('DELETE', `/api/v1/sessions/${other.id}`, from)).status).toBe(204)
    expect((await site.call('DELETE', `/api/v1/sessions/${other.id}`, from)).status).toBe(404)
    expect([await statusOf(here), await statusOf(there)]).toEqual([200, 401])
    const again = await signIn({ name: 'qian', secret: own })
    expect((await site.call('DELETE', '/api/v1/sessions', from)).status).toBe(204)
    expect([await statusOf(here), await statusOf(again)]).toEqual([401, 401])
    const last = await signIn({ name: 'qian', secret: own })
    expect((await site.call('DELETE', '/api/v1/users/qian/sessions', admin)).status).toBe(204)
    expect(await statusOf(last)).toBe(401)
  })

  test('people choose their own secret, which ends every session but the one that they get for it', async () => {
    const own = await add('feng')
    const before = await signIn({ name: 'feng', secret: own })
    const choose = (secret: string, newSecret: string) =>
      site.call('POST', '/api/v1/session/secret', {
        body: { secret, newSecret },
        ...bearing(before, { origin: site.origin }),
      })
    expect((await choose('wrong wrong', 'correct horse')).status).toBe(403)
    expect((await choose(own, 'short')).status).toBe(400)
    const chosen = await choose(own, 'correct horse')
    expect(chosen.status).toBe(204)
    expect(await statusOf(before)).toBe(401)
    expect(await statusOf(chosen.headers.get('set-cookie')!)).toBe(200)
    expect(await statusOf(await signIn({ name: 'feng', secret: 'correct horse' }))).toBe(200)
  })
})

describe('a token', () => {
  const admin = { token: ADMIN_TOKEN }
  type Made = { id: string; token: string }

  test('is made by its user or an admin, shown once, and listed without its text', async () => {
    const own = await site.person('he', 'viewer')
    const other = await site.person('lv', 'viewer')
    const body = { title: 'wall', expires: site.clock.now() + 1000 }
    const made = await site.call('POST', '/api/v1/users/he/tokens', { token: own, body })
    expect(made.status).toBe(201)
    const { id, token } = made.body as Made
    for (const asked of [own, ADMIN_TOKEN]) {
      const list = await site.call('GET', '/api/v1/users/he/tokens', { token: asked })
      expect(list.body).toMatchObject({ items: [{ id, title: 'wall', readOnly: false, lastUsed: null }] })
      expect(JSON.stringify(list.body)).not.toContain(token)
    }
    for (const [method, path] of [
      ['GET', 'he/tokens'],
      ['POST', 'he/tokens'],
      ['DELETE', `he/tokens/${id}`],
      ['GET', 'nobody/tokens'],
    ] as const) {
      const given = { token: other, ...(method === 'POST' && { body }) }
      expect((await site.call(method, `/api/v1/users/${path}`, given)).status).toBe(404)
    }
    expect((await site.call('POST', '/api/v1/users/he/tokens', { token, body })).status).toBe(403)
    expect((await site.call('POST', '/api/v1/users/admin/tokens', { ...admin, body })).status).toBe(404)
    const audit = site.parts.audit.list({ limit: 1, action: 'user.token' }).items[0]!
    expect(audit).toMatchObject({ actor: 'he', subject: 'he', detail: `${id} wall` })
  })

  test('that may only read changes nothing by any door, and can be signed out', async () => {
    const expires = new Date(site.clock.now() + 60_000).toISOString()
    await site.person('ops', 'admin')
    const body = { title: 'wall', expires, readOnly: true }
    const made = await site.call('POST', '/api/v1/users/ops/tokens', { ...admin, body })
    const { token } = made.body as Made
    expect((await site.call('GET', '/api/v1/users', { token })).status).toBe(200)
    const device = { token, body: fume('no-1') }
    expect((await site.call('POST', '/api/v1/devices', device)).body).toMatchObject({ code: 'forbidden' })
    const reading = { token, body: [{ device: 'no-1', metrics: { fume: 1 } }] }
    expect((await site.call('POST', '/api/v1/readings', reading)).status).toBe(403)
    const cookie = await signIn({ token })
    const from = bearing(cookie, { origin: site.origin, 'content-type': 'application/json' })
    expect((await site.call('POST', '/api/v1/devices', { ...from, body: fume('no-1') })).status).toBe(403)
    expect((await site.call('DELETE', '/api/v1/session', from)).status).toBe(204)
  })

  test('takes its sessions along when it expires or is revoked', async () => {
    const own = await site.person('xu', 'viewer')
    const make = async () => {
      const body = { title: 'x', expires: site.clock.now() + 60_000 }
      return (await site.call('POST', '/api/v1/users/xu/tokens', { token: own, body })).body as Made
    }
    const [first, second] = [await make(), await make()]
    const [one, two] = [
      await signIn({ name: 'xu', secret: first.token }),
      await signIn({ token: second.token }),
    ]
    await site.call('DELETE', `/api/v1/users/xu/tokens/${first.id}`, { token: own })
    expect((await site.call('GET', '/api/v1/session', bearing(one))).body).toMatchObject({
      code: 'unauthenticated',
    })
    expect((await site.call('GET', '/api/v1/session', bearing(two))).status).toBe(200)
    site.clock.ahead += 60_000
    for (const asked of [bearing(two), { token: second.token }])
      expect((await site.call('GET', '/api/v1/session', asked)).body).toMatchObject({
        status: 401,
        code: 'expired',
      })
    site.clock.ahead = 0
  })
})
