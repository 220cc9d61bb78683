import { afterEach, expect, test } from 'vitest'
import { ADMIN_TOKEN, Site } from './server.fixture.ts'

let site: Site
afterEach(() => site.stop())

let count = 0
/** The address that the audit holds of a request with these headers. */
async function seen(headers: Record<string, string>): Promise<string | null> {
  const body = { name: `user-${++count}`, role: 'viewer' }
  await site.call('POST', '/api/v1/users', { token: ADMIN_TOKEN, body, headers })
  return site.parts.audit.list({ limit: 1 }).items[0]!.address
}

test('nobody is where they say they are: X-Forwarded-For counts from trusted proxies alone', async () => {
  site = await new Site().start()
  for (const header of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'client-ip'])
    expect(await seen({ [header]: '203.0.113.9' })).toBe('127.0.0.1')
  await site.stop()
  site = await new Site({ trustedProxies: ['10.0.0.0/8'] }).start()
  expect(await seen({ 'x-forwarded-for': '203.0.113.9' })).toBe('127.0.0.1')
})

test('behind a trusted proxy a client is where the proxy saw it, whatever it put in front', async () => {
  site = await new Site({ trustedProxies: ['127.0.0.0/8', '10.1.0.0/16'] }).start()
  expect(await seen({ 'x-forwarded-for': '203.0.113.9' })).toBe('203.0.113.9')
  expect(await seen({ 'x-forwarded-for': '198.51.100.1, 203.0.113.9' })).toBe('203.0.113.9')
  expect(await seen({ 'x-forwarded-for': '127.0.0.1, 10.1.2.3, 203.0.113.9' })).toBe('203.0.113.9')
  expect(await seen({ 'x-forwarded-for': '203.0.113.9, 10.1.2.3' })).toBe('203.0.113.9')
  expect(await seen({})).toBe('127.0.0.1')
})

test('limits are of clients, not of the proxy that they share', async () => {
  site = await new Site({ trustedProxies: ['127.0.0.1'] }).start()
  const guess = async (address: string) =>
    (
      await site.call('POST', '/api/v1/session', {
        body: { name: 'nobody', secret: '' },
        headers: { 'x-forwarded-for': address },
      })
    ).status
  for (let i = 0; i < 30; i++) expect(await guess('203.0.113.9')).toBe(401)
  expect(await guess('203.0.113.9')).toBe(429)
  expect(await guess('203.0.113.10')).toBe(401)
})

test('metrics stay closed to who comes through a proxy on this machine, trusted or not', async () => {
  site = await new Site({ trustedProxies: ['127.0.0.1'] }).start()
  const ask = async (headers: Record<string, string>) =>
    (await site.call('GET', '/metrics', { headers })).status
  expect(await ask({})).toBe(200)
  expect(await ask({ 'x-forwarded-for': '127.0.0.1' })).toBe(401)
})
