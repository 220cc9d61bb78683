import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CloseCode } from '../model/case.ts'
import { ADMIN_TOKEN as token, fume, rule, Site } from './server.fixture.ts'

let site: Site
beforeAll(async () => {
  site = await new Site().start()
})
afterAll(() => site.stop())

/** A case of a kitchen of its own whose alarm reached `peak`. */
async function closed(peak: number, code: CloseCode, number: number): Promise<void> {
  const device = `kitchen-${code}-${number}`
  await site.device(fume(device))
  const id = site.alarm({ device, peak })!
  for (const body of [
    { action: 'accept' },
    { action: 'arrive', position: [120.8239, 32.0616] },
    { action: 'handle' },
    { action: 'verify' },
    { action: 'close', code },
  ])
    expect((await site.call('POST', `/api/v1/cases/${id}/actions`, { token, body })).status).toBe(200)
}

const URL = '/api/v1/rules/fume-over-limit/suggestion'

test('a limit is suggested once there are enough cases, and changes nothing by itself', async () => {
  for (let number = 0; number < 9; number++) await closed(3, 'confirmed', number)
  for (let number = 0; number < 12; number++)
    await closed(2.2, number % 2 === 0 ? 'false_alarm' : 'not_found', number)
  expect(await site.call('GET', URL, { token })).toMatchObject({
    status: 409,
    body: { code: 'no_suggestion', detail: expect.stringContaining('9 confirmed and 12 false cases') },
  })
  await closed(4, 'confirmed', 9)
  await closed(9, 'device_fault', 0)
  const { status, body } = await site.call('GET', URL, { token })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    path: 'severity.orange.above',
    present: { limit: 2, confirmed: 10, false: 12, precision: 10 / 22 },
    proposed: { limit: 2.6, confirmed: 10, false: 0, precision: 1 },
    draft: { id: 'fume-over-limit', version: 4, severity: { orange: { metric: 'fume', above: 2.6 } } },
  })
  expect((await site.call('GET', '/api/v1/rules', { token })).body).toEqual({ items: [rule] })
  expect(
    (
      await site.call('PUT', '/api/v1/rules/fume-over-limit', {
        token,
        body: (body as { draft: object }).draft,
      })
    ).status,
  ).toBe(200)
  expect((await site.call('GET', '/api/v1/rules/none/suggestion', { token })).status).toBe(404)
})
