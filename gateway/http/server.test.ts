import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test, vi } from 'vitest'
import { EventReader } from './event-source.fixture.ts'
import { ADMIN_TOKEN, Site } from './server.fixture.ts'

test('a stop ends streams and idle connections at once', async () => {
  const site = await new Site().start()
  const reader = new EventReader()
  await reader.open(`${site.origin}/api/v1/events`, { authorization: `Bearer ${ADMIN_TOKEN}` })
  const idle = connect(site.server.port(), '127.0.0.1')
  await once(idle, 'connect')
  idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(idle, 'data')
  const closed = once(idle, 'close')
  idle.resume()
  await site.stop()
  await closed
  await reader.end()
})

test('a stop does not wait for a request that never ends', async () => {
  const site = await new Site().start()
  const slow = connect(site.server.port(), '127.0.0.1')
  slow.on('error', () => {})
  await once(slow, 'connect')
  slow.write(
    'POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
  )
  slow.resume()
  const closed = new Promise((resolve) => slow.on('close', resolve))
  await site.stop()
  await closed
}, 10_000)

test('a stopped server can be stopped again', async () => {
  const site = await new Site().start()
  await site.server.stop()
  await site.stop()
})

test('readiness shows each part, and is 503 when one of them is not ready', async () => {
  const state = { ready: true, detail: 'well' }
  const site = await new Site({
    health: { journal: () => state, historian: () => ({ ready: true, detail: 'x' }) },
  }).start()
  const ready = await site.call('GET', '/readyz')
  expect(ready).toMatchObject({ status: 200, body: { ready: true, parts: { journal: state } } })
  state.ready = false
  state.detail = 'disk full since 12:00'
  for (const path of ['/readyz', '/api/v1/readyz']) {
    expect(await site.call('GET', path)).toMatchObject({
      status: 503,
      body: { ready: false, parts: { journal: state, historian: { ready: true } } },
    })
  }
  expect((await site.call('GET', '/healthz')).status).toBe(200)
  await site.stop()
})

test('metrics count what the ledger counts, and their labels never come from outside', async () => {
  const site = await new Site().start()
  const body = [{ device: '"}evil{x="', metrics: { fume: 1 } }]
  await site.call('POST', '/api/v1/readings', { token: ADMIN_TOKEN, body })
  await site.call('GET', '/api/v1/devices/evil-in-the-path', { token: ADMIN_TOKEN })
  await site.call('GET', '/evil-in-the-path')
  const text = await vi.waitFor(async () => {
    const page = String((await site.call('GET', '/metrics')).body)
    expect(page).toContain('route="none"')
    return page
  })
  expect(text).toContain('gridwhistle_readings_quarantined_total 1')
  expect(text).toContain('gridwhistle_cases_open{state="queued"} 0')
  expect(text).toContain('gridwhistle_alarms_firing{severity="red"} 0')
  expect(text).toContain('route="/api/v1/devices/:id",status="4xx"')
  expect(text).toContain('nodejs_eventloop_lag_seconds')
  expect(text).not.toContain('evil')
  await site.stop()
})

test('pages come with a policy that runs and loads nothing from elsewhere', async () => {
  const site = await new Site().start()
  const { headers } = await site.call('GET', '/')
  const policy = headers.get('content-security-policy')!
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self'")
  expect(policy).not.toMatch(/unsafe|https?:|\*/)
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  await site.stop()
})
