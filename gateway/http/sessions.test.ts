import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

let site: Site
let secret: string

beforeAll(async () => {
  site = await new Site().start()
  secret = await site.person('wu', 'street', { street: 'wenfeng' })
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

describe('a session', () => {
  test('lives in a cookie that scripts cannot read and other sites cannot send', async () => {
    const cookie = await signIn({ token: ADMIN_TOKEN })
    expect(cookie).toMatch(/^gw_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
    const who = await site.call('GET', '/api/v1/session', bearing(cookie))
    expect(who.body).toMatchObject({ name: 'admin', role: 'admin', street: null, team: null })
  })

  test('has the rights of its user, and says which actions they allow', async () => {
    const cookie = await signIn({ name: 'wu', secret })
    const who = await site.call('GET', '/api/v1/session', bearing(cookie))
    expect(who.body).toMatchObject({
      name: 'wu',
      street: 'wenfeng',
      actions: expect.arrayContaining(['close']),
    })
    expect((await site.call('GET', '/api/v1/quarantine', bearing(cookie))).status).toBe(403)
  })

  test('changes nothing when another page, or no page, sends the request', async () => {
    const cookie = await signIn({ token: ADMIN_TOKEN })
    const post = (more: Record<string, string>) =>
      site.call('POST', '/api/v1/devices', {
        body: fume('csrf-1'),
        ...bearing(cookie, { 'content-type': 'application/json', ...more }),
      })
    for (const headers of [
      {},
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `${site.origin}0` },
    ]) {
      expect((await post(headers)).body).toMatchObject({ status: 403, code: 'cross_site' })
    }
    expect((await post({ origin: site.origin })).status).toBe(201)
  })

  test('ends at sign-out', async () => {
    const cookie = await signIn({ token: ADMIN_TOKEN })
    const out = await site.call('DELETE', '/api/v1/session', bearing(cookie, { origin: site.origin }))
    expect(out.status).toBe(204)
    expect((await site.call('GET', '/api/v1/session', bearing(cookie))).status).toBe(401)
  })

  test('ends when it has not been used for long', async () => {
    const cookie = await signIn({ token: ADMIN_TOKEN })
    site.clock.ahead += 13 * 3_600_000
    expect((await site.call('GET', '/api/v1/session', bearing(cookie))).status).toBe(401)
    site.clock.ahead = 0
  })

  test("ends when its user's secret changes or the user is gone", async () => {
    const before = await signIn({ name: 'wu', secret })
    secret = (await site.users.rotateSecret('wu')).secret
    expect((await site.call('GET', '/api/v1/session', bearing(before))).status).toBe(401)
    const after = await signIn({ name: 'wu', secret })
    site.users.remove('wu')
    expect((await site.call('GET', '/api/v1/session', bearing(after))).status).toBe(401)
  })

  test.each([
    ['a wrong secret', { name: 'admin', secret: 'wrong' }, 401],
    ['an unknown name', { name: 'nobody', secret: 'wrong-wrong' }, 401],
    ['a wrong token', { token: 'wrong' }, 401],
    ['neither', {}, 400],
    ['a secret that is not text', { name: 'admin', secret: { $ne: 1 } }, 400],
  ])('is not given for %s', async (_what, body, status) => {
    const answer = await site.call('POST', '/api/v1/session', { body })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('set-cookie')).toBeNull()
  })

  test('is not for devices', async () => {
    const token = await site.device(fume('fume-9'))
    expect((await site.call('POST', '/api/v1/session', { body: { token } })).status).toBe(403)
  })

  test('cannot be guessed at speed', async () => {
    const tries = Array.from({ length: 40 }, () =>
      site.call('POST', '/api/v1/session', { body: { token: 'guess' } }),
    )
    const last = (await Promise.all(tries)).filter((answer) => answer.status === 429)
    expect(last.length).toBeGreaterThan(0)
    expect(last[0]!.body).toMatchObject({ code: 'too_many_requests' })
    expect(Number(last[0]!.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})
