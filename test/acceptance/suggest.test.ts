/** What crews found becomes a limit, and a limit becomes a back-test: `rules suggest`, `rules diff`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Alarm } from '../../gateway/model/alarm.ts'
import type { Rule } from '../../gateway/model/rule.ts'
import { gridwhistle } from '../command.ts'
import { all, ledgerOf, register } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

const gateway = new GatewayProcess({ GW_RULES_DIR: fileURLToPath(new URL('rules', import.meta.url)) })
const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-suggest-'))
const KITCHENS = 11

beforeAll(async () => {
  await gateway.start()
})
afterAll(async () => {
  await gateway.dispose()
  rmSync(folder, { recursive: true })
})

const rules = (...args: string[]) => gridwhistle(['rules', ...args], { env: gateway.environment })

test('a limit is proposed with its back-test once crews have closed enough cases', async () => {
  const text: Omit<Rule, 'version'> = {
    id: 'hot',
    kind: 'cooking_fume',
    title: { en: 'Hot', zh: '热' },
    basis: 'test',
    severity: { red: { metric: 'temperature', above: 60 } },
    dispatch: { from: 'red', category: 'cooking-fume', respond: '10m', arrive: '20m', resolve: '4h' },
  }
  await eventually('a rule is made', async () =>
    (await gateway.request('POST', '/api/v1/rules', text)).status === 201 ? true : undefined,
  )
  const none = await rules('suggest', 'hot')
  expect(none).toMatchObject({ code: 1, out: '' })
  expect(none.err).toContain('0 confirmed and 0 false cases with a value; a suggestion needs 10 of each')

  // Half of the kitchens are really hot, half only warm.
  const now = Date.now()
  const readings = []
  for (let kitchen = 0; kitchen < 2 * KITCHENS; kitchen++) {
    const id = `kitchen-${kitchen}`
    await register(gateway, { id })
    const peak = kitchen < KITCHENS ? 90 : 65
    for (const [back, temperature] of [50, peak, 50].entries())
      readings.push({ device: id, ts: now - 60_000 + back * 10_000, metrics: { temperature } })
  }
  await gateway.api('POST', '/api/v1/readings', readings)
  const alarms = await eventually('all alarms', async () => {
    const found = await all<Alarm>(gateway, '/api/v1/alarms?rule=hot&state=cleared')
    return found.length === 2 * KITCHENS ? found : undefined
  })
  for (const { case: id, peak } of alarms)
    for (const action of [
      { action: 'accept' },
      { action: 'arrive', position: [120.8239, 32.0616] },
      { action: 'handle' },
      { action: 'verify' },
      { action: 'close', code: peak === 90 ? 'confirmed' : 'false_alarm' },
    ])
      await gateway.api('POST', `/api/v1/cases/${id}/actions`, action)
  await eventually('everything stored', async () =>
    (await ledgerOf(gateway)).pending === 0 ? true : undefined,
  )

  const { code, out, err } = await rules('suggest', 'hot')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^hot, severity\.red\.above: 60 → 78$/m)
  expect(out).toMatch(/^present \(a\) +60 +11 +11 +50 % +31 % to 69 %$/m)
  expect(out).toMatch(/^proposed \(b\) +78 +11 +0 +100 % +74 % to 100 %$/m)
  expect(out).toMatch(/^the same: 11; only a: 11; only b: 0; different: 0$/m)
  const draft = /^rules:\n(?: .*\n)+/m.exec(out)![0]
  expect(parse(draft)).toEqual({
    rules: [{ ...text, version: 2, severity: { red: { metric: 'temperature', above: 78 } } }],
  })
  expect((await gateway.api<Rule>('GET', '/api/v1/rules/hot')).version).toBe(1)

  const file = join(folder, 'draft.yaml')
  writeFileSync(file, draft)
  const json = await rules('diff', 'hot@1', file, '--json')
  expect(JSON.parse(json.out)).toMatchObject({
    a: { alarms: { length: 22 }, cases: { length: 22 } },
    b: { alarms: { length: 11 }, cases: { length: 11 } },
    difference: { same: 11, onlyBefore: { length: 11 }, onlyAfter: [], different: [] },
  })
})

test.each([
  [['hot@9', 'hot'], 'no version 9 of "hot" is kept'],
  [['cold', 'hot'], 'no rule "cold" is in force'],
  [['hot@x', 'hot'], 'expected FILE.yaml, ID or ID@VERSION'],
])('rules diff %j is told what is wrong', async (args, message) => {
  const { code, err } = await rules('diff', ...args)
  expect(code).toBe(2)
  expect(err).toContain(message)
})
