import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ADMIN_TOKEN, fume, Site } from '../gateway/http/server.fixture.ts'

const command = fileURLToPath(new URL('gridwhistle.ts', import.meta.url))
const sections = 12

let site: Site
beforeAll(async () => {
  site = await new Site().start()
  // More than one page of them.
  for (let i = 10; i < 10 + sections; i++)
    await site.device(fume(`river-${i}`, 'wenfeng', { kind: 'river_station' }))
  const ts = Date.parse('2024-06-15T12:00:00+08:00')
  const body = [{ device: 'river-10', ts, metrics: { do: 2.5, nh3n: 1.35, codmn: 3, tp: 0.1, flow: 10 } }]
  await site.call('POST', '/api/v1/readings', { token: ADMIN_TOKEN, body })
  await vi.waitFor(() => expect(site.journal.ledger().pending).toBe(0), 10_000)
})
afterAll(() => site.stop())

async function report(...more: string[]): Promise<string> {
  return run('sections', '2024-06', ...more)
}

async function run(name: string, month: string, ...more: string[]): Promise<string> {
  const args = [command, 'report', name, '--month', month, '--url', site.origin, ...more]
  const env = { ...process.env, GW_ADMIN_TOKEN: ADMIN_TOKEN }
  return (await promisify(execFile)(process.execPath, args, { env })).stdout
}

test('report sections: a line for each, what is worse than the target, and what it would cost', async () => {
  const lines = (await report()).trimEnd().split('\n')
  expect(lines).toHaveLength(sections + 1)
  // 0.35 mg/L × 25,920,000 m³ = 9.072 t.
  expect(lines[0]).toMatch(
    /^river-10-site +Ⅴ \(Ⅲ\) +do, nh3n \+0\.35 +load: upstream_pays 907,200 yuan +tiers: upstream_pays 500,000 yuan$/,
  )
  expect(lines[1]).toMatch(/^river-11-site +- \(Ⅲ\) +- +load: undecided not_measured +tiers: undecided/)
  expect(lines.at(-1)).toMatch(/Reference only.*仅供参考/)
})

test('report sections: a class from too few factors does not read as a target that is met', async () => {
  const ts = Date.parse('2024-07-15T12:00:00+08:00')
  const body = [{ device: 'river-10', ts, metrics: { ph: 7 } }]
  await site.call('POST', '/api/v1/readings', { token: ADMIN_TOKEN, body })
  await vi.waitFor(() => expect(site.journal.ledger().pending).toBe(0), 10_000)
  expect(await run('sections', '2024-07')).toMatch(/^river-10-site +Ⅰ\? \(Ⅲ\) +- +load: undecided/)
})

test('report sections --json and --csv have every page', async () => {
  const { month, notice, items } = JSON.parse(await report('--json')) as Record<string, object>
  expect({ month, notice }).toMatchObject({ month: '2024-06', notice: { zh: expect.any(String) as string } })
  expect(items).toHaveLength(sections)
  const csv = (await report('--csv')).trimEnd().split('\r\n')
  expect(csv[0]).toMatch(/^\uFEFFmonth,section,/)
  expect(csv).toHaveLength(sections + 1)
})

test('report accountability: a line for each street, and the same as CSV and as a page', async () => {
  await site.device(fume('kitchen', 'wenfeng'))
  site.alarm({ device: 'kitchen' })
  const month = new Date(site.clock.now() + 8 * 3_600_000).toISOString().slice(0, 7)
  const lines = (await run('accountability', month)).trimEnd().split('\n')
  expect(lines.map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
    ['street', 'received'],
    ['wenfeng', '1'],
    ['total', '1'],
  ])
  expect(await run('accountability', month, '--csv', '--by', 'team')).toMatch(/^\uFEFFfrom,to,team,/)
  expect(await run('accountability', month, '--html')).toMatch(/^<!doctype html>/)
})
