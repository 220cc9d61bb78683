/** The gateway in a district that is not the built-in one: a file of data, and nothing else, makes the difference. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ledgerOf } from '../device.ts'
import { cli, eventually, GatewayProcess } from '../gateway-process.ts'

const HARBOUR = fileURLToPath(new URL('../../gateway/district/districts/harbour.yaml', import.meta.url))
/** A Tuesday. */
const NOON = Date.parse('2026-09-15T12:00:00+08:00')
const RULES = `rules:
  - id: over-warning
    version: 1
    kind: water_level
    title: { en: Over the warning level, zh: 超警戒水位 }
    basis: test
    severity: { orange: { metric: level, above: $warning_level } }
    dispatch: { from: orange, category: flood, respond: 10m, arrive: 30m, resolve: 12h }
`

const rulesDir = mkdtempSync(join(tmpdir(), 'gridwhistle-rules-'))
writeFileSync(join(rulesDir, 'rules.yaml'), RULES)
const gateway = new GatewayProcess({ GW_CLOCK: 'driven', GW_DISTRICT_FILE: HARBOUR, GW_RULES_DIR: rulesDir })
beforeAll(async () => {
  await gateway.start()
  await gateway.api('PUT', '/api/v1/clock', { now: NOON })
})
afterAll(async () => {
  await gateway.dispose()
  rmSync(rulesDir, { recursive: true })
})

interface Listed {
  items: { rule?: string; site: string; category?: string; team?: string }[]
}

test('a gauge goes by the levels of its site, live and in a back-test, and its case to the harbour master', async () => {
  const place = { street: 'oldtown', grid: 'lighthouse', position: [122.072, 30.058] }
  // The levels of the one are in the district file, those of the other nowhere.
  for (const [id, site] of [
    ['gauge-1', 'creek-mouth'],
    ['gauge-2', 'well'],
  ])
    await gateway.api('POST', '/api/v1/devices', { id, kind: 'water_level', site, ...place })
  for (const device of ['gauge-1', 'gauge-2'])
    await gateway.api('POST', '/api/v1/readings', [{ device, ts: NOON, metrics: { level: 2.5 } }])
  await gateway.api('PUT', '/api/v1/clock', { now: NOON + 60_000 })
  const alarms = (await gateway.api<Listed>('GET', '/api/v1/alarms')).items
  expect(alarms).toMatchObject([{ rule: 'over-warning', site: 'creek-mouth' }])
  const cases = (await gateway.api<Listed>('GET', '/api/v1/cases?category=flood')).items
  expect(cases).toMatchObject([{ site: 'creek-mouth', team: 'harbour-master' }])
  await eventually('all of it in the historian', async () => {
    const { pending } = await ledgerOf(gateway)
    return pending === 0 ? true : undefined
  })
  const again = await gateway.api<{ alarms: object[]; cases: object[] }>('POST', '/api/v1/rules/backtest', {
    from: NOON - 60_000,
    to: NOON + 60_000,
  })
  expect(again.alarms).toMatchObject([{ rule: 'over-warning', site: 'creek-mouth' }])
  expect(again.cases).toMatchObject([{ team: 'harbour-master' }])
})

test('teams, streets and sites are those of the file, and of no other', async () => {
  const district = await gateway.api<{ id: string; teams: { id: string }[] }>('GET', '/api/v1/district')
  expect(district).toMatchObject({ id: 'harbour', streets: [{ id: 'quayside' }, { id: 'oldtown' }] })
  expect(JSON.stringify(district)).not.toContain('tangzha')
  const sites = (await gateway.api<{ items: { id: string }[] }>('GET', '/api/v1/sites')).items
  expect(sites.map(({ id }) => id)).toEqual(['creek-bridge', 'creek-mouth', 'gull-tavern'])
})

test('a file with a mistake ends the start with exit 2 and one line that says where', () => {
  const file = join(rulesDir, 'wrong.yml')
  writeFileSync(file, 'id: x\n')
  const env = { ...process.env, GW_DATA_DIR: gateway.dataDir, GW_DISTRICT_FILE: file }
  let failure: { status?: number; stderr?: Buffer } = {}
  try {
    execFileSync(process.execPath, [cli, 'serve'], { env, stdio: 'pipe' })
  } catch (error) {
    failure = error as typeof failure
  }
  expect(failure.status).toBe(2)
  expect(String(failure.stderr)).toMatch(
    /wrong\.yml: title: is missing; expected it to be there \(and \d more: /,
  )
})
