import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { png } from '../evidence/media.fixture.ts'
import type { Case } from '../model/case.ts'
import { ADMIN_TOKEN as token, fume, Site } from './server.fixture.ts'

let site: Site
let crew: string

beforeAll(async () => {
  site = await new Site().start()
  crew = await site.person('ma', 'team', { team: 'wenfeng-crew' })
})
afterAll(() => site.stop())

async function opened(device: string): Promise<string> {
  await site.device(fume(device, 'wenfeng'))
  return site.alarm({ device })!
}
let odd = 0
const act = (id: string, body: object, by = token) =>
  site.call('POST', `/api/v1/cases/${id}/actions`, { token: by, body })

describe('acting on a case', () => {
  test('leads it through its life, with who, when and why', async () => {
    const id = await opened('fume-1')
    await act(id, { action: 'accept', note: '<img src=x onerror=alert(1)>' }, crew)
    await act(id, { action: 'arrive', position: [120.8239, 32.0616] }, crew)
    const upload = await site.evidence.receive(Readable.from([png()]), { type: 'user', key: 'ma' })
    const photo = (await site.evidence.attach(id, 'ma', upload)).file.id
    await act(id, { action: 'handle', files: [photo] }, crew)
    await act(id, { action: 'verify' })
    const closed = await act(id, { action: 'close', code: 'confirmed' })
    expect(closed.status).toBe(200)
    const found = closed.body as Case
    expect(found).toMatchObject({ state: 'closed', closeCode: 'confirmed', allowed: [] })
    expect(
      found.timeline
        .filter((entry) => entry.actor !== 'gateway' && entry.action !== 'evidence_added')
        .map(({ actor, action }) => `${actor} ${action}`),
    ).toEqual(['ma accept', 'ma arrive', 'ma handle', 'admin verify', 'admin close'])
    expect((await site.call('GET', `/api/v1/cases/${id}`, { token })).body).toEqual(found)
  })

  test('a number beyond all numbers is refused, not kept as null', async () => {
    const id = await opened('fume-endless')
    await act(id, { action: 'accept' }, crew)
    const body = '{"action":"arrive","position":[120.8239,32.0616,1e999]}'
    const answer = await site.call('POST', `/api/v1/cases/${id}/actions`, { token: crew, body })
    expect(answer.body).toMatchObject({ code: 'bad_request' })
  })

  test('a wrong action is refused with the list of allowed ones', async () => {
    const id = await opened('fume-2')
    const answer = await act(id, { action: 'handle' }, crew)
    expect(answer.body).toMatchObject({
      status: 409,
      code: 'action_not_allowed',
      allowed: ['accept', 'return'],
    })
  })

  test('of two who accept at once one wins, and the other is told who was quicker', async () => {
    const id = await opened('fume-race')
    const other = await site.person('li', 'team', { team: 'wenfeng-crew' })
    const answers = await Promise.all([
      act(id, { action: 'accept' }, crew),
      act(id, { action: 'accept' }, other),
    ])
    const [won, lost] = answers.toSorted((a, b) => a.status - b.status)
    expect([won!.status, lost!.status]).toEqual([200, 409])
    const { actor, at } = (won!.body as Case).timeline.at(-1)!
    expect(lost!.body).toMatchObject({
      code: 'action_not_allowed',
      by: actor,
      at,
      team: 'wenfeng-crew',
      state: 'accepted',
      allowed: ['arrive', 'return'],
    })
  })

  test('every answer says what the state allows and what of it the asker may do', async () => {
    const id = await opened('fume-may')
    const allowed = ['accept', 'return', 'void', 'suspend', 'extend', 'supervise']
    const own = { allowed, may: ['accept', 'return'] }
    expect((await site.call('GET', `/api/v1/cases/${id}`, { token: crew })).body).toMatchObject(own)
    const list = await site.call('GET', '/api/v1/cases?limit=1', { token: crew })
    expect(list.body).toMatchObject({ items: [{ id, ...own }] })
    const viewer = await site.person('zhao', 'viewer')
    expect((await site.call('GET', `/api/v1/cases/${id}`, { token: viewer })).body).toMatchObject({ may: [] })
    expect((await act(id, { action: 'supervise' })).body).toMatchObject({ may: allowed })
  })

  test('a street calls a department, which reports in and is done', async () => {
    const id = await opened('fume-whistle')
    const path = `/api/v1/cases/${id}/whistles`
    const call = (to: string, by: string, body: object) => site.call('POST', path + to, { token: by, body })
    const street = await site.person('tao', 'street', { street: 'wenfeng' })
    const department = await site.person('zhou', 'team', { team: 'river-team' })
    expect((await site.call('GET', `/api/v1/cases/${id}`, { token: department })).status).toBe(404)
    expect((await call('', crew, { departments: ['river-team'], note: 'x' })).status).toBe(403)
    expect((await call('', street, { departments: ['river-team'], note: ' ' })).status).toBe(400)
    const blown = await call('', street, { departments: ['river-team'], note: 'foam', reportIn: '10m' })
    expect(blown.body).toMatchObject({ called: ['river-team'], whistles: [{ state: 'blown', by: 'tao' }] })
    expect((await call('', street, { departments: ['river-team'], note: 'foam' })).body).toMatchObject({
      status: 409,
      by: 'tao',
      team: 'river-team',
    })
    const here = { position: [120.8239, 32.0616] }
    expect((await call('/river-team/report-in', department, {})).status).toBe(400)
    expect((await call('/river-team/done', department, { note: 'early' })).status).toBe(409)
    expect((await call('/river-team/report-in', department, here)).status).toBe(200)
    const done = await call('/river-team/done', department, { note: 'skimmed off' })
    expect(done.body).toMatchObject({ called: [], whistles: [{ state: 'done' }], may: [] })
    expect((await call('/river-team/withdraw', street, { note: 'late' })).status).toBe(409)
    expect((await call('/nobody/withdraw', street, { note: 'x' })).status).toBe(404)
  })

  test('the supervision list shows it to those who supervise, each within its scope', async () => {
    const id = await opened('fume-watched')
    await act(id, { action: 'supervise' })
    const items = async (token: string) =>
      ((await site.call('GET', '/api/v1/supervision', { token })).body as { items: { id: string }[] }).items
    expect((await items(token)).map((item) => item.id)).toContain(id)
    const elsewhere = await site.person('sun', 'street', { street: 'hongqiao' })
    expect(await items(elsewhere)).toEqual([])
    expect((await site.call('GET', '/api/v1/cases?supervised=true', { token })).body).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ id })]),
    })
  })

  test('an action on an old picture is refused', async () => {
    const id = await opened('fume-3')
    const version = site.cases.get(id)!.version
    await act(id, { action: 'supervise' })
    const answer = await act(id, { action: 'accept', expectedVersion: version })
    expect(answer.body).toMatchObject({ status: 409, code: 'version_conflict' })
  })

  test('the same action sent twice with the same actionId counts once', async () => {
    const id = await opened('fume-4')
    const body = { action: 'accept', actionId: 'tap-1' }
    const first = await act(id, body, crew)
    const second = await act(id, body, crew)
    expect([first.status, second.status]).toEqual([200, 200])
    expect(second.body).toEqual(first.body)
  })

  test.each([
    [{ action: 'close' }, 409],
    [{ action: 'arrive' }, 409],
    [{ action: 'extend' }, 400],
    [{ action: 'accept', position: [1] }, 400],
    [{ action: 'accept', unknown: 1 }, 400],
  ])('%j is refused with %d', async (body, status) => {
    expect((await act(await opened(`odd-${++odd}`), body)).status).toBe(status)
  })

  test('a role that may not do it is told so', async () => {
    const id = await opened('fume-5')
    expect((await act(id, { action: 'void' }, crew)).body).toMatchObject({ status: 403, code: 'forbidden' })
  })
})

test('lists page through everything once, newest first', async () => {
  const all = (await site.call('GET', '/api/v1/cases', { token })).body as { items: Case[] }
  const paged: string[] = []
  let cursor: string | undefined
  do {
    const path = `/api/v1/cases?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`
    const page = (await site.call('GET', path, { token })).body as { items: Case[]; cursor?: string }
    paged.push(...page.items.map((item) => item.id))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(paged).toEqual(all.items.map((item) => item.id))
  expect(new Set(paged).size).toBe(paged.length)
  const open = (await site.call('GET', '/api/v1/cases?open=true', { token })).body as { items: Case[] }
  expect(open.items.length).toBe(all.items.length - 1)
  const closed = (await site.call('GET', '/api/v1/cases?state=closed', { token })).body as { items: Case[] }
  expect(closed.items.length).toBe(1)
})
