import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Device } from '../model/device.ts'
import { EventReader } from './event-source.fixture.ts'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

let site: Site
let near: string
const readers: EventReader[] = []

beforeAll(async () => {
  site = await new Site().start()
  near = await site.device(fume('near', 'wenfeng'))
  await site.device(fume('far', 'hongqiao'))
})
afterEach(() => {
  for (const reader of readers.splice(0)) reader.close()
})
afterAll(() => site.stop())

async function listen(token = ADMIN_TOKEN, lastId?: string): Promise<EventReader> {
  const reader = new EventReader()
  readers.push(reader)
  const response = await reader.open(`${site.origin}/api/v1/events`, {
    authorization: `Bearer ${token}`,
    ...(lastId !== undefined && { 'last-event-id': lastId }),
  })
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  if (lastId === undefined) await vi.waitFor(() => expect(reader.lastId).not.toBe(''))
  return reader
}

const send = (fumes: number) =>
  site.call('POST', '/api/v1/readings', { token: near, body: [{ metrics: { fume: fumes } }] })
const about = (id: string) => (event: { data: unknown }) => (event.data as { id?: string }).id === id

describe('GET /events', () => {
  test('tells readings, alarms, cases and devices as they happen', async () => {
    const reader = await listen()
    await send(1.25)
    const reading = await reader.find((event) => event.type === 'reading')
    expect(reading.data).toMatchObject({ device: 'near', street: 'wenfeng', metrics: { fume: 1.25 } })
    const id = site.alarm({ device: 'near' })!
    expect((await reader.find((event) => event.type === 'alarm')).data).toMatchObject({ case: id })
    expect((await reader.find((event) => event.type === 'case')).data).toMatchObject({
      id,
      state: 'dispatched',
    })
    site.devices.setPresence('near', true, 1)
    expect((await reader.find((event) => event.type === 'device')).data).toMatchObject({
      id: 'near',
      presence: { online: true, at: 1 },
    })
  })

  test('goes on where it broke: what was missed comes once and in order', async () => {
    const before = await listen()
    before.close()
    const seen = Number(before.lastId.split('-')[1])
    for (let i = 0; i < 5; i++) site.devices.patch('far', { attributes: { step: i } })
    const after = await listen(ADMIN_TOKEN, before.lastId)
    await vi.waitFor(() => expect(after.events.length).toBe(5))
    expect(after.events.map((event) => Number(event.id.split('-')[1]) - seen)).toEqual([1, 2, 3, 4, 5])
    expect(after.events.map((event) => (event.data as Device).attributes)).toEqual(
      [0, 1, 2, 3, 4].map((step) => ({ step })),
    )
  })

  test.each(['elsewhere-5', 'nonsense', '0-99999999'])(
    'an id that is not known (%s) gets a reset',
    async (id) => {
      const reader = await listen(ADMIN_TOKEN, id)
      await reader.find((event) => event.type === 'reset')
      expect(reader.events.length).toBe(1)
    },
  )

  test('everyone hears of their own part of the district only', async () => {
    const street = await listen(await site.person('wu', 'street', { street: 'wenfeng' }))
    const team = await listen(await site.person('ma', 'team', { team: 'hongqiao-crew' }))
    site.alarm({ device: 'far' })
    site.alarm({ device: 'near', startedAt: 5 })
    site.devices.patch('far', { attributes: {} })
    site.devices.setPresence('far', true, 1)
    site.devices.setPresence('near', false, 2)
    await street.find(about('near'))
    await team.find(about('far'))
    const places = (reader: EventReader) =>
      new Set(reader.events.map((event) => (event.data as { street: string }).street))
    expect(places(street)).toEqual(new Set(['wenfeng']))
    expect(places(team)).toEqual(new Set(['hongqiao']))
  })

  test('who saw a device hears that it moved away or is gone', async () => {
    const street = await listen(await site.person('qi', 'street', { street: 'qinzao' }))
    await site.device(fume('mover', 'qinzao'))
    await street.find(about('mover'))
    site.devices.patch('mover', { street: 'xuetian', grid: 'xuetian-001' })
    await street.find((event) => (event.data as { deleted?: boolean }).deleted === true)
    const all = await listen()
    site.devices.remove('mover')
    expect((await all.find(about('mover'))).data).toEqual({ id: 'mover', deleted: true })
  })

  test('a device that comes and goes fast is told as it is then, and the stream stays slow', async () => {
    const reader = await listen()
    for (let at = 10; at < 1000; at++) {
      site.devices.setPresence('far', at % 2 === 0, at)
      if (at % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await reader.find((event) => (event.data as { presence?: { at: number } }).presence?.at === 999)
    expect(reader.events.length).toBeLessThan(60)
  })

  test('nobody takes all the streams: the 51st of one user is refused, that of another is not', async () => {
    const busy = await site.person('busy', 'viewer')
    await Promise.all(Array.from({ length: 50 }, () => listen(busy)))
    expect(await site.call('GET', '/api/v1/events', { token: busy })).toMatchObject({
      status: 503,
      body: { code: 'overloaded' },
    })
    await listen()
  })

  test('a device that sends fast is told with its newest reading, and the stream stays slow', async () => {
    const reader = await listen()
    await Promise.all(Array.from({ length: 300 }, (_, i) => send(i / 100)))
    await send(42)
    await reader.find((event) => (event.data as { metrics?: { fume: number } }).metrics?.fume === 42)
    expect(reader.events.length).toBeLessThan(60)
  })
})
