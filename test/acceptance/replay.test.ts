/** Recordings of real floods through the command line, MQTT, historian and rules of a real gateway process. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gridwhistle } from '../command.ts'
import { all, ledgerOf, pointsOf } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

const material = fileURLToPath(new URL('../../../shared/material/', import.meta.url))
const rules = fileURLToPath(new URL('flood-rules', import.meta.url))
const plumtree = join(material, 'usgs-01581752-plumtree-run-5min-2018-05.csv')
const deadRun = join(material, 'usgs-01589330-dead-run-5min-2018-06.csv')

const FOOT = 0.3048
const MINUTE = 60_000

type Row = Record<string, string>
const rowsOf = (file: string) => parse<Row>(readFileSync(file, 'utf8'), { columns: true })
const timeOf = (row: Row) => Date.parse(row['datetimeUTC']!)

/** What the source says of one column, in the gateway's unit; without what its marks say was never measured. */
function expectedPoints(rows: readonly Row[], column: string, factor: number): [number, number][] {
  return rows
    .filter((row) => row[`${column}_q`] !== 'hf.missing')
    .map((row) => [timeOf(row), Number(row[column]) * factor])
}

interface Alarm {
  severity: string
  state: string
  startedAt: number
  clearedAt: number | null
  peak: number
  stale?: true
  case: string | null
}

const STEPS = [
  ['red', 6],
  ['orange', 5],
  ['yellow', 4],
  ['blue', 3],
] as const
const RANK = ['blue', 'yellow', 'orange', 'red']

/**
 * The floods of a recording by flood-rules/creeks.yaml, reckoned without the engine: the mean of the last ten
 * minutes is that of two readings; a flood ends when it has been below 2.9 ft for half an hour.
 */
function expectedFloods(rows: readonly Row[]): Omit<Alarm, 'case'>[] {
  const floods: Omit<Alarm, 'case'>[] = []
  let flood: Omit<Alarm, 'case'> | undefined
  let lowSince: number | undefined
  for (const [i, row] of rows.entries()) {
    const ts = timeOf(row)
    const feet = Number(row['gage_height_ft'])
    const mean = i === 0 ? feet : (feet + Number(rows[i - 1]!['gage_height_ft'])) / 2
    if (flood !== undefined && lowSince !== undefined && ts >= lowSince + 30 * MINUTE) {
      flood.clearedAt = lowSince + 30 * MINUTE
      flood.state = 'cleared'
      flood = undefined
    }
    // A thousandth of an inch against the dust of binary arithmetic.
    const step = STEPS.find(([, limit]) => mean > limit + 1e-4)
    if (flood === undefined && step !== undefined) {
      flood = { severity: step[0], state: 'firing', startedAt: ts, clearedAt: null, peak: 0, stale: true }
      floods.push(flood)
      lowSince = undefined
    }
    if (flood === undefined) continue
    flood.peak = Math.max(flood.peak, mean * FOOT)
    if (step !== undefined && RANK.indexOf(step[0]) > RANK.indexOf(flood.severity)) flood.severity = step[0]
    if (mean >= 2.9 - 1e-4) lowSince = undefined
    else lowSince ??= ts
  }
  return floods
}

describe.skipIf(!existsSync(material))('a replay of a flood (needs ../shared/material)', () => {
  let folder: string
  let gateway: GatewayProcess
  let reports: Record<string, unknown>[]

  const replay = async (file: string, map: string, ...options: string[]) => {
    const { mqtt, http } = gateway.ports
    const to = ['--to', `mqtt://127.0.0.1:${mqtt}`, '--http', `http://127.0.0.1:${http}`]
    const args = ['replay', file, '--map', map, '--speed', 'max', '--json', ...to, ...options]
    const { code, out, err } = await gridwhistle(args, { env: gateway.environment })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    return JSON.parse(out) as Record<string, unknown>
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gridwhistle-replay-'))
    gateway = new GatewayProcess({ GW_RULES_DIR: rules })
    await gateway.start()
    reports = await Promise.all([
      replay(plumtree, 'usgs-01581752', '--shift', 'none', '--batch', '100'),
      replay(deadRun, 'usgs-01589330', '--shift', 'none', '--batch', '100'),
    ])
  })
  afterAll(async () => {
    await gateway?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  test('takes as many readings as the recordings have rows', async () => {
    const rows = [plumtree, deadRun].map((file) => rowsOf(file).length)
    expect(rows).toEqual([8928, 8928])
    // Each row makes a reading of a gauge and one of a station.
    for (const report of reports) {
      expect(report).toMatchObject({
        rows: 8928,
        sent: 17_856,
        acknowledged: 17_856,
        refused: 0,
        complete: true,
      })
    }
    const ledger = await eventually('everything stored', async () => {
      const now = await ledgerOf(gateway)
      return now.pending === 0 ? now : undefined
    })
    expect(ledger).toMatchObject({ received: 35_712, accepted: 35_712, stored: 35_712, quarantined: 0 })
  })

  test.each<[file: string, column: string, factor: number, device: string, metric: string]>([
    [plumtree, 'water_temp_c', 1, 'sim-usgs-01581752-quality', 'temperature'],
    [plumtree, 'specific_conductance_uScm', 1, 'sim-usgs-01581752-quality', 'conductivity'],
    [plumtree, 'turbidity_fnu', 1, 'sim-usgs-01581752-quality', 'turbidity'],
    [plumtree, 'discharge_cfs', FOOT ** 3, 'sim-usgs-01581752-quality', 'flow'],
    [plumtree, 'gage_height_ft', FOOT, 'sim-usgs-01581752-gauge', 'level'],
    [deadRun, 'discharge_cfs', FOOT ** 3, 'sim-usgs-01589330-flow', 'flow'],
    [deadRun, 'gage_height_ft', FOOT, 'sim-usgs-01589330-gauge', 'level'],
  ])('stores every value of the source: %s %s', async (file, column, factor, device, metric) => {
    const expected = expectedPoints(rowsOf(file), column, factor)
    const points = await pointsOf(gateway, device, metric)
    expect(points.map(([ts]) => ts)).toEqual(expected.map(([ts]) => ts))
    const differences = points.map(([, value], i) => Math.abs(Number(value) - expected[i]![1]))
    expect(Math.max(...differences)).toBeLessThan(1e-9)
  })

  test('spot values', async () => {
    const level = new Map(await pointsOf(gateway, 'sim-usgs-01589330-gauge', 'level'))
    const flow = new Map(await pointsOf(gateway, 'sim-usgs-01589330-flow', 'flow'))
    // 0.93 ft and 23.9 ft³/s at the beginning; 6.17 ft at the peak.
    expect(level.get(Date.UTC(2018, 5, 1, 4))).toBe(0.283464)
    expect(flow.get(Date.UTC(2018, 5, 1, 4))).toBeCloseTo(0.6767726)
    expect(Math.max(...[...level.values()].map(Number))).toBe(1.880616)
  })

  test.each([
    [plumtree, 'sim-usgs-01581752-gauge', ['blue', 'blue', 'blue']],
    [deadRun, 'sim-usgs-01589330-gauge', ['yellow', 'red', 'red']],
  ])('alarms its floods, stale as they are, and opens no case: %s', async (file, device, severities) => {
    const expected = expectedFloods(rowsOf(file))
    const alarms = await eventually('every flood is over', async () => {
      const found = await all<Alarm>(gateway, `/api/v1/alarms?device=${device}`)
      return found.length === expected.length && found.every(({ state }) => state === 'cleared')
        ? found.sort((a, b) => a.startedAt - b.startedAt)
        : undefined
    })
    expect(alarms).toMatchObject(
      expected.map((flood) => ({ ...flood, peak: expect.closeTo(flood.peak, 6) as number, case: null })),
    )
    expect(alarms.map(({ severity }) => severity)).toEqual(severities)
    expect(await all(gateway, '/api/v1/cases')).toEqual([])
  })

  test('shifted to now, a flood opens its case', async () => {
    // The recording up to its peak, so that the peak is now.
    const lines = readFileSync(deadRun, 'utf8').trim().split('\n')
    const stages = rowsOf(deadRun).map((row) => Number(row['gage_height_ft']))
    const peak = stages.indexOf(Math.max(...stages))
    const cut = join(folder, basename(deadRun))
    writeFileSync(cut, [lines[0], ...lines.slice(1 + peak - 36, 2 + peak)].join('\n'))
    const before = Date.now()
    const report = await replay(cut, 'usgs-01589330', '--shift', 'now', '--device-prefix', 'now-')
    expect(report).toMatchObject({ rows: 37, acknowledged: 74, complete: true })
    expect(Date.parse(report['last'] as string)).toBeGreaterThan(before - MINUTE)

    const device = 'now-usgs-01589330-gauge'
    const found = await eventually('a case', async () => (await all(gateway, '/api/v1/cases'))[0])
    const [alarm] = await all<Alarm & { id: string }>(gateway, `/api/v1/alarms?device=${device}`)
    expect(alarm).not.toHaveProperty('stale')
    expect(alarm).toMatchObject({ state: 'firing', case: (found as { id: string }).id })
    expect(found).toMatchObject({
      state: 'dispatched',
      category: 'flood',
      site: 'usgs-01589330',
      street: 'yongxing',
      team: expect.any(String),
      alarms: [alarm!.id],
    })
  })
})
