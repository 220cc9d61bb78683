import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Case } from '../model/case.ts'
import { smallDistrict } from '../people/people.fixture.ts'
import { maskedNumber, ticketNumber } from '../people/ticket-number.ts'
import { ADMIN_TOKEN as token, Site } from './server.fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-reports-'))
let site: Site
let hotline: string
let eastCrew: string
let eastStreet: string
let westStreet: string
let viewer: string

interface Ticket {
  ticket: string
  case: string
  phone: string | null
  name: string | null
  state: string
  externalId: string | null
  updatedAt: number
  result: { code: string | null; note: string | null } | null
}
type Reported = Case & { ticket: string; joined: boolean }

beforeAll(async () => {
  site = await new Site({}, smallDistrict(folder)).start()
  hotline = await site.person('hotline', 'district')
  eastCrew = await site.person('ma', 'team', { team: 'east-crew' })
  eastStreet = await site.person('wu', 'street', { street: 'east' })
  westStreet = await site.person('xu', 'street', { street: 'west' })
  viewer = await site.person('zhao', 'viewer')
})
afterAll(async () => {
  await site.stop()
  rmSync(folder, { recursive: true })
})

const report = (body: object, by = token) => site.call('POST', '/api/v1/cases', { token: by, body })
const ticketsOf = async (id: string, by: string, query = '') => {
  const answer = await site.call('GET', `/api/v1/cases/${id}/tickets${query}`, { token: by })
  return { status: answer.status, items: (answer.body as { items: Ticket[] }).items }
}
let spot = 0
/** Nowhere near any other. */
const elsewhere = (): [number, number] => [120.87, 32 + ++spot / 100]

describe('POST /cases', () => {
  test('answers 201 with the case that it opened and 200 with the one that it joined', async () => {
    const position = elsewhere()
    const first = await report({ category: 'litter', text: '垃圾', position }, eastCrew)
    expect(first.status).toBe(201)
    expect(first.body).toMatchObject({ state: 'dispatched', street: 'east', joined: false, reports: 1 })
    const { id, ticket } = first.body as Reported
    expect(ticketNumber(ticket)).not.toBeNull()
    const second = await report({ category: 'litter', text: '还是垃圾', position })
    expect(second.status).toBe(200)
    expect(second.body).toMatchObject({ id, joined: true, reports: 2 })
    expect((second.body as Reported).ticket).not.toBe(ticket)
  })

  test('is safe to repeat by its externalId', async () => {
    const body = {
      category: 'litter',
      text: '垃圾',
      position: elsewhere(),
      source: 'patrol',
      externalId: 'P-1',
    }
    const first = await report(body, eastCrew)
    const again = await report(body, eastCrew)
    expect([first.status, again.status]).toEqual([201, 200])
    expect(again.body).toEqual(first.body)
  })

  test('shows nobody a case, or a ticket, that is not theirs', async () => {
    const position: [number, number] = [120.86005, 32.09]
    const west = await report({
      category: 'litter',
      text: '垃圾',
      position,
      street: 'west',
      externalId: 'W-1',
    })
    // Joined across the border of the street.
    const east = await report({ category: 'litter', text: '垃圾', position, street: 'east' }, eastCrew)
    expect(east.body).toEqual({
      id: (west.body as Reported).id,
      state: 'dispatched',
      category: 'litter',
      joined: true,
      ticket: expect.any(String) as string,
    })
    const stolen = await report(
      { category: 'litter', text: '垃圾', position, street: 'east', externalId: 'W-1' },
      eastCrew,
    )
    expect(stolen.body).toMatchObject({ status: 409, code: 'conflict' })
    expect(JSON.stringify(stolen.body)).not.toContain((west.body as Reported).ticket)
    const elsewhere = await report({ category: 'litter', text: '垃圾', place: 'quay' }, eastCrew)
    expect(elsewhere.body).toMatchObject({ status: 403, code: 'forbidden' })
  })

  test.each([
    [{ text: 'x' }, 'category'],
    [{ category: 'weather', text: 'x', place: 'quay' }, 'category'],
    [{ category: 'litter', text: 'x' }, 'position'],
    [{ category: 'litter', text: 'x', place: 'quay', phone: '1' }, 'phone'],
    [{ category: 'litter', text: 'x', place: 'quay', source: 'page' }, 'source'],
    [{ category: 'litter', text: 'x', place: '../etc' }, 'place'],
    [{ category: 'litter', text: 'x', place: 'quay', unknown: 1 }, 'unknown'],
  ])('%j is refused, and says where', async (body, where) => {
    const answer = await report(body)
    expect(answer.body).toMatchObject({ status: 400, code: 'bad_request' })
    expect((answer.body as { detail: string }).detail).toContain(`body/${where}`)
  })
})

describe('the 12345 hotline', () => {
  const records = [
    {
      externalId: 'NT-1',
      category: 'cooking-fume',
      text: '油烟',
      position: [120.8, 32.05],
      phone: '13812345678',
    },
    { externalId: 'NT-2', category: 'cooking-fume', text: '油烟扰民', position: [120.8, 32.0501] },
    { externalId: 'NT-3', category: 'weather', text: '下雨' },
    { category: 'litter', text: '没有编号' },
    'nonsense',
    { externalId: 'NT-4', category: 'litter', text: '垃圾', street: 'west' },
  ]
  const importAll = async () =>
    (await site.call('POST', '/api/v1/hotline/import', { token: hotline, body: records })).body as {
      items: { outcome: string; externalId: string | null; ticket?: string; case?: string; error?: object }[]
    }

  test('imports each record by itself, says what is wrong with which, and may do so again', async () => {
    const { items } = await importAll()
    expect(items.map(({ outcome }) => outcome)).toEqual([
      'opened',
      'joined',
      'refused',
      'refused',
      'refused',
      'opened',
    ])
    expect(items[2]).toMatchObject({ externalId: 'NT-3', error: { where: 'category' } })
    expect(items[3]).toMatchObject({ externalId: null, error: { where: 'externalId' } })
    const again = await importAll()
    expect(again.items.map(({ outcome }) => outcome)).toEqual([
      'known',
      'known',
      'refused',
      'refused',
      'refused',
      'known',
    ])
    expect(again.items.map(({ ticket }) => ticket)).toEqual(items.map(({ ticket }) => ticket))
  })

  test('reads back what became of its records, each change once', async () => {
    const { items } = await importAll()
    const caseId = items[0]!.case!
    const pull = async (since: number, limit = 500) => {
      const path = `/api/v1/tickets?source=hotline&since=${since}&limit=${limit}`
      return (await site.call('GET', path, { token: hotline })).body as { items: Ticket[]; cursor?: string }
    }
    const before = await pull(0)
    expect(
      before.items.map(({ externalId }) => externalId).toSorted((a, b) => (a ?? '').localeCompare(b ?? '')),
    ).toEqual(['NT-1', 'NT-2', 'NT-4'])
    expect(before.items.find(({ externalId }) => externalId === 'NT-1')).toMatchObject({
      state: 'sent',
      phone: '138****5678',
      result: null,
    })
    const paged = await pull(0, 2)
    expect(paged.items).toHaveLength(2)
    expect(paged.cursor).toBeDefined()

    site.clock.ahead += 60_000
    const since = site.clock.now()
    const void_ = { action: 'void', note: 'internal', publicNote: '由消防处理\u202e' }
    await site.call('POST', `/api/v1/cases/${caseId}/actions`, { token, body: void_ })
    const after = await pull(since)
    expect(
      after.items.map(({ externalId }) => externalId).toSorted((a, b) => (a ?? '').localeCompare(b ?? '')),
    ).toEqual(['NT-1', 'NT-2'])
    for (const item of after.items)
      expect(item).toMatchObject({ state: 'ended', result: { code: null, note: '由消防处理' } })
    expect(JSON.stringify(after.items)).not.toContain('internal')
  })

  test('is for the district alone', async () => {
    const answer = await site.call('POST', '/api/v1/hotline/import', { token: eastStreet, body: records })
    expect(answer.status).toBe(403)
  })
})

describe('the number of a ticket, with which one may rate for a citizen', () => {
  const imported = async (externalId: string) => {
    const body = [{ externalId, category: 'litter', text: '垃圾', street: 'east' }]
    const answer = await site.call('POST', '/api/v1/hotline/import', { token: hotline, body })
    return (answer.body as { items: { case: string; ticket: string; outcome: string }[] }).items[0]!
  }

  test('is in nothing that a crew sees of the case, and its id is no way to find it', async () => {
    const { case: id, ticket } = await imported('NT-20')
    const seen = JSON.stringify((await site.call('GET', `/api/v1/cases/${id}`, { token: eastCrew })).body)
    const number = ticketNumber(ticket)!
    expect(seen).not.toContain(number)
    const hash = createHash('sha256').update(number).digest('hex')
    expect(id).not.toContain(hash.slice(0, 8))
  })

  test('is given to nobody who repeats the id that the hotline knows it by, or uses it before the hotline does', async () => {
    const { ticket } = await imported('NT-21')
    const body = { category: 'litter', text: '垃圾', street: 'east', externalId: 'NT-21' }
    for (const source of ['hotline', 'report'] as const) {
      const answer = await report({ ...body, source }, eastCrew)
      expect(JSON.stringify(answer.body)).not.toContain(ticket)
    }
    const early = await report({ ...body, source: 'hotline', externalId: 'NT-22' }, eastCrew)
    expect(early.body).toMatchObject({ status: 403, code: 'forbidden' })
    expect((await imported('NT-22')).outcome).not.toBe('known')
    await report({ ...body, source: 'patrol', externalId: 'P-9' }, eastStreet)
    const other = await report({ ...body, source: 'patrol', externalId: 'P-9' }, eastCrew)
    expect(other.body).toMatchObject({ status: 409, code: 'conflict' })
  })

  test('cannot be read out of a cursor, with which a list still goes on', async () => {
    const numbers = new Set<string>()
    const cursors: string[] = []
    for (let cursor = ''; ;) {
      const path = `/api/v1/tickets?limit=1${cursor}`
      const page = (await site.call('GET', path, { token: hotline })).body as {
        items: Ticket[]
        cursor?: string
      }
      for (const { ticket } of page.items) numbers.add(ticketNumber(ticket)!)
      if (page.cursor === undefined) break
      cursors.push(Buffer.from(page.cursor, 'base64url').toString())
      cursor = `&cursor=${page.cursor}`
    }
    const all = (await site.call('GET', '/api/v1/tickets?limit=500', { token: hotline })).body as {
      items: Ticket[]
    }
    expect(numbers.size).toBe(all.items.length)
    for (const number of numbers) expect(cursors.join()).not.toContain(number)
    const forged = Buffer.from(JSON.stringify(['tickets', 0, [...numbers][0]])).toString('base64url')
    const answer = await site.call('GET', `/api/v1/tickets?cursor=${forged}`, { token: viewer })
    expect(answer.body).toMatchObject({ status: 400, code: 'bad_cursor' })
  })

  test('counts for nothing where a crew rates what it has reported itself', async () => {
    const month = () => site.call('GET', '/api/v1/stats/accountability?by=team', { token })
    const answered = async () =>
      ((await month()).body as { total: { satisfaction: { answered: number } } }).total.satisfaction.answered
    const before = await answered()
    const close = async (by: string) => {
      const made = (await report({ category: 'litter', text: '垃圾', position: elsewhere() }, by))
        .body as Reported
      await site.call('POST', `/api/v1/cases/${made.id}/actions`, { token, body: { action: 'void' } })
      const path = `/api/v1/public/tickets/${made.ticket}/satisfaction`
      expect((await site.call('POST', path, { body: { score: 5 } })).status).toBe(200)
    }
    await close(eastCrew)
    expect(await answered()).toBe(before)
    await close(hotline)
    expect(await answered()).toBe(before + 1)
  })
})

describe('tickets of a case', () => {
  let id: string
  let ticket: string
  beforeAll(async () => {
    const body = {
      category: 'riverbank',
      text: '倒垃圾',
      position: [120.88, 32.12],
      phone: '13812345678',
      name: '王小明',
    }
    ;({ id, ticket } = (await report(body)).body as Reported)
  })

  test('show masked contacts to everybody who sees the case, and to nobody else', async () => {
    for (const by of [token, hotline, eastStreet, eastCrew, viewer]) {
      const { items } = await ticketsOf(id, by)
      expect(items[0]).toMatchObject({ phone: '138****5678', name: '王**', case: id })
    }
    expect((await ticketsOf(id, westStreet)).status).toBe(404)
  })

  test('show whole contacts to those who may call back, who are noted in the audit', async () => {
    const reads = () =>
      site.parts.audit.list({ limit: 100 }).items.filter(({ action }) => action === 'personal.read')
    const before = reads().length
    for (const by of [token, hotline, eastStreet])
      expect((await ticketsOf(id, by, '?contact=full')).items[0]).toMatchObject({
        phone: '13812345678',
        name: '王小明',
      })
    expect(reads().length - before).toBe(3)
    expect(reads()[0]).toMatchObject({ actor: 'wu', subject: id })
    for (const by of [eastCrew, viewer]) expect((await ticketsOf(id, by, '?contact=full')).status).toBe(403)
    expect((await ticketsOf(id, westStreet, '?contact=full')).status).toBe(404)
    expect(reads().length - before).toBe(3)
  })

  test('show whole numbers only to the district, so that nobody rates for a citizen', async () => {
    expect((await ticketsOf(id, hotline)).items[0]!.ticket).toBe(ticket)
    for (const by of [eastStreet, eastCrew, viewer])
      expect((await ticketsOf(id, by)).items[0]!.ticket).toBe(maskedNumber(ticketNumber(ticket)!))
  })

  test('are listed within the scope of whoever asks', async () => {
    const all = async (by: string) =>
      ((await site.call('GET', '/api/v1/tickets?limit=500', { token: by })).body as { items: Ticket[] }).items
    const west = (await all(westStreet)).map((one) => site.cases.get(one.case)!.street)
    expect(new Set(west)).toEqual(new Set(['west']))
    const crew = (await all(eastCrew)).map((one) => site.cases.get(one.case)!.team)
    expect(new Set(crew)).toEqual(new Set(['east-crew']))
    expect((await all(viewer)).length).toBe((await all(token)).length)
  })
})

describe('without signing in', () => {
  const at = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    site.call('POST', `/api/v1/public/${path}`, { body, headers })

  test('a report is answered with a number, and again with the same one', async () => {
    const place = site.people.places.codeOf('quay')
    const body = { place, client: 'client-of-http-tests', category: 'litter', text: '垃圾' }
    const first = await at('reports', body)
    const again = await at('reports', body)
    expect([first.status, again.status]).toEqual([201, 200])
    expect(again.body).toEqual(first.body)
    expect(first.headers.get('cache-control')).toBe('no-store')
    const { ticket } = first.body as Reported
    const seen = await site.call('GET', `/api/v1/public/tickets/${ticket.toLowerCase()}`)
    expect(seen.body).toMatchObject({ ticket, state: 'sent' })
    expect((await at(`tickets/${ticket}/satisfaction`, { score: 5 })).body).toMatchObject({
      code: 'conflict',
    })
    for (const score of [0, 6, 1.5, '5'])
      expect((await at(`tickets/${ticket}/satisfaction`, { score })).status).toBe(400)
    for (const [type, status] of [
      ['application/json', 415],
      ['text/html', 415],
      ['image/svg+xml', 415],
      ['image/png', 415],
    ] as const)
      expect([
        type,
        (await at(`tickets/${ticket}/photos`, '{"a":1}', { 'content-type': type })).status,
      ]).toEqual([type, status])
    expect((await site.call('POST', `/api/v1/public/tickets/${ticket}/photos`)).status).toBe(415)
  })

  test('what was made up, too much or not understood is refused with a code', async () => {
    const place = site.people.places.codeOf('quay')
    const body = { place, client: 'client-of-http-testa', category: 'litter' }
    expect((await at('reports', { ...body, place: 'quay~000000000000' })).body).toMatchObject({
      code: 'not_found',
    })
    expect((await at('reports', { ...body, client: 'x' })).body).toMatchObject({ code: 'bad_request' })
    expect((await at('reports', { ...body, severity: 'red' })).body).toMatchObject({ code: 'bad_request' })
    expect((await at('reports', { ...body, text: 'x'.repeat(1 << 15) })).body).toMatchObject({
      code: 'too_large',
    })
    expect((await site.call('GET', '/api/v1/public/places/quay')).body).toMatchObject({ code: 'not_found' })
    expect((await site.call('GET', '/api/v1/public/tickets/1')).body).toMatchObject({ code: 'not_found' })
  })
})

describe('printed codes', () => {
  test('are for admins, as JSON and as a sheet whose only style its policy knows', async () => {
    const list = await site.call('GET', '/api/v1/places/qr?url=https://report.example.cn/', { token })
    expect(list.body).toMatchObject({
      items: [
        { place: 'noodle-house', title: { zh: '老街面馆' }, street: 'east', grid: 'east-003' },
        { place: 'quay' },
      ],
    })
    const [first] = (list.body as { items: { url: string; path: string }[] }).items
    expect(first!.url).toBe(`https://report.example.cn${first!.path}`)
    const sheet = await site.call('GET', '/api/v1/places/qr?format=html&url=https://report.example.cn', {
      token,
    })
    expect(sheet.headers.get('content-type')).toContain('text/html')
    expect(sheet.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/)
    expect(sheet.body).toContain('老街面馆')
    expect((sheet.body as string).match(/<svg/g)).toHaveLength(2)
    expect((await site.call('GET', '/api/v1/places/qr?format=html', { token })).status).toBe(400)
    expect((await site.call('GET', '/api/v1/places/qr', { token: hotline })).status).toBe(403)
  })
})
