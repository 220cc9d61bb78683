import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { xorshift128plus } from 'pure-rand/generator/xorshift128plus'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createHistorian } from '../../gateway/historian/historian.ts'
import type { Device } from '../../gateway/model/device.ts'
import type { Kind, Kinds } from '../../gateway/model/kind.ts'
import { loadKinds } from '../../gateway/model/kinds.ts'
import type { Historian } from '../../gateway/model/pipeline.ts'
import type { Reading } from '../../gateway/model/reading.ts'
import { HOUR, monthNamed } from '../../gateway/reports/month.ts'
import type { SectionReport } from '../../gateway/reports/section-report.ts'
import { SectionReporter, TooManyReports } from '../../gateway/reports/section-reporter.ts'
import { loadSectionSettings } from '../../gateway/reports/section-settings.ts'
import { hasInfluxd, Influxd } from '../services/influxd.ts'
import { delivery, originOf, settings, silent } from './stores.fixture.ts'

const june = monthNamed('2024-06')
const MINUTE = 60_000

function station(id: string, site: string): Device {
  return { id, kind: 'river_station', site, street: 'wenfeng', grid: 'wenfeng-001' }
}
const devices = [station('sluice-1', 'sluice'), station('bridge-1', 'bridge'), station('bridge-2', 'bridge')]

/** The month by hand of `gateway/reports/section-report.test.ts`, and readings on both sides of the month. */
const sluice: Reading[] = [
  { ts: june.from - 1, metrics: { nh3n: 50 } },
  { ts: june.from, metrics: { nh3n: 0.9, ph: 7.4, do: 5.5, codmn: 4, tp: 0.25, flow: 8 } },
  { ts: june.from + 30 * MINUTE, metrics: { nh3n: 1.1 } },
  { ts: june.from + HOUR, metrics: { ph: 7.6, flow: 12 } },
  { ts: june.from + 4 * HOUR, metrics: { nh3n: 2 } },
  { ts: june.from + 24 * HOUR, metrics: { nh3n: 1.2, codmn: 6 } },
  { ts: june.from + 28 * HOUR, metrics: { nh3n: 1.2 } },
  { ts: june.from + 28 * HOUR + 5 * MINUTE, metrics: { nh3n: 9 }, flags: { nh3n: 'M' } },
  { ts: june.to, metrics: { nh3n: 50 } },
]

/** A month at a quarter of an hour with numbers that no arithmetic likes, one in a hundred marked. */
function bridge(seed: number): Reading[] {
  const random = xorshift128plus(seed)
  const some = (most: number) => uniformInt(random, 0, most) / 1000
  return Array.from({ length: 30 * 24 * 4 }, (_, i) => ({
    ts: june.from + i * 15 * MINUTE,
    metrics: { codmn: some(12_000), nh3n: some(1500), tp: some(400), do: some(9000), flow: some(60_000) },
    ...(uniformInt(random, 0, 99) === 0 && { flags: { tp: 'D' as const, codmn: 'C' as const } }),
  }))
}

const signal = new AbortController().signal
const whole = { after: '', limit: 100, signal }

let influxd: Influxd | undefined
let dir: string
beforeAll(async () => {
  if (hasInfluxd) influxd = await Influxd.launch()
})
afterAll(() => influxd?.dispose())
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gridwhistle-sections-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const stores = hasInfluxd ? (['embedded', 'influx1'] as const) : (['embedded'] as const)

async function filled(type: (typeof stores)[number]): Promise<Historian> {
  const url = influxd?.url ?? 'http://127.0.0.1:1'
  const store = createHistorian(settings({ type, url, database: 'sections' }), dir, silent)
  await store.start()
  await store.write([
    delivery(originOf('sluice-1', 'river_station'), sluice),
    delivery(originOf('bridge-1', 'river_station'), bridge(1)),
    delivery(originOf('bridge-2', 'river_station'), bridge(2)),
    delivery(originOf('boat-1', 'survey_boat', 'sluice'), [{ ts: june.from, metrics: { nh3n: 99 } }]),
  ])
  return store
}

function reporterOf(store: Historian, kinds: Kinds = loadKinds()): SectionReporter {
  return new SectionReporter({ query: (query) => store.query(query), kinds, settings: loadSectionSettings() })
}

describe('the section report', () => {
  const reports: SectionReport[][] = []

  test.each(stores)('over %s is that of the month by hand', async (type) => {
    const store = await filled(type)
    try {
      const { items, hasMore } = await reporterOf(store).report(devices, june, june.to, whole)
      expect(hasMore).toBe(false)
      expect(items.map(({ section }) => section)).toEqual(['bridge', 'sluice'])
      expect(items[1]).toMatchObject({
        class: 4,
        worse: ['nh3n', 'tp'],
        // 10 m³/s through 30 days.
        flow: { mean: 10, volume: 25_920_000 },
        // 0.35 mg/L and 0.05 mg/L too much: 9.072 t and 1.296 t at 100,000 yuan.
        load: { direction: 'upstream_pays', yuan: 1_036_800 },
        tiers: { yuan: 1_000_000 },
      })
      expect(items[1]!.factors.find(({ metric }) => metric === 'nh3n')).toMatchObject({
        mean: 1.35,
        flaggedHours: 1,
        valid: 3,
        expected: 180,
      })
      expect(items[0]!.factors.find(({ metric }) => metric === 'tp')!.flaggedHours).toBeGreaterThan(10)
      reports.push(items)
    } finally {
      await store.stop()
    }
  })

  test.skipIf(!hasInfluxd)('over both stores is the same to the last digit', () => {
    expect(reports).toHaveLength(2)
    expect(reports[1]).toEqual(reports[0])
  })

  test('comes in pages that make up the whole', async () => {
    const store = await filled('embedded')
    try {
      const reporter = reporterOf(store)
      const first = await reporter.report(devices, june, june.to, { ...whole, limit: 1 })
      const last = await reporter.report(devices, june, june.to, { ...whole, after: 'bridge', limit: 1 })
      expect([first.hasMore, last.hasMore]).toEqual([true, false])
      expect([...first.items, ...last.items]).toEqual(
        (await reporter.report(devices, june, june.to, whole)).items,
      )
    } finally {
      await store.stop()
    }
  })
})

describe.each(stores)('what rules do not believe does not count, over %s', (type) => {
  let stations = 0

  /** Ammonia of a month, a reading every four hours, but for some. A store outlives a test, so each has its station. */
  async function ammoniaOf(others: Record<number, Partial<Reading>>, kinds?: Kinds) {
    const store = await filled(type)
    const id = `month-${++stations}`
    try {
      const readings = Array.from({ length: 180 }, (_, i): Reading => {
        const ts = june.from + 4 * i * HOUR
        return { ts, metrics: { nh3n: 0.5, codmn: 1, tp: 0.1, flow: 10 }, ...others[i] }
      })
      await store.write([delivery(originOf(id, 'river_station'), readings)])
      const { items } = await reporterOf(store, kinds).report([station(id, 'x')], june, june.to, whole)
      return { ...items[0]!, nh3n: items[0]!.factors.find(({ metric }) => metric === 'nh3n')! }
    } finally {
      await store.stop()
    }
  }

  test('a value out of bounds makes no class and costs nobody anything', async () => {
    const { nh3n, meetsTarget, load } = await ammoniaOf({ 77: { metrics: { nh3n: 50_000 } } })
    expect(nh3n).toMatchObject({ mean: 0.5, class: 2, flaggedHours: 0, implausibleHours: 1, valid: 179 })
    expect([meetsTarget, load.yuan]).toEqual([true, 0])
  })

  test('one that its station marked is counted as marked', async () => {
    const marked = { metrics: { nh3n: 50_000 }, flags: { nh3n: 'C' as const } }
    const { nh3n } = await ammoniaOf({ 77: marked })
    expect(nh3n).toMatchObject({ mean: 0.5, flaggedHours: 1, implausibleHours: 0, valid: 179 })
  })

  test('a jump is believed when the readings after it agree with it, as it is by rules', async () => {
    const kinds = new Map(loadKinds())
    const river = kinds.get('river_station')!
    const plausible = { maximum: 1000, step: 1 }
    const metrics = { ...river.metrics, nh3n: { ...river.metrics['nh3n']!, plausible } }
    kinds.set('river_station', { ...river, metrics } satisfies Kind)
    const high = { metrics: { nh3n: 8 } }
    const marked = { metrics: { nh3n: 8 }, flags: { nh3n: 'M' as const } }
    // One alone, one that is marked between two that are not, and three in a row of which the last is believed.
    const { nh3n } = await ammoniaOf(
      { 10: high, 50: high, 51: marked, 52: high, 177: high, 178: high, 179: high },
      kinds,
    )
    // The last day: three of 0.5, and the 8 that was believed after all. The other days: 0.5.
    const last = (3 * 0.5 + 8) / 4
    expect(nh3n).toMatchObject({
      mean: Math.round(((29 * 0.5 + last) / 30) * 1e6) / 1e6,
      flaggedHours: 1,
      implausibleHours: 5,
      valid: 174,
    })
  })
})

describe('a reporter', () => {
  const kinds = loadKinds()

  /** Answers after a turn of the loop, and counts. */
  function countingStore(onAsk = () => {}) {
    const store = { underWay: 0, most: 0, asked: 0 }
    const query = async () => {
      store.asked++
      store.most = Math.max(store.most, ++store.underWay)
      onAsk()
      await turn()
      store.underWay--
      return []
    }
    return { store, reporter: new SectionReporter({ query, kinds, settings: loadSectionSettings() }) }
  }

  test('asks two questions at once, whoever wants reports, and refuses a crowd', async () => {
    const { store, reporter } = countingStore()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => reporter.report(devices, june, june.to, whole)),
    )
    expect(store.most).toBe(2)
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused).toHaveLength(12)
    for (const { reason } of refused) expect(reason).toBeInstanceOf(TooManyReports)
    // The crowd gone, the next one is served.
    expect((await reporter.report(devices, june, june.to, whole)).items).toHaveLength(2)
  })

  test('stops when nobody waits any more', async () => {
    const client = new AbortController()
    const { store, reporter } = countingStore(() => client.abort(new Error('gone')))
    const page = { ...whole, signal: client.signal }
    await expect(reporter.report(devices, june, june.to, page)).rejects.toThrow('gone')
    expect(store.asked).toBe(2)
  })

  test('passes on that the historian is away, and goes on with the next report', async () => {
    let isAway = true
    const query = async () => {
      if (isAway) throw new Error('away')
      return []
    }
    const reporter = new SectionReporter({ query, kinds, settings: loadSectionSettings() })
    await expect(reporter.report(devices, june, june.to, whole)).rejects.toThrow('away')
    isAway = false
    expect((await reporter.report(devices, june, june.to, whole)).items).toHaveLength(2)
  })
})
