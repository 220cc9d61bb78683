import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createHistorian } from '../../gateway/historian/historian.ts'
import type { Aggregate, Historian, Point, Query } from '../../gateway/model/pipeline.ts'
import type { Reading } from '../../gateway/model/reading.ts'
import { hasInfluxd, Influxd } from '../services/influxd.ts'
import { delivery, originOf, settings, silent } from './stores.fixture.ts'

const T = 1_718_000_000_000
const MINUTE = 60_000
/** T lies within its minute, so the first window of a roll-up begins before it. */
const WINDOW = T - (T % MINUTE)
const fume = originOf('fume-1', 'cooking_fume')

let influxd: Influxd | undefined
let dir: string
let databases = 0
beforeAll(async () => {
  if (hasInfluxd) influxd = await Influxd.launch()
})
afterAll(() => influxd?.dispose())
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gridwhistle-historian-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** What holds for one store holds for the other. */
const stores = hasInfluxd ? (['embedded', 'influx1'] as const) : (['embedded'] as const)
describe.for(stores)('%s', (type) => {
  let store: Historian
  beforeEach(async () => {
    const url = influxd?.url ?? 'http://127.0.0.1:1'
    store = createHistorian(settings({ type, url, database: `same-${databases++}` }), dir, silent)
    await store.start()
  })
  afterEach(() => store.stop())

  const ask = (query: Partial<Query> = {}): Promise<readonly Point[]> =>
    store.query({
      device: 'fume-1',
      kind: 'cooking_fume',
      metric: 'fume',
      from: T - 100 * MINUTE,
      to: T + 1000 * MINUTE,
      limit: 10_000,
      ...query,
    })
  const series = (values: readonly number[], step = MINUTE): Reading[] =>
    values.map((value, index) => ({ ts: T + index * step, metrics: { fume: value, fan: value > 2 } }))

  test('what is written is read back: numbers, booleans, flags and positions', async () => {
    const boat = originOf('boat-1', 'survey_boat')
    const rejects = await store.write([
      delivery(fume, [{ ts: T, metrics: { fume: 2, fan: true }, flags: { fume: 'M', fan: 'N' } }]),
      delivery(fume, [{ ts: T + 1, metrics: { fume: -0.125, fan: false } }]),
      delivery(boat, [{ ts: T, metrics: { ph: 7.25 }, position: [120.857, 32.01, 12] }]),
      delivery(boat, [{ ts: T + 1, metrics: { ph: 1e21 }, position: [120.858, 32.02] }]),
    ])
    expect(rejects).toEqual([])
    const expected: [string, string, Point[]][] = [
      ['cooking_fume', 'fume', [[T, 2], [T + 1, -0.125]]], // prettier-ignore
      ['cooking_fume', 'fan', [[T, true], [T + 1, false]]], // prettier-ignore
      ['cooking_fume', 'fume_flag', [[T, 'M']]],
      ['cooking_fume', 'fan_flag', []],
      ['survey_boat', 'ph', [[T, 7.25], [T + 1, 1e21]]], // prettier-ignore
      ['survey_boat', 'lon', [[T, 120.857], [T + 1, 120.858]]], // prettier-ignore
      ['survey_boat', 'lat', [[T, 32.01], [T + 1, 32.02]]], // prettier-ignore
      ['survey_boat', 'alt', [[T, 12]]],
    ]
    for (const [kind, metric, points] of expected) {
      const device = kind === 'survey_boat' ? 'boat-1' : 'fume-1'
      expect(await ask({ device, kind, metric }), metric).toEqual(points)
    }
  })

  test('writing again changes nothing: a replay is idempotent', async () => {
    const batch = [delivery(fume, series([1, 2, 3]))]
    await store.write(batch)
    await store.write([...batch, ...batch])
    expect(await ask()).toHaveLength(3)
    expect(await ask({ every: 1_000_000 * MINUTE, agg: 'count' })).toMatchObject([[expect.any(Number), 3]])
  })

  test('of two values for one instant the later one is kept', async () => {
    await store.write([
      delivery(fume, [{ ts: T, metrics: { fume: 1 } }]),
      delivery(fume, [{ ts: T, metrics: { fume: 2 } }]),
    ])
    expect(await ask()).toEqual([[T, 2]])
  })

  test('points come in time order, from inclusive, to exclusive, at most limit', async () => {
    await store.write([delivery(fume, series([4, 5, 6, 7]).toReversed())])
    const all: Point[] = [4, 5, 6, 7].map((value, index) => [T + index * MINUTE, value])
    expect(await ask()).toEqual(all)
    expect(await ask({ from: T + MINUTE, to: T + 3 * MINUTE })).toEqual(all.slice(1, 3))
    expect(await ask({ limit: 2 })).toEqual(all.slice(0, 2))
  })

  test('a device that has moved is one history', async () => {
    await store.write([
      delivery(originOf('fume-1', 'cooking_fume', 'old-site'), [{ ts: WINDOW, metrics: { fume: 1 } }]),
      delivery(originOf('fume-1', 'cooking_fume', 'new-site'), [{ ts: WINDOW + 1, metrics: { fume: 2 } }]),
      delivery(originOf('fume-2', 'cooking_fume', 'new-site'), [{ ts: WINDOW + 2, metrics: { fume: 4 } }]),
    ])
    const moved: Point[] = [
      [WINDOW, 1],
      [WINDOW + 1, 2],
    ]
    expect(await ask()).toEqual(moved)
    expect(await ask({ every: MINUTE, agg: 'sum' })).toEqual([[WINDOW, 3]])
  })

  test('roll-ups: windows from the epoch, empty ones left out', async () => {
    await store.write([
      delivery(
        fume,
        [1, 3, 8, 5].map((value, at) => ({ ts: WINDOW + 10 + at * 30_000, metrics: { fume: value } })),
      ),
      delivery(fume, [{ ts: WINDOW + 10 * MINUTE, metrics: { fume: 7 } }]),
    ])
    const windows = (...values: number[]): Point[] =>
      values.map((value, index) => [WINDOW + [0, 1, 10][index]! * MINUTE, value])
    expect(await ask({ every: MINUTE })).toEqual(windows(2, 6.5, 7))
    expect(await ask({ every: MINUTE, agg: 'mean' })).toEqual(windows(2, 6.5, 7))
    expect(await ask({ every: MINUTE, agg: 'min' })).toEqual(windows(1, 5, 7))
    expect(await ask({ every: MINUTE, agg: 'max' })).toEqual(windows(3, 8, 7))
    expect(await ask({ every: MINUTE, agg: 'sum' })).toEqual(windows(4, 13, 7))
    expect(await ask({ every: MINUTE, agg: 'count' })).toEqual(windows(2, 2, 1))
    expect(await ask({ every: MINUTE, agg: 'sum', limit: 2 })).toEqual(windows(4, 13))
    // The first window is cut by `from`, and is still named by its beginning.
    expect(await ask({ every: MINUTE, agg: 'sum', from: WINDOW + 20_000 })).toEqual(windows(3, 13, 7))
  })

  test('roll-ups before 1970 have the same windows', async () => {
    await store.write([
      delivery(
        fume,
        [-90_000, -60_000, -1, 0].map((ts) => ({ ts, metrics: { fume: 1 } })),
      ),
    ])
    expect(await ask({ every: MINUTE, agg: 'count', from: -10 * MINUTE })).toEqual([
      [-2 * MINUTE, 1],
      [-MINUTE, 2],
      [0, 1],
    ])
  })

  test('what is no number has no mean', async () => {
    await store.write([
      delivery(fume, [
        { ts: WINDOW, metrics: { fan: true }, flags: { fan: 'D' } },
        { ts: WINDOW + 1, metrics: { fan: false }, flags: { fan: 'B' } },
      ]),
    ])
    const rollUp = (metric: string, agg: Aggregate) => ask({ metric, every: MINUTE, agg })
    expect(await rollUp('fan', 'count')).toEqual([[WINDOW, 2]])
    expect(await rollUp('fan', 'min')).toEqual([[WINDOW, false]])
    expect(await rollUp('fan', 'max')).toEqual([[WINDOW, true]])
    expect(await rollUp('fan_flag', 'count')).toEqual([[WINDOW, 2]])
    for (const agg of ['mean', 'sum'] as const) expect(await rollUp('fan', agg)).toEqual([])
    for (const agg of ['mean', 'sum', 'min', 'max'] as const)
      expect(await rollUp('fan_flag', agg)).toEqual([])
  })

  test('what is not known is not found', async () => {
    expect(await ask()).toEqual([])
    await store.write([delivery(fume, series([1]))])
    expect(await ask({ device: 'other' })).toEqual([])
    expect(await ask({ kind: 'other' })).toEqual([])
    expect(await ask({ metric: 'other' })).toEqual([])
    expect(await ask({ from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER })).toHaveLength(1)
  })

  test('names cannot reach out of their quotes', async () => {
    await store.write([delivery(fume, series([1]))])
    const names = [
      `x' OR 1=1 --`,
      `x" OR "a"='a`,
      `\\' OR '1'='1`,
      `fume-1'; DROP DATABASE "x"`,
      'a\nb',
      '\\',
      '',
    ]
    for (const name of names) {
      expect(await ask({ device: name })).toEqual([])
      if (name === '') continue
      expect(await ask({ kind: name })).toEqual([])
      expect(await ask({ metric: name })).toEqual([])
    }
    expect(await ask()).toHaveLength(1)
  })

  describe('a type conflict takes out exactly the readings that have it', () => {
    const right = (index: number): Reading => ({ ts: T + index * MINUTE, metrics: { fume: index } })
    const wrong = (index: number): Reading => ({
      ts: T + index * MINUTE,
      metrics: { fume: true, fan: false },
    })

    test.for([
      ['one in a hundred', (index: number) => index === 57],
      ['the first', (index: number) => index === 0],
      ['every other', (index: number) => index % 2 === 1],
      ['all but one', (index: number) => index !== 5],
      ['all', () => true],
    ] as const)('%s', async ([, isWrong]) => {
      await store.write([delivery(fume, [right(1000)])])
      const indices = Array.from({ length: 100 }, (_, index) => index)
      const rejects = await store.write(
        indices.map((index) => delivery(fume, [isWrong(index) ? wrong(index) : right(index)], index)),
      )
      expect(rejects.map(({ delivery }) => delivery.seq).sort((a, b) => a - b)).toEqual(
        indices.filter(isWrong),
      )
      for (const { reason } of rejects) expect(reason).toMatch(/field type conflict/)
      const kept: Point[] = indices
        .filter((index) => !isWrong(index))
        .map((index) => [T + index * MINUTE, index])
      expect(await ask({ to: T + 100 * MINUTE })).toEqual(kept)
      expect(await ask({ metric: 'fan' })).toEqual([])
    })

    test('of two types for a new metric the first one wins', async () => {
      const rejects = await store.write(
        [right(0), wrong(1), right(2), wrong(3)].map((reading, seq) => delivery(fume, [reading], seq)),
      )
      expect(rejects.map(({ delivery }) => delivery.seq)).toEqual([1, 3])
      expect(await ask()).toHaveLength(2)
    })

    test('the other kinds of the batch are kept', async () => {
      await store.write([delivery(fume, [right(0)])])
      const river = originOf('river-1', 'river_station')
      const rejects = await store.write([
        delivery(river, [{ ts: T, metrics: { ph: 7 } }]),
        delivery(fume, [wrong(1), right(2)]),
        delivery(river, [{ ts: T + 1, metrics: { ph: 7.5 } }]),
      ])
      expect(rejects.map(({ reading }) => reading)).toEqual([wrong(1)])
      expect(await ask({ device: 'river-1', kind: 'river_station', metric: 'ph' })).toHaveLength(2)
      expect(await ask()).toHaveLength(2)
    })
  })
})
