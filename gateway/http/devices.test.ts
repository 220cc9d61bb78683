import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ADMIN_TOKEN as token, fume, Site } from './server.fixture.ts'

let site: Site

beforeAll(async () => {
  site = await new Site().start()
})
afterAll(() => site.stop())

test('a device is registered, changed, given a new secret and removed', async () => {
  const made = await site.call('POST', '/api/v1/devices', { token, body: fume('fume-1') })
  expect(made.status).toBe(201)
  expect(made.headers.get('location')).toBe('/api/v1/devices/fume-1')
  const { secret, ...device } = made.body as { secret: string }
  expect(device).toEqual(fume('fume-1'))

  const send = async (by: string) =>
    (await site.call('POST', '/api/v1/readings', { token: by, body: [{ metrics: { fume: 1 } }] })).status
  expect(await send(`fume-1:${secret}`)).toBe(202)

  const shown = await site.call('GET', '/api/v1/devices/fume-1', { token })
  expect(shown.body).toMatchObject({ ...fume('fume-1'), presence: null, last: { metrics: { fume: 1 } } })
  expect(JSON.stringify(shown.body)).not.toContain(secret)

  const patch = { attributes: { fume_limit: 1 }, position: null }
  const changed = await site.call('PATCH', '/api/v1/devices/fume-1', { token, body: patch })
  expect(changed.body).toMatchObject({ attributes: { fume_limit: 1 }, site: 'fume-1-site' })
  expect(changed.body).not.toHaveProperty('position')

  const renewed = await site.call('POST', '/api/v1/devices/fume-1/secret', { token })
  expect(await send(`fume-1:${secret}`)).toBe(401)
  expect(await send((renewed.body as { secret: string }).secret)).toBe(202)

  expect((await site.call('DELETE', '/api/v1/devices/fume-1', { token })).status).toBe(204)
  expect((await site.call('GET', '/api/v1/devices/fume-1', { token })).status).toBe(404)
})

test('whoever registers or changes a device is told which of its attributes no rule can read', async () => {
  const warnings = ['attributes.fume_limit: "1 mg" is not understood; expected a number without a unit']
  site.unreadable.set('warned', warnings)
  const body = fume('warned', 'wenfeng', { attributes: { fume_limit: '1 mg' } })
  expect((await site.call('POST', '/api/v1/devices', { token, body })).body).toMatchObject({ warnings })
  const patch = { attributes: { floor: 2 } }
  const changed = () => site.call('PATCH', '/api/v1/devices/warned', { token, body: patch })
  expect((await changed()).body).toMatchObject({ warnings })
  site.unreadable.delete('warned')
  expect((await changed()).body).not.toHaveProperty('warnings')
})

test('a change that cannot be written into the audit is not made', async () => {
  await site.device(fume('kept'))
  const people = site.users.list({ limit: 100 }).items
  vi.spyOn(site.parts.audit, 'note').mockImplementation(() => {
    throw new Error('disk full')
  })
  for (const [method, path, body] of [
    ['POST', 'devices', fume('new')],
    ['PATCH', 'devices/kept', { site: 'moved' }],
    ['POST', 'devices/kept/secret', undefined],
    ['DELETE', 'devices/kept', undefined],
    ['POST', 'users', { name: 'new-one', role: 'viewer' }],
  ] as const)
    expect([path, (await site.call(method, `/api/v1/${path}`, { token, body })).status]).toEqual([path, 500])
  vi.restoreAllMocks()
  expect(site.devices.get('kept')).toEqual(fume('kept'))
  expect(site.devices.get('new')).toBeUndefined()
  expect(site.users.list({ limit: 100 }).items).toEqual(people)
})

test('a secret of the owner’s choice is taken', async () => {
  const body = { ...fume('fume-2'), secret: 'chosen-by-me' }
  expect((await site.call('POST', '/api/v1/devices', { token, body })).body).toMatchObject({
    secret: 'chosen-by-me',
  })
  const readings = [{ metrics: { fume: 1 } }]
  expect(
    (await site.call('POST', '/api/v1/readings', { token: 'fume-2:chosen-by-me', body: readings })).status,
  ).toBe(202)
})

test('a list pages through everything once, by id', async () => {
  for (const i of [5, 3, 9, 7]) await site.device(fume(`paged-${i}`, 'qinzao'))
  const ids: string[] = []
  let cursor: string | undefined
  do {
    const path = `/api/v1/devices?limit=2&street=qinzao${cursor === undefined ? '' : `&cursor=${cursor}`}`
    const page = (await site.call('GET', path, { token })).body as {
      items: { id: string }[]
      cursor?: string
    }
    ids.push(...page.items.map((item) => item.id))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(ids).toEqual(['paged-3', 'paged-5', 'paged-7', 'paged-9'])
})

test('a command goes out on the device’s own topic, with an id and an end', async () => {
  await site.device({ ...fume('speaker-1'), kind: 'loudspeaker' })
  const body = { command: 'say', args: { text: '请立即关闭炉灶' } }
  const answer = await site.call('POST', '/api/v1/devices/speaker-1/commands', { token, body })
  expect(answer.status).toBe(202)
  const { id, expires } = answer.body as { id: string; expires: number }
  const { topic, payload } = site.published.at(-1)!
  expect(topic).toBe('v1/speaker-1/commands')
  expect(JSON.parse(payload)).toEqual({ id, expires, ...body })
  expect(expires).toBeGreaterThan(site.clock.now())
})
