/** Each recording of ../shared/material: as many readings as rows, and the values of the source. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mapFile } from './built-in.ts'
import { FakeGateway } from './gateway.fixture.ts'
import type { Reading } from './reading.ts'
import { replay, type ReplayResult } from './replay.ts'

const material = fileURLToPath(new URL('../../shared/material/', import.meta.url))
if (!existsSync(material)) console.warn(`${material} is absent: its recordings are not replayed`)

let gateway: FakeGateway
beforeEach(async () => {
  gateway = new FakeGateway()
  await gateway.start()
})
afterEach(async () => gateway.stop())

async function played(file: string, map: string): Promise<ReplayResult> {
  return await replay({
    file: join(material, file),
    map: mapFile(map),
    speed: Infinity,
    shift: 'none',
    devicePrefix: 'sim-',
    mqttUrl: gateway.mqttUrl,
    registry: { httpUrl: gateway.httpUrl, token: gateway.token },
    batch: 100,
    inFlight: 20,
    maxGap: 60_000,
  })
}

const linesOf = (file: string) => {
  const bytes = readFileSync(join(material, file))
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  return text.trim().split('\n').slice(1)
}
const of = (device: string) => gateway.readings.get(device) ?? []
const at = (device: string, time: string): Reading | undefined =>
  of(device).find(({ ts }) => ts === Date.parse(time))
const values = (device: string, metric: string) => of(device).map(({ metrics }) => Number(metrics[metric]))

describe.skipIf(!existsSync(material))('the recordings of ../shared/material', () => {
  test('USGS Plumtree Run: every row, its units, its marks', async () => {
    const file = 'usgs-01581752-plumtree-run-5min-2018-05.csv'
    const result = await played(file, 'usgs-01581752')
    const rows = linesOf(file).length
    expect(rows).toBe(8928)
    expect(result).toMatchObject({
      rows,
      sent: 2 * rows,
      acknowledged: 2 * rows,
      devices: { 'sim-usgs-01581752-quality': rows, 'sim-usgs-01581752-gauge': rows },
      skipped: { qualifier: 992 },
      first: '2018-05-01T00:00:00.000Z',
      last: '2018-05-31T23:55:00.000Z',
      complete: true,
    })
    // 14.5,2.71,1.13,699,0.5 in °C, ft³/s, ft, µS/cm and FNU.
    expect(at('sim-usgs-01581752-quality', '2018-05-01T00:00:00Z')?.metrics).toEqual({
      temperature: 14.5,
      conductivity: 699,
      turbidity: 0.5,
      flow: 0.0767386542643,
    })
    expect(at('sim-usgs-01581752-gauge', '2018-05-01T00:00:00Z')?.metrics).toEqual({ level: 0.344424 })
    // Marked as a failure of the equipment, then filled in by interpolation.
    expect(at('sim-usgs-01581752-quality', '2018-05-23T14:15:00Z')?.flags).toEqual({ turbidity: 'D' })
    expect(at('sim-usgs-01581752-quality', '2018-05-23T14:20:00Z')?.metrics).not.toHaveProperty('turbidity')
    expect(gateway.registered.get('sim-usgs-01581752-gauge')?.attributes).toEqual({
      simulated: true,
      source: 'USGS NWIS 01581752, May 2018, public domain',
    })
  })

  test('USGS Dead Run: every row, and its flood', async () => {
    const file = 'usgs-01589330-dead-run-5min-2018-06.csv'
    const result = await played(file, 'usgs-01589330')
    const rows = linesOf(file).length
    expect(result).toMatchObject({ rows, sent: 2 * rows, acknowledged: 2 * rows, skipped: {} })
    const levels = values('sim-usgs-01589330-gauge', 'level')
    // 6.17 ft and 1360 ft³/s.
    expect(Math.max(...levels)).toBe(1.880616)
    expect(Math.max(...values('sim-usgs-01589330-flow', 'flow'))).toBeCloseTo(38.5109, 4)
    expect(Math.min(...levels)).toBe(0.124968)
  })

  test.each([
    ['defra-nonSpikeTelem.json', 1.213],
    ['defra-spikeTelem.json', 1000],
  ])('%s: every row in the order of time though the newest comes first', async (file, last) => {
    const source = JSON.parse(readFileSync(join(material, file), 'utf8')) as { ts: string; _: number }[]
    const result = await played(file, 'defra-river-level')
    expect(result).toMatchObject({ rows: 480, sent: 480, acknowledged: 480, skipped: {}, complete: true })
    expect(of('sim-defra-gauge').map(({ ts, metrics }) => [ts, metrics['level']])).toEqual(
      source.map(({ ts, _ }) => [Date.parse(ts), _]).toReversed(),
    )
    expect(at('sim-defra-gauge', '2020-10-13T16:00Z')?.metrics).toEqual({ level: last })
  })

  test('NAB machine temperature: every row, the clock taken for UTC', async () => {
    const file = 'nab-machine_temperature_system_failure.csv'
    const result = await played(file, 'nab-machine-temperature')
    const rows = linesOf(file).length
    expect(rows).toBe(22_695)
    expect(result).toMatchObject({ rows, sent: rows, acknowledged: rows, skipped: {}, complete: true })
    expect(at('sim-nab-machine', '2013-12-02T21:15:00Z')?.metrics).toEqual({ thermal_max: 73.96732207 })
    expect(Math.max(...values('sim-nab-machine', 'thermal_max'))).toBe(108.51054280000001)
    expect(Math.min(...values('sim-nab-machine', 'thermal_max'))).toBe(2.0847212059999998)
  })

  test('UCI Beijing air, gzip: every row in Beijing time; only rows without a value make no reading', async () => {
    const file = 'uci-prsa-aotizhongxin-hourly-2013-2017.csv.gz'
    const result = await played(file, 'uci-prsa-aotizhongxin')
    const rows = linesOf(file).map((line) => line.split(','))
    const given = (column: number) => rows.filter((row) => row[column] !== 'NA')
    expect(rows).toHaveLength(35_064)
    const roof = rows.filter((row) => row[5] !== 'NA' || row[16] !== 'NA').length
    expect(result).toMatchObject({
      rows: rows.length,
      devices: { 'sim-uci-roof': roof, 'sim-uci-rain': given(14).length },
      first: '2013-02-28T16:00:00.000Z',
      last: '2017-02-28T15:00:00.000Z',
      complete: true,
    })
    expect(result.acknowledged).toBe(2 * rows.length - (result.skipped.no_values ?? 0))
    expect(result.skipped.empty_cell).toBe(
      3 * rows.length - given(5).length - given(16).length - given(14).length,
    )
    // 1,2013,3,1,0,4,…,4.4: midnight in Beijing.
    expect(at('sim-uci-roof', '2013-02-28T16:00:00Z')?.metrics).toEqual({ pm25: 4, wind_speed: 4.4 })
    const sum = (numbers: number[]) => numbers.reduce((total, value) => total + value, 0)
    expect(sum(values('sim-uci-roof', 'pm25').filter(Number.isFinite))).toBe(
      sum(given(5).map((row) => Number(row[5]))),
    )
  })
})
