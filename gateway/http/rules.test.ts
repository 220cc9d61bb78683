import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { rule, Site } from './server.fixture.ts'

let site: Site
let token: string

beforeEach(async () => {
  site = await new Site().start()
  token = await site.person('li', 'district')
})
afterEach(() => site.stop())

const call = async (method: string, path: string, body?: unknown) =>
  site.call(method, `/api/v1/rules${path}`, { token, body })
const URL = '/fume-over-limit'
const draft = (more: object = {}) => {
  const { version: _, ...open } = rule
  return { ...open, ...more }
}

test('what a GET answers, a PUT takes: under the next version, with the story of who did it', async () => {
  const seen = (await call('GET', URL)).body as typeof rule
  expect(seen).toEqual(rule)
  const changed = await call('PUT', `${URL}?expectedVersion=3&note=too%20many`, { ...seen, version: 4 })
  expect(changed).toMatchObject({ status: 200, body: { version: 4 } })
  expect(await call('PUT', `${URL}?expectedVersion=3`, draft())).toMatchObject({
    status: 409,
    body: { code: 'version_conflict', detail: '"fume-over-limit" is at version 4 by now' },
  })
  expect((await call('GET', `${URL}/versions`)).body).toEqual({
    origin: 'book',
    packVersion: 3,
    items: [
      {
        at: expect.any(Number),
        actor: 'li',
        action: 'change',
        note: 'too many',
        rule: { ...rule, version: 4 },
      },
    ],
  })
})

test('a rule is made, found, and removed; a pack’s can be brought back', async () => {
  const made = await call('POST', '', draft({ id: 'mine' }))
  expect(made).toMatchObject({ status: 201, body: { id: 'mine', version: 1 } })
  expect(made.headers.get('location')).toBe('/api/v1/rules/mine')
  expect((await call('DELETE', URL)).status).toBe(204)
  expect((await call('DELETE', URL)).status).toBe(404)
  expect((await call('GET', URL)).status).toBe(404)
  expect((await call('GET', '')).body).toMatchObject({ items: [{ id: 'mine' }] })
  expect((await call('GET', '?removed=true')).body).toEqual({ items: [rule] })
  expect((await call('GET', `${URL}/versions`)).body).toMatchObject({ origin: 'removed' })
  expect(await call('POST', `${URL}/reset`)).toMatchObject({ status: 200, body: rule })
  expect((await call('GET', `${URL}/versions?limit=1`)).body).toMatchObject({ origin: 'pack' })
})

test('rules come in pages, by id', async () => {
  for (const id of ['c', 'a', 'z']) await call('POST', '', draft({ id }))
  const first = (await call('GET', '?limit=3')).body as { items: { id: string }[]; cursor: string }
  expect(first.items.map(({ id }) => id)).toEqual(['a', 'c', 'fume-over-limit'])
  expect((await call('GET', `?limit=3&cursor=${first.cursor}`)).body).toEqual({
    items: [expect.objectContaining({ id: 'z' })],
  })
})

test('the story of a rule comes in pages', async () => {
  for (let version = 4; version <= 8; version++) await call('PUT', URL, { ...rule, version })
  const versions: unknown[] = []
  let cursor: string | undefined
  do {
    const page = await call(
      'GET',
      `${URL}/versions?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`,
    )
    const { items, cursor: next } = page.body as { items: { rule: { version: number } }[]; cursor?: string }
    versions.push(...items.map((item) => item.rule.version))
    cursor = next
  } while (cursor !== undefined)
  expect(versions).toEqual([8, 7, 6, 5, 4])
})

test('a rule may be written in YAML', async () => {
  const yaml = stringify({ rules: [draft({ id: 'mine' })] })
  expect(await call('POST', '', { yaml })).toMatchObject({ status: 201, body: { id: 'mine' } })
})

test('a rule takes the areas of its file along', async () => {
  const square = {
    type: 'Polygon',
    coordinates: [
      [
        [120, 32],
        [121, 32],
        [121, 33],
        [120, 32],
      ],
    ],
  }
  const inside = draft({
    id: 'inside',
    kind: 'drone',
    severity: { red: { outsideArea: 'mine' } },
    dispatch: undefined,
  })
  expect(await call('POST', '', inside)).toMatchObject({ status: 400, body: { code: 'bad_rule' } })
  const yaml = stringify({ areas: { mine: square }, rules: [inside] })
  expect(await call('POST', '', { yaml })).toMatchObject({ status: 201, body: { areas: { mine: square } } })
})

describe('a bad rule is told in one line what is wrong, and changes nothing', () => {
  const leaf = { metric: 'fume', above: 1 }
  test.each<[string, unknown, string]>([
    ['an unknown key', draft({ sevrity: {} }), 'body/sevrity: unknown key; did you mean severity?'],
    [
      'an unknown metric',
      draft({ severity: { red: { ...leaf, metric: 'fum' } } }),
      'body/severity/red/metric: "fum" is no metric',
    ],
    [
      'a unit beyond reach',
      draft({ severity: { red: { metric: 'fume', above: 1e9 } } }),
      'body/severity/red/above: 1000000000 can',
    ],
    ['no duration', draft({ for: '3 minutes' }), 'body/for: "3 minutes" is not a duration'],
    ['another id', draft({ id: 'x' }), 'body/id: expected "fume-over-limit"'],
    ['nothing', {}, 'body/kind: is missing'],
    ['YAML that is none', { yaml: 'rules: [' }, 'body/yaml: is not YAML'],
    [
      'YAML with two rules',
      { yaml: stringify({ rules: [draft(), draft()] }) },
      'body/yaml: expected "rules" with a list of one',
    ],
    [
      'YAML that costs too much',
      { yaml: Array.from({ length: 5000 }, (_, i) => `k${i}:`).join('\n') },
      'body/yaml: is longer than 10000',
    ],
  ])('%s', async (_, body, detail) => {
    const answer = await call('PUT', URL, body)
    expect(answer).toMatchObject({ status: 400, body: { code: 'bad_rule' } })
    expect((answer.body as { detail: string }).detail).toContain(detail)
    expect((answer.body as { detail: string }).detail).not.toContain('\n')
    expect((await call('GET', '')).body).toEqual({ items: [rule] })
  })

  test('a body that is no object, or too long', async () => {
    expect((await call('POST', '', [])).body).toMatchObject({ code: 'bad_request' })
    expect((await call('POST', '', { ...draft(), basis: 'x'.repeat(70_000) })).body).toMatchObject({
      code: 'too_large',
    })
  })
})

test('a check of text that would cost too much says so instead', async () => {
  const yaml = Array.from({ length: 20_000 }, (_, i) => `- &a${i} 1`)
    .join('\n')
    .slice(0, 199_990)
  expect((await call('POST', '/check', { yaml })).body).toMatchObject({
    valid: false,
    problems: [{ message: 'is longer than 10000 YAML tokens' }],
  })
})
