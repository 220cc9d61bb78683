import { connect } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Ajv } from 'ajv'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'
import { problemOf, ProblemSchema, PROBLEMS } from './problem.ts'

let site: Site
const broken = { yes: false }

beforeAll(async () => {
  site = new Site()
  const { recorder } = site
  const query: typeof recorder.query = (asked) => {
    if (broken.yes) throw new Error('a secret path: /srv/data')
    return recorder.query(asked)
  }
  Object.assign(site.parts.recorder, { query })
  await site.start()
  await site.device(fume('fume-1'))
})
afterAll(() => site.stop())

const isProblem = new Ajv({ strict: false }).compile(ProblemSchema)

test('a client that goes away in the middle of its body is no failure of the gateway', () => {
  const gone = Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
  expect(problemOf(gone).code).toBe('bad_request')
  expect(problemOf(Object.assign(new Error('read'), { code: 'ECONNRESET' })).code).toBe('internal')
})

describe('every failure is a problem document with a stable code', () => {
  const big = JSON.stringify({ yaml: 'x'.repeat(300_000) })
  const deep = `${'['.repeat(1000)}${']'.repeat(1000)}`
  const device = { id: 'x', kind: 'cooking_fume', site: 's', street: 'wenfeng', grid: 'wenfeng-001' }

  test.each([
    ['GET', '/api/v1/nothing', undefined, 404, 'not_found'],
    ['GET', '/%zz', undefined, 400, 'bad_request'],
    ['GET', '/nothing.html', undefined, 404, 'not_found'],
    ['GET', '/../../etc/passwd', undefined, 404, 'not_found'],
    ['PUT', '/api/v1/devices', {}, 405, 'method_not_allowed'],
    ['POST', '/api/v1/devices', '{"id":', 400, 'bad_json'],
    ['POST', '/api/v1/devices', deep, 400, 'bad_json'],
    ['POST', '/api/v1/devices', '{"__proto__":{"admin":true}}', 400, 'bad_json'],
    ['POST', '/api/v1/rules/check', big, 413, 'too_large'],
    ['POST', '/api/v1/devices', { ...device, id: 5 }, 400, 'bad_request'],
    ['POST', '/api/v1/devices', { ...device, id: '../x' }, 400, 'bad_request'],
    ['POST', '/api/v1/devices', { ...device, id: 'gateway' }, 400, 'bad_request'],
    ['POST', '/api/v1/devices', { ...device, kind: 'teapot' }, 400, 'bad_request'],
    ['POST', '/api/v1/devices', { ...device, colour: 'red' }, 400, 'bad_request'],
    ['POST', '/api/v1/devices', { ...device, id: 'fume-1' }, 409, 'conflict'],
    ['PATCH', '/api/v1/devices/nobody', { site: 'y' }, 404, 'not_found'],
    ['PATCH', '/api/v1/devices/fume-1', { kind: 'teapot' }, 400, 'bad_request'],
    ['PATCH', '/api/v1/devices/fume-1', { id: 'other' }, 400, 'bad_request'],
    ['GET', '/api/v1/devices?limit=0', undefined, 400, 'bad_request'],
    ['GET', '/api/v1/devices?limit=9999', undefined, 400, 'bad_request'],
    ['GET', '/api/v1/devices?cursor=nonsense', undefined, 400, 'bad_cursor'],
    ['GET', '/api/v1/alarms?cursor=WyJjYXNlcyIsMSwiYSJd', undefined, 400, 'bad_cursor'],
    ['GET', '/api/v1/alarms?from=yesterday', undefined, 400, 'bad_request'],
    ['GET', '/api/v1/alarms?severity=pink', undefined, 400, 'bad_request'],
    ['GET', '/api/v1/quarantine?cursor=WyJxdWFyYW50aW5lIiwieCJd', undefined, 400, 'bad_cursor'],
    ['GET', '/api/v1/readings?device=nobody&metric=fume', undefined, 404, 'not_found'],
    ['GET', '/api/v1/readings?device=fume-1&metric=toString', undefined, 400, 'unknown_metric'],
    ['GET', '/api/v1/readings?device=fume-1', undefined, 400, 'bad_request'],
    ['GET', '/api/v1/readings?device=fume-1&metric=fume&every=5', undefined, 400, 'bad_request'],
    ['GET', '/api/v1/readings?device=fume-1&metric=fume&agg=max', undefined, 400, 'bad_request'],
    [
      'GET',
      '/api/v1/readings?device=fume-1&metric=fume&from=2024-06-01T12:00',
      undefined,
      400,
      'bad_request',
    ],
    ['POST', '/api/v1/readings', [], 400, 'bad_request'],
    ['POST', '/api/v1/readings', [{ metrics: {} }], 400, 'bad_request'],
    ['POST', '/api/v1/quarantine/7/retry', undefined, 404, 'not_found'],
    ['POST', '/api/v1/cases/none/actions', { action: 'accept' }, 404, 'not_found'],
    ['POST', '/api/v1/cases/none/actions', { action: 'dance' }, 400, 'bad_request'],
    ['POST', '/api/v1/devices/fume-1/commands', { command: 'Say It' }, 400, 'bad_request'],
    ['POST', '/api/v1/devices/fume-1/commands', { command: 'say', expires: 5 }, 400, 'bad_request'],
  ] as const)('%s %s', async (method, path, body, status, code) => {
    const answer = await site.call(method, path, { token: ADMIN_TOKEN, ...(body !== undefined && { body }) })
    expect(answer.body).toMatchObject({ status, code, type: `urn:gridwhistle:problem:${code}` })
    expect(answer.status).toBe(status)
    expect(answer.status).toBe(PROBLEMS[code][0])
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(isProblem(answer.body)).toBe(true)
    if (status === 405) expect(answer.headers.get('allow')).toBe('GET, HEAD, POST')
  })

  test('a body that is not JSON is refused by its type', async () => {
    const headers = { 'content-type': 'text/plain' }
    const answer = await site.call('POST', '/api/v1/devices', { token: ADMIN_TOKEN, body: 'x', headers })
    expect(answer.body).toMatchObject({ status: 415, code: 'unsupported_media_type' })
  })

  test('a refused body says what, where and what was expected', async () => {
    const body = { ...fume('y'), position: [120, 'x'] }
    const answer = await site.call('POST', '/api/v1/devices', { token: ADMIN_TOKEN, body })
    expect(answer.body).toMatchObject({
      errors: [{ where: 'body/position/1', what: 'must be number', expected: 'number' }],
    })
  })

  test('a case that is not there is named; a form is not told to be JSON', async () => {
    const missing = await site.call('GET', '/api/v1/cases/nosuch', { token: ADMIN_TOKEN })
    expect(missing.body).toMatchObject({ status: 404, detail: 'case "nosuch" does not exist' })
    expect(JSON.stringify(PROBLEMS.unsupported_media_type)).not.toContain('JSON')
  })

  test('nobody is let in for a team or a street that the district does not have', async () => {
    for (const body of [
      { name: 'wu', role: 'team', team: 'tangzhazhen' },
      { name: 'wu', role: 'street', street: 'tangzha' },
    ]) {
      const answer = await site.call('POST', '/api/v1/users', { token: ADMIN_TOKEN, body })
      expect(answer.status).toBe(400)
      expect((answer.body as { detail: string }).detail).toMatch(
        /the district \S+ has no (team|street) "tang/,
      )
    }
    expect(site.users.get('wu')).toBeUndefined()
  })

  test('an unknown metric is answered with the known ones', async () => {
    const path = '/api/v1/readings?device=fume-1&metric=fumes'
    const answer = await site.call('GET', path, { token: ADMIN_TOKEN })
    expect(answer.body).toMatchObject({ known: expect.arrayContaining(['fume', 'fan']) })
  })

  test('a fault of ours is 500 without a word of its cause', async () => {
    broken.yes = true
    const path = '/api/v1/readings?device=fume-1&metric=fume'
    const answer = await site.call('GET', path, { token: ADMIN_TOKEN })
    broken.yes = false
    expect(answer.body).toEqual({
      type: 'urn:gridwhistle:problem:internal',
      title: 'The gateway failed; its log says why',
      status: 500,
      code: 'internal',
    })
  })

  test('what is not HTTP is answered and closed', async () => {
    const socket = connect(site.server.port(), '127.0.0.1')
    socket.write('\x16\x03\x01 hello\r\n\r\n')
    const [data] = (await once(socket, 'data')) as [Buffer]
    expect(data.toString()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n.*"code":"bad_request"/s)
    await once(socket, 'close')
  })
})
