import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHistorian } from '../../gateway/historian/historian.ts'
import { openHistory } from '../../gateway/historian/history.ts'
import type { Recorded } from '../../gateway/model/pipeline.ts'
import { FLAGS, type Origin, type StoredReading } from '../../gateway/model/reading.ts'
import { hasInfluxd, Influxd } from '../services/influxd.ts'
import { delivery, originOf, settings, silent } from './stores.fixture.ts'

const T = 1_718_000_000_000
const DAY = 86_400_000

let influxd: Influxd | undefined
let databases = 0
beforeAll(async () => {
  if (hasInfluxd) influxd = await Influxd.launch()
})
afterAll(() => influxd?.dispose())

const stores = hasInfluxd ? (['embedded', 'influx1'] as const) : (['embedded'] as const)
describe.for(stores)('%s', (type) => {
  /** What the history holds of the device after these have been written. */
  async function throughTheStore(
    written: readonly Recorded[],
    device: string,
    [from, to]: readonly [number, number] = [0, T * 2],
  ): Promise<readonly Recorded[]> {
    const dir = mkdtempSync(join(tmpdir(), 'gridwhistle-history-'))
    const url = influxd?.url ?? 'http://127.0.0.1:1'
    const config = settings({ type, url, database: `history-${databases++}` })
    const store = createHistorian(config, dir, silent)
    await store.start()
    await store.write(written.map(({ origin, reading }) => delivery(origin, [reading])))
    const history = openHistory(config, dir)
    try {
      const read: Recorded[] = []
      for await (const chunk of history.scan({ device, kind: 'survey_boat', from, to })) read.push(...chunk)
      return read
    } finally {
      history.close()
      await store.stop()
      rmSync(dir, { recursive: true, force: true })
    }
  }

  test('scan(write(readings)) = the readings, merged by instant and tags, in order of time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryRecorded, { maxLength: 60 }), async (written) => {
        const read = await throughTheStore(written, 'boat-1')
        expect(sorted(read)).toEqual(merged(written, 'boat-1'))
        const times = read.map(({ reading }) => reading.ts)
        expect(times).toEqual(times.toSorted((a, b) => a - b))
      }),
      { numRuns: type === 'embedded' ? 60 : 25 },
    )
  })

  test('more readings than one chunk, with a pause of years, are read once and whole', async () => {
    const boat = originOf('boat-1', 'survey_boat')
    const times = [
      ...Array.from({ length: 9000 }, (_, index) => T + index * 1000),
      ...Array.from({ length: 50 }, (_, index) => T + 800 * DAY + index * DAY),
    ]
    const written = times.map((ts, index): Recorded => {
      const metrics = index % 3 === 0 ? { ph: index / 4 } : { ph: index / 4, do: 5 }
      return { origin: boat, reading: { ts, metrics } }
    })
    expect(await throughTheStore(written, 'boat-1')).toEqual(written)
    const stretch = [T + 4_000_000, T + 4_005_000] as const
    expect(await throughTheStore(written, 'boat-1', stretch)).toEqual(written.slice(4000, 4005))
  })

  test('devices of a kind, by name', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'gridwhistle-history-'))
    const config = settings({ type, url: influxd?.url ?? '', database: `history-${databases++}` })
    const store = createHistorian(config, dir, silent)
    await store.start()
    const reading = { ts: T, metrics: { ph: 7 } }
    for (const [device, kind] of [
      ['b', 'survey_boat'],
      ['a', 'survey_boat'],
      ['c', 'river_station'],
    ] as const)
      await store.write([delivery(originOf(device, kind), [reading])])
    const history = openHistory(config, dir)
    expect(await history.devices('survey_boat')).toEqual(['a', 'b'])
    expect(await history.devices('drone')).toEqual([])
    history.close()
    await store.stop()
    rmSync(dir, { recursive: true, force: true })
  })
})

const value = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((number) => number + 0)
const optional = { requiredKeys: [] as [] }
const arbitraryReading = fc
  .record(
    {
      ts: fc.integer({ min: 0, max: 20 }).map((step) => T + step * 1000),
      metrics: fc
        .record({ ph: value, do: value, tp: value }, optional)
        .filter((metrics) => Object.keys(metrics).length > 0),
      flags: fc.record({ ph: fc.constantFrom(...FLAGS), do: fc.constantFrom(...FLAGS) }, optional),
      position: fc.oneof(fc.tuple(value, value), fc.tuple(value, value, value)),
      span: fc.constantFrom(60_000, 3_600_000),
      delay: fc.integer({ min: -300_000, max: 1e10 }),
      behind: fc.integer({ min: 1, max: 1e10 }),
    },
    { requiredKeys: ['ts', 'metrics'] },
  )
  .map((reading) => reading as StoredReading)
const arbitraryRecorded = fc.record({
  origin: fc.constantFrom(
    originOf('boat-1', 'survey_boat'),
    originOf('boat-1', 'survey_boat', 'elsewhere'),
    originOf('boat-2', 'survey_boat'),
    originOf('boat-1', 'river_station'),
  ),
  reading: arbitraryReading,
})

const keyOf = ({ site }: Origin, ts: number): string => `${ts} ${site}`
const sorted = (recorded: readonly Recorded[]): Recorded[] =>
  recorded.toSorted((a, b) => (keyOf(a.origin, a.reading.ts) < keyOf(b.origin, b.reading.ts) ? -1 : 1))

/** What a point that overwrites itself field by field holds in the end. */
function merged(written: readonly Recorded[], device: string): Recorded[] {
  const points = new Map<string, Recorded>()
  for (const { origin, reading } of written) {
    if (origin.device !== device || origin.kind !== 'survey_boat') continue
    const key = keyOf(origin, reading.ts)
    const before = points.get(key)?.reading
    const flags = { ...before?.flags, ...onlyAbnormal(reading.flags) }
    const [lon, lat, alt] = Object.assign([] as number[], before?.position, reading.position)
    const { span = before?.span, delay = before?.delay, behind = before?.behind } = reading
    points.set(key, {
      origin,
      reading: {
        ts: reading.ts,
        metrics: { ...before?.metrics, ...reading.metrics },
        ...(Object.keys(flags).length > 0 ? { flags } : {}),
        ...(lon === undefined ? {} : { position: alt === undefined ? [lon, lat] : [lon, lat, alt] }),
        ...(span === undefined ? {} : { span }),
        ...(delay === undefined ? {} : { delay }),
        ...(behind === undefined ? {} : { behind }),
      },
    })
  }
  return sorted([...points.values()])
}

function onlyAbnormal(flags: StoredReading['flags']): StoredReading['flags'] {
  return Object.fromEntries(Object.entries(flags ?? {}).filter(([, flag]) => flag !== 'N'))
}
