import { afterAll, beforeAll, expect, test } from 'vitest'
import { Receiver, verified } from '../dispatch/announce/receiver.fixture.ts'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

let site: Site
let receiver: Receiver
let street: string
let district: string

beforeAll(async () => {
  site = await new Site().start()
  receiver = await new Receiver().start()
  await site.device(fume('fume-1', 'wenfeng'))
  await site.device(fume('fume-2', 'wenfeng'))
  street = await site.person('wu', 'street', { street: 'wenfeng' })
  district = await site.person('li', 'district')
})
afterAll(async () => {
  await site.stop()
  await receiver.stop()
})

interface Shape {
  id: string
  url: string
  secret?: string
  filter: { streets?: string[] }
}

const call = async (method: string, path: string, body?: unknown, token = ADMIN_TOKEN) => {
  const answer = await site.call(method, `/api/v1/subscriptions${path}`, { token, body })
  return {
    status: answer.status,
    body: answer.body as Shape & { items: Shape[]; code: string; detail: string },
  }
}
const hook = () => ({ type: 'webhook', url: `${receiver.url}/hook?token=TOKEN-OF-THE-URL` })

async function until<T>(probe: () => T | Promise<T | undefined> | undefined): Promise<T> {
  for (let tries = 0; tries < 300; tries++) {
    const found = await probe()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`not within 3 s: ${probe.toString()}`)
}

test('secrets are shown once or never: not in lists, not in answers, not in the audit', async () => {
  const made = await call('POST', '', hook())
  expect(made.status).toBe(201)
  const { secret, ...shown } = made.body
  expect(secret).toMatch(/^whsec_/)
  expect(shown).toMatchObject({ url: `${receiver.url}/hook?token=***`, hasSecret: true, language: 'zh' })
  const chosen = await call('POST', '', { ...hook(), secret: 'a secret of our own' })
  expect(chosen.body).not.toHaveProperty('secret')
  await call('PATCH', `/${chosen.body.id}`, {
    secret: 'another secret of our own',
    url: `${receiver.url}/b?k=OTHER-TOKEN`,
  })
  const everything = JSON.stringify([
    (await call('GET', '')).body,
    (await call('GET', `/${chosen.body.id}/deliveries`)).body,
    site.parts.audit.list({ limit: 100 }),
  ])
  expect(everything).toContain('subscription.change')
  for (const hidden of [secret!, 'secret of our own', 'TOKEN-OF-THE-URL', 'OTHER-TOKEN'])
    expect(everything).not.toContain(hidden)
  for (const { id } of [made.body, chosen.body]) expect((await call('DELETE', `/${id}`)).status).toBe(204)
})

test('a test message arrives, signed, and what became of it is said', async () => {
  const { body } = await call('POST', '', hook())
  expect(await call('POST', `/${body.id}/test`)).toMatchObject({
    status: 200,
    body: { delivered: true, detail: null },
  })
  expect(verified(receiver.received.at(-1)!, body.secret!)).toMatchObject({
    type: 'cn.gridwhistle.case.test',
  })
  const hanging: (() => void)[] = []
  receiver.reply = (response) => void hanging.push(() => response.end())
  const slow = call('POST', `/${body.id}/test`)
  await until(() => hanging[0])
  // One at a time.
  expect((await call('POST', `/${body.id}/test`)).body.code).toBe('overloaded')
  hanging[0]!()
  expect((await slow).body).toMatchObject({ delivered: true })
  receiver.reply = (response) => response.writeHead(302, { location: 'http://127.0.0.1/' }).end()
  expect((await call('POST', `/${body.id}/test`)).body).toMatchObject({
    delivered: false,
    detail: /redirect/,
  })
  receiver.reply = (response) => response.end()
  await call('DELETE', `/${body.id}`)
})

test('a street has what is about its own cases alone, and sees and touches no other', async () => {
  const own = await call('POST', '', hook(), street)
  expect(own.body.filter).toEqual({ streets: ['wenfeng'] })
  const { body: all } = await call('POST', '', hook(), district)
  const { body: both } = await call('POST', '', { ...hook(), filter: { streets: ['wenfeng', 'hongqiao'] } })
  expect((await call('GET', '', undefined, street)).body.items.map(({ id }) => id)).toEqual([own.body.id])
  expect((await call('GET', '', undefined, district)).body.items).toHaveLength(3)
  expect((await call('POST', '', { ...hook(), filter: { streets: ['hongqiao'] } }, street)).status).toBe(403)
  expect((await call('PATCH', `/${own.body.id}`, { filter: { streets: ['hongqiao'] } }, street)).status).toBe(
    403,
  )
  // A filter without streets is that of the street, not of the whole district.
  expect((await call('PATCH', `/${own.body.id}`, { filter: {} }, street)).body.filter).toEqual({
    streets: ['wenfeng'],
  })
  for (const { id } of [all, both]) {
    for (const [method, path, body] of [
      ['PATCH', `/${id}`, { language: 'en' }],
      ['DELETE', `/${id}`],
      ['POST', `/${id}/test`],
      ['GET', `/${id}/deliveries`],
    ] as const)
      expect((await call(method, path, body, street)).status).toBe(404)
    await call('DELETE', `/${id}`)
  }
  await call('DELETE', `/${own.body.id}`, undefined, street)
})

test('a street has twenty, and leaves the others theirs', async () => {
  const made: string[] = []
  for (let i = 0; i < 20; i++) made.push((await call('POST', '', hook(), street)).body.id)
  expect((await call('POST', '', hook(), street)).body.code).toBe('overloaded')
  const other = await call('POST', '', hook(), district)
  expect(other.status).toBe(201)
  for (const id of [...made, other.body.id]) await call('DELETE', `/${id}`)
})

test('dead letters are listed, each to those who may see it, and go out again when asked to', async () => {
  const { body: made } = await call('POST', '', hook(), district)
  receiver.received.splice(0)
  receiver.reply = (response) => response.writeHead(410).end()
  site.alarm({ device: 'fume-1' })
  const letters = async (token: string) => (await call('GET', '/dead-letters', undefined, token)).body.items
  const letter = await until(async () => (await letters(district))[0])
  expect(letter).toMatchObject({
    subscription: made.id,
    state: 'dead',
    count: 1,
    detail: 'HTTP 410',
    nextAt: null,
    events: [{ event: 'opened' }],
  })
  expect(await letters(street)).toEqual([])
  expect((await call('POST', `/dead-letters/${letter.id}/retry`, undefined, street)).status).toBe(404)
  receiver.reply = (response) => response.end()
  expect((await call('POST', `/dead-letters/${letter.id}/retry`, undefined, district)).status).toBe(202)
  await until(() => receiver.received[1])
  expect(receiver.received[1]!.body).toBe(receiver.received[0]!.body)
  await until(async () => ((await letters(district)).length === 0 ? true : undefined))
  expect((await call('POST', `/dead-letters/${letter.id}/retry`, undefined, district)).status).toBe(404)
  await call('DELETE', `/${made.id}`)
})

test('deliveries are paged, newest first', async () => {
  const { body: made } = await call('POST', '', hook())
  const caseId = site.alarm({ device: 'fume-2' })!
  await until(() => receiver.received.find(({ body }) => body.includes(caseId)))
  await call('POST', '', undefined)
  expect(
    (
      await site.call('POST', `/api/v1/cases/${caseId}/actions`, {
        token: ADMIN_TOKEN,
        body: { action: 'supervise' },
      })
    ).status,
  ).toBe(200)
  const page = async (query: string) =>
    (await call('GET', `/${made.id}/deliveries?limit=1${query}`)).body as unknown as {
      items: { events: { event: string }[]; state: string }[]
      cursor?: string
    }
  const first = await until(async () => {
    const found = await page('')
    return found.items[0]?.events[0]?.event === 'supervised' ? found : undefined
  })
  const second = await page(`&cursor=${first.cursor}`)
  expect(second.items[0]!.events).toEqual([{ event: 'opened', case: caseId }])
  expect(second.cursor).toBeUndefined()
})

test.each([
  [{ type: 'webhook', url: 'http://10.0.0.1/hook' }, /url: leads to 10\.0\.0\.1/],
  [{ type: 'webhook', url: 'http://127.0.0.1/', filter: { streets: ['nowhere'] } }, /no street/],
  [{ type: 'sms', url: 'https://example.cn/' }, /type/],
  [{ type: 'webhook', url: 'https://example.cn/', more: 1 }, /more/],
  [{ type: 'webhook', url: 'https://example.cn/', filter: { events: ['nothing'] } }, /events/],
])('what is wrong is said: %j', async (body, what) => {
  const answer = await call('POST', '', body)
  expect(answer).toMatchObject({ status: 400, body: { code: 'bad_request' } })
  expect(answer.body.detail).toMatch(what)
})
