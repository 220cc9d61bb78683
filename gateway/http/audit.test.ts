import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

let site: Site
beforeAll(async () => {
  site = await new Site().start()
})
afterAll(() => site.stop())

const admin = { token: ADMIN_TOKEN }

test('every change is in the audit with who made it and from where; filters and pages find it', async () => {
  await site.call('POST', '/api/v1/devices', { ...admin, body: fume('fume-1') })
  await site.call('PATCH', '/api/v1/devices/fume-1', { ...admin, body: { street: 'wenfeng' } })
  await site.call('POST', '/api/v1/users', { ...admin, body: { name: '=cmd', role: 'viewer' } })
  await site.call('POST', '/api/v1/users', { ...admin, body: { name: 'lin', role: 'viewer' } })
  const all = (await site.call('GET', '/api/v1/audit', admin)).body as { items: object[] }
  expect(all.items).toMatchObject([
    { actor: 'admin', action: 'user.create', subject: 'lin', detail: 'viewer', address: '127.0.0.1' },
    { actor: 'admin', action: 'device.change', subject: 'fume-1', detail: 'street', address: '127.0.0.1' },
    { actor: 'admin', action: 'device.create', subject: 'fume-1', address: '127.0.0.1' },
  ])
  const first = (await site.call('GET', '/api/v1/audit?action=device.&limit=1', admin)).body as {
    items: { action: string }[]
    cursor: string
  }
  expect(first.items.map(({ action }) => action)).toEqual(['device.change'])
  const next = await site.call('GET', `/api/v1/audit?action=device.&limit=1&cursor=${first.cursor}`, admin)
  expect(next.body).toMatchObject({ items: [{ action: 'device.create' }] })
  expect((await site.call('GET', '/api/v1/audit?from=tomorrow', admin)).status).toBe(400)
})

test('the export has all of it in order, is safe in a spreadsheet, and is an entry itself', async () => {
  for (let i = 0; i < 1200; i++) site.parts.audit.note('lin', 'personal.read', '=HYPERLINK("x")', `look ${i}`)
  const answer = await site.call('GET', '/api/v1/audit?format=csv&actor=lin', admin)
  expect(answer.headers.get('content-type')).toMatch(/^text\/csv/)
  const lines = String(answer.body).trim().split('\r\n')
  expect(lines[0]).toBe('id,at,actor,action,subject,detail,address')
  expect(lines).toHaveLength(1201)
  expect(lines[1]).toMatch(
    /^\d+,20\d\d-\d\d-\d\dT[\d:.]+\+08:00,lin,personal\.read,"'=HYPERLINK\(""x""\)",look 1199,$/,
  )
  const [newest] = site.parts.audit.list({ limit: 1 }).items
  expect(newest).toMatchObject({ actor: 'admin', action: 'audit.export', detail: '{"actor":"lin"}' })
})
