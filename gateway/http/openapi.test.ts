import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN as token, fume, rule, Site } from './server.fixture.ts'

interface Operation {
  summary?: string
  tags?: string[]
  security?: object[]
  parameters?: { name: string; in: string; schema: object }[]
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
}
interface Document {
  openapi: string
  info: object
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

let site: Site
let document: Document
const ajv = new Ajv2020({ strict: false })

beforeAll(async () => {
  site = await new Site().start()
  document = (await site.call('GET', '/api/v1/openapi.json')).body as Document
  ajv.addSchema({ ...document, $id: 'document' })
})
afterAll(() => site.stop())

function operations(): [string, string, Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [
      method,
      path,
      operation,
    ]),
  )
}

/** `#/…` references lead from the document, also out of a schema that is compiled by itself. */
function compile(schema: object) {
  return ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object)
}

describe('the OpenAPI document', () => {
  test('covers every route of the API, and nothing else', () => {
    const described = operations().map(([method, path]) => `${method.toUpperCase()} ${path}`)
    const routes = site.server.routes
      .all()
      .filter(
        ({ method, url }) =>
          method !== 'HEAD' && url.startsWith('/api/v1/') && url !== '/api/v1/openapi.json',
      )
      .map(({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`)
    expect(described.sort()).toEqual(routes.sort())
  })

  test('says of every operation what it does, who may do it, and how it fails', () => {
    for (const [method, path, operation] of operations()) {
      const what = `${method} ${path}`
      expect([what, operation.summary]).not.toEqual([what, undefined])
      expect([what, operation.tags?.length]).toEqual([what, 1])
      expect([what, operation.responses['default']?.content]).toHaveProperty('1.application/problem+json')
      if (operation.security!.length > 0)
        expect([what, Object.keys(operation.responses)]).toEqual([
          what,
          expect.arrayContaining(['401', '403']),
        ])
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      const inPath = operation.parameters?.filter((parameter) => parameter.in === 'path') ?? []
      expect([what, inPath.map((parameter) => parameter.name)]).toEqual([what, named])
    }
  })

  test('holds schemas that a validator understands, with references that lead somewhere', () => {
    expect(document.openapi).toBe('3.1.0')
    for (const [, , operation] of operations()) {
      for (const parameter of operation.parameters ?? []) compile(parameter.schema)
      for (const { schema } of Object.values(operation.requestBody?.content ?? {})) compile(schema)
      for (const response of Object.values(operation.responses))
        for (const { schema } of Object.values(response.content ?? {})) compile(schema)
    }
  })

  test('describes the answers as they are', async () => {
    const secret = await site.device(fume('fume-1'))
    const readings = [{ metrics: { fume: 2.5 }, flags: { fume: 'M' } }, { metrics: { teapot: 1 } }]
    await site.call('POST', '/api/v1/readings', { token: secret, body: readings })
    await site.device(fume('river-1', 'wenfeng', { kind: 'river_station' }))
    site.devices.setPresence('fume-1', true, site.clock.now())
    const id = site.alarm()!
    const alarm = site.cases.get(id)!.alarms[0]!
    const examples: [string, string, string, object?][] = [
      ...[
        'devices',
        'quarantine',
        'ledger',
        'rules',
        'alarms',
        'cases',
        'district',
        'sites',
        'kinds',
        'users',
        'session',
        'healthz',
        'readyz',
      ].map((name): [string, string, string] => ['get', `/api/v1/${name}`, `/api/v1/${name}`]),
      ['get', '/api/v1/devices/{id}', '/api/v1/devices/fume-1'],
      ['get', '/api/v1/sites/{id}', '/api/v1/sites/tonglv-yunhe-jiezhizha'],
      ['get', '/api/v1/rules/{id}', '/api/v1/rules/fume-over-limit'],
      ['get', '/api/v1/alarms/{id}', `/api/v1/alarms/${alarm}`],
      ['get', '/api/v1/cases/{id}', `/api/v1/cases/${id}`],
      ['get', '/api/v1/readings', '/api/v1/readings?device=fume-1&metric=fume'],
      ['get', '/api/v1/reports/sections', '/api/v1/reports/sections?month=2024-06'],
      ['get', '/api/v1/reports/sections', '/api/v1/reports/sections?month=2024-06&format=csv'],
      ['post', '/api/v1/readings', '/api/v1/readings', [{ device: 'fume-1', metrics: { pm: 1 } }]],
      ['post', '/api/v1/devices', '/api/v1/devices', fume('fume-2')],
      ['post', '/api/v1/devices/{id}/secret', '/api/v1/devices/fume-2/secret'],
      ['patch', '/api/v1/devices/{id}', '/api/v1/devices/fume-2', { site: 'moved' }],
      ['post', '/api/v1/devices/{id}/commands', '/api/v1/devices/fume-2/commands', { command: 'say' }],
      ['post', '/api/v1/users', '/api/v1/users', { name: 'li', role: 'district' }],
      ['post', '/api/v1/users/{name}/secret', '/api/v1/users/li/secret'],
      ['post', '/api/v1/cases/{id}/actions', `/api/v1/cases/${id}/actions`, { action: 'accept' }],
      ['post', '/api/v1/rules/check', '/api/v1/rules/check', { rules: [{}] }],
      ['post', '/api/v1/rules', '/api/v1/rules', { ...rule, id: 'mine' }],
      ['put', '/api/v1/rules/{id}', '/api/v1/rules/fume-over-limit', { ...rule, version: 4 }],
      ['get', '/api/v1/rules/{id}/versions', '/api/v1/rules/fume-over-limit/versions'],
      ['post', '/api/v1/rules/{id}/reset', '/api/v1/rules/fume-over-limit/reset'],
      ['post', '/api/v1/rules', '/api/v1/rules', {}],
      ['get', '/api/v1/cases/{id}', '/api/v1/cases/none'],
      ['get', '/api/v1/stats/precision', '/api/v1/stats/precision?by=device'],
      ['get', '/api/v1/rules/{id}/suggestion', '/api/v1/rules/mine/suggestion'],
    ]
    for (const [method, path, url, body] of examples) {
      const answer = await site.call(method.toUpperCase(), url, {
        token,
        ...(body !== undefined && { body }),
      })
      const { responses } = document.paths[path]![method]!
      const described = responses[answer.status] ?? responses['default']!
      const type = answer.headers.get('content-type')!.split(';')[0]!
      const isDescribed = compile(described.content![type]!.schema)
      isDescribed(answer.body)
      expect([method, url, answer.status, isDescribed.errors]).toEqual([method, url, answer.status, null])
    }
  })
})

describe('POST /rules/check', () => {
  test.each([
    [{ yaml: 'rules:\n  - id: [' }, 'is not YAML'],
    [{ yaml: 'rules: 5' }, 'expected a mapping with the key "rules"'],
    [{ rules: [{ id: 'x' }] }, 'is missing'],
  ])('%j is told what is wrong with it', async (body, message) => {
    const { body: report } = await site.call('POST', '/api/v1/rules/check', { token, body })
    expect(report).toMatchObject({
      valid: false,
      problems: expect.arrayContaining([
        {
          rule: expect.toBeOneOf([null, expect.any(String)]),
          path: expect.any(String),
          message: expect.stringContaining(message),
        },
      ]),
    })
  })

  test('rules that are right are named', async () => {
    const { body } = await site.call('POST', '/api/v1/rules/check', {
      token,
      body: { rules: [rule] },
    })
    expect(body).toEqual({ valid: true, rules: ['fume-over-limit'], problems: [] })
  })
})
