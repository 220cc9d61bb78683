import { request, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

interface Line {
  readonly seq: number
  readonly readings: number
  readonly device: string
  readonly topic: string
  readonly at: number
  readonly payload: string
}

let site: Site
const open: IncomingMessage[] = []
beforeAll(async () => {
  site = await new Site().start()
  await site.device(fume('near'))
  await site.device(fume('far', 'hongqiao'))
})
afterEach(() => {
  for (const response of open.splice(0)) response.destroy()
})
afterAll(() => site.stop())

const accept = (device: string, payload: string) =>
  site.intake.accept({ device, payload: Buffer.from(payload), receivedAt: 1000 })

async function connect(query: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  request(`${site.origin}/api/v1/messages${query}`, { headers }, resolve).on('error', reject).end()
  const response = await promise
  open.push(response)
  return response
}

function heard(response: IncomingMessage): Line[] {
  const lines: Line[] = []
  createInterface({ input: response }).on('line', (line) => {
    if (line !== '') lines.push(JSON.parse(line) as Line)
  })
  return lines
}

async function all(query: string): Promise<Line[]> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  const body = await (await fetch(`${site.origin}/api/v1/messages${query}`, { headers })).text()
  return body === ''
    ? []
    : body
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line)
}

describe('GET /messages', () => {
  test('gives the very bytes of accepted messages, numbered without a gap, and nothing that was refused', async () => {
    const from = site.journal.head()
    const odd = ' {"metrics" : {"fume":1.50}}'
    await accept('near', odd)
    await accept('far', '[{"ts":5,"metrics":{"fume":1}},{"ts":6,"metrics":{"fume":2}}]')
    await accept('near', '{"metrics":{"fume":"much"}}')
    await accept('near', '[{"ts":7,"metrics":{"fume":1}},{"ts":8,"metrics":{"what":1}}]')
    expect(await all(`?from=${from}`)).toEqual([
      { seq: from, readings: 1, device: 'near', topic: 'v1/near/readings', at: 1000, payload: odd },
      {
        seq: from + 1,
        readings: 2,
        device: 'far',
        topic: 'v1/far/readings',
        at: 1000,
        payload: '[{"ts":5,"metrics":{"fume":1}},{"ts":6,"metrics":{"fume":2}}]',
      },
      {
        seq: from + 3,
        readings: 1,
        device: 'near',
        topic: 'v1/near/readings',
        at: 1000,
        payload: '[{"ts":7,"metrics":{"fume":1}}]',
      },
    ])
    expect(await all('')).toEqual([])
  })

  test('follows what comes, each message once and in order, across reads of the journal', async () => {
    const lines = heard(await connect('?follow=true'))
    const from = site.journal.head()
    for (let step = 0; step < 10; step++)
      await Promise.all(
        Array.from({ length: 100 }, async (_, index) =>
          accept('near', `{"ts":${10_000 + step * 100 + index},"metrics":{"fume":1}}`),
        ),
      )
    await vi.waitFor(() => expect(lines).toHaveLength(1000), 5000)
    expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 1000 }, (_, index) => from + index))
  })

  test('a listener that does not read holds nobody up, and misses nothing when it does', async () => {
    const from = site.journal.head()
    const response = await connect(`?from=${from}&follow=true`)
    const many = (step: number) =>
      JSON.stringify(
        Array.from({ length: 1000 }, (_, index) => ({
          ts: 100_000 + step * 1000 + index,
          metrics: { fume: 1, pm: 2, nmhc: 3, temperature: 4 },
        })),
      )
    // Far more than sockets hold.
    for (let step = 0; step < 60; step++) await accept('far', many(step))
    expect(site.journal.head()).toBe(from + 60_000)
    const lines = heard(response)
    await vi.waitFor(() => expect(lines).toHaveLength(60), 10_000)
    expect(lines.reduce((sum, { readings }) => sum + readings, 0)).toBe(60_000)
  })

  test('only so many listen at once, and one that goes makes room', async () => {
    for (let index = 0; index < 4; index++) await connect('?follow=true')
    expect((await connect('?follow=true')).statusCode).toBe(503)
    open[0]!.destroy()
    await vi.waitFor(async () => expect((await connect('?follow=true')).statusCode).toBe(200), 5000)
  })

  test('a stream ends in order when the gateway stops', async () => {
    const other = await new Site().start()
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    const response = await fetch(`${other.origin}/api/v1/messages?follow=true`, { headers })
    const [text] = await Promise.all([response.text(), other.stop()])
    expect(text).toBe('\n')
  })
})
