import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Rule } from '../model/rule.ts'
import { fume, rule, Site } from '../http/server.fixture.ts'
import { brokenLink } from './chain.ts'
import type { Context } from './context.ts'

const MINUTE = 60_000

let site: Site
let secret: string
let started: number
beforeEach(async () => {
  site = await new Site().start()
  secret = await site.device(
    fume('fume-1', 'wenfeng', { attributes: { last_calibrated: '2026-11-01', brand: 'x' } }),
  )
  started = site.clock.now()
})
afterEach(() => site.stop())

async function send(body: object[]): Promise<void> {
  await site.call('POST', '/api/v1/readings', { token: secret, body })
  await vi.waitFor(() => expect(site.journal.ledger().pending).toBe(0), 10_000)
}
const reading = (minutes: number, value: number, more: object = {}) => ({
  ts: started + minutes * MINUTE,
  metrics: { fume: value, fan: true },
  ...more,
})
const frozen = (id: string) =>
  site.cases.get(id)!.timeline.filter(({ action }) => action === 'evidence_frozen')
async function lines(id: string, kind: string): Promise<Record<string, unknown>[]> {
  const file = site.evidence.files(id).findLast((known) => known.kind === kind)!
  return (await text(site.evidence.read(file.id)))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
async function context(id: string): Promise<Context> {
  const file = site.evidence.files(id).findLast((known) => known.kind === 'context')!
  return JSON.parse(await text(site.evidence.read(file.id))) as Context
}

test('soon after a case has opened, its file has readings, frames, rule and devices, chained', async () => {
  await send([
    reading(-40, 0.5),
    reading(-20, 1.5, { flags: { fume: 'C' } }),
    reading(-1, 2.4, { flags: { fan: 'M' } }),
  ])
  const id = site.alarm({ startedAt: started })!
  site.clock.ahead += MINUTE - 1000
  await site.captures.settle()
  expect(frozen(id)).toEqual([])
  site.clock.ahead += 2000
  await site.captures.settle()
  const [entry] = frozen(id)
  expect(entry).toMatchObject({ actor: 'gateway', note: 'opened' })
  expect(entry!.files).toEqual(expect.arrayContaining(site.evidence.files(id).map((file) => file.id)))
  expect(brokenLink(id, site.cases.chain(id))).toBeNull()

  // The one of 40 minutes ago is outside of the window.
  const readings = await lines(id, 'readings')
  expect(readings.map(({ ts }) => ts)).toEqual([
    undefined,
    started - 20 * MINUTE,
    started - MINUTE,
    undefined,
  ])
  expect(readings[1]).toMatchObject({
    device: 'fume-1',
    metrics: { fume: 1.5, fan: true },
    flags: { fume: 'C' },
  })
  expect(readings.at(-1)).toEqual({ end: true, lines: 2, capped: false })
  const [, frame] = await lines(id, 'frames')
  expect(JSON.parse(frame!['payload'] as string)).toHaveLength(3)
  expect(await context(id)).toMatchObject({
    reason: 'opened',
    rules: [{ id: rule.id, version: 3, rule }],
    devices: [{ id: 'fume-1' }],
    kinds: [{ id: 'cooking_fume' }],
    counts: { readings: 2, frames: 1 },
    calibration: {
      marks: expect.arrayContaining([
        expect.objectContaining({ metric: 'fume', flag: 'C', count: 1 }),
      ]) as object,
      attributes: { 'fume-1': { last_calibrated: '2026-11-01' } },
    },
  })
})

test('half an hour after the alarm has ended, what followed is frozen too, and a version is not counted for it', async () => {
  await send([reading(-1, 2.4)])
  const id = site.alarm({ startedAt: started })!
  site.clock.ahead += 10 * MINUTE
  site.alarm({ startedAt: started, state: 'cleared', clearedAt: started + 10 * MINUTE })
  await send([reading(9, 2.2)])
  site.clock.ahead += 29 * MINUTE
  await site.captures.settle()
  expect(frozen(id).map(({ note }) => note)).toEqual(['opened'])
  site.clock.ahead += 3 * MINUTE
  const { version } = site.cases.get(id)!
  await send([reading(38, 0.4)])
  await site.captures.settle()
  expect(frozen(id).map(({ note }) => note)).toEqual(['opened', 'alarm_ended'])
  expect((await lines(id, 'readings')).map(({ ts }) => ts).slice(1, -1)).toEqual(
    [-1, 9, 38].map((minutes) => started + minutes * MINUTE),
  )
  expect(site.cases.get(id)!.version).toBe(version)
  expect((await context(id)).windows).toEqual([{ from: started - 30 * MINUTE, to: started + 40 * MINUTE }])
})

test('the rule is frozen as it was when it raised the alarm, though its pack has been replaced since', async () => {
  await send([reading(-1, 2.4)])
  const id = site.alarm({ startedAt: started })!
  // An upgrade that no person made: neither its version nor its text is anywhere in the book.
  vi.spyOn(site.ruleBook, 'get').mockReturnValue(undefined)
  vi.spyOn(site.ruleBook, 'changes').mockReturnValue([])
  // Another text under the same version raises another alarm.
  const edited: Rule = { ...rule, basis: 'ours' }
  const other = site.alarm({ id: 'of-the-edited', site: 'elsewhere', startedAt: started + 1 }, edited)!
  site.clock.ahead += 2 * MINUTE
  await site.captures.settle()
  expect((await context(id)).rules).toEqual([
    { id: rule.id, version: 3, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string, rule },
  ])
  expect((await context(other)).rules).toMatchObject([{ id: rule.id, version: 3, rule: edited }])
})

test('a case that no device has seen has a file too', async () => {
  const { id } = site.queue.open({
    family: 'report',
    site: 'bridge-1',
    street: 'wenfeng',
    grid: 'wenfeng-001',
    category: 'cooking-fume',
    title: 'Smoke',
    position: null,
    severity: 'yellow',
    simulated: false,
    respondMs: MINUTE,
    arriveMs: MINUTE,
    resolveMs: MINUTE,
    happenedAt: started,
    seed: 'report-1',
    entry: { at: started, actor: 'zhang', action: 'opened', note: null, position: null, files: [] },
  })
  site.clock.ahead += 2 * MINUTE
  await site.captures.settle()
  expect(frozen(id).map(({ note }) => note)).toEqual(['opened'])
  expect(await context(id)).toMatchObject({ windows: [], counts: { readings: 0, frames: 0 }, rules: [] })
})

test('what could not be frozen waits, and is frozen when it can be', async () => {
  await send([reading(-1, 2.4)])
  const id = site.alarm({ startedAt: started })!
  const { quotaBytes } = site.evidence.limits
  Object.assign(site.evidence.limits, { quotaBytes: 10 })
  site.clock.ahead += 2 * MINUTE
  await site.captures.settle()
  expect(frozen(id)).toEqual([])
  expect(site.captures.health().detail).toMatch(/space for evidence is used up/)
  Object.assign(site.evidence.limits, { quotaBytes })
  site.clock.ahead += 2 * MINUTE
  await site.captures.settle()
  expect(frozen(id).map(({ note }) => note)).toEqual(['opened'])
})
