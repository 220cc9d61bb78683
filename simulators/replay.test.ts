import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeGateway } from './gateway.fixture.ts'
import type { Reading } from './reading.ts'
import { readRecordingMap, type RecordingMap } from './recording-map.ts'
import { Recording, type Row } from './recording.ts'
import { replay, type ReplayOptions } from './replay.ts'

const material = fileURLToPath(new URL('../../shared/material/', import.meta.url))

let folder: string
let gateway: FakeGateway

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'replay-'))
  gateway = new FakeGateway()
  await gateway.start()
})
afterEach(async () => {
  await gateway.stop()
  rmSync(folder, { recursive: true, force: true })
})

const map: RecordingMap = {
  source: 'a test',
  time: { columns: ['day', 'clock'], format: 'yyyy-MM-dd HH:mm', zone: 'Asia/Shanghai' },
  empty: ['NA'],
  qualifiers: { A: 'N', E: 'D', X: 'skip' },
  devices: [
    {
      id: 'k',
      kind: 'cooking_fume',
      site: 's',
      street: 'qinzao',
      grid: 'qinzao-001',
      metrics: {
        temperature: { column: 'heat', convert: 'degF->degC', qualifier: 'q' },
        pm: { column: 'pm', factor: 2, offset: 1 },
        fan: { column: 'fan', is: 'on' },
      },
      constants: { purifier: true },
    },
  ],
}

function file(rows: string, name = 'r.csv'): string {
  const path = join(folder, name)
  const text = `day,clock,heat,pm,fan,q\n${rows}`
  writeFileSync(path, name.endsWith('.gz') ? gzipSync(text) : text)
  return path
}

async function rowsOf(recording: Recording): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of recording.rows()) rows.push(row)
  return rows
}

function options(path: string, more: Partial<ReplayOptions> = {}): ReplayOptions {
  return {
    file: path,
    map,
    speed: Infinity,
    shift: 'none',
    devicePrefix: 'sim-',
    mqttUrl: gateway.mqttUrl,
    registry: { httpUrl: gateway.httpUrl, token: gateway.token },
    batch: 1,
    inFlight: 20,
    maxGap: 60_000,
    ...more,
  }
}

describe('a row becomes a reading as the map says', () => {
  test.each([
    [
      'converts, scales and tells booleans',
      '2020-01-02,08:30,212,3,on,A',
      { temperature: 100, pm: 7, fan: true },
      [],
    ],
    ['leaves empty cells out', '2020-01-02,08:30,,NA,off,', { fan: false }, ['empty_cell', 'empty_cell']],
    [
      'leaves out what is no number',
      '2020-01-02,08:30,12x,1e999,on,A',
      { fan: true },
      ['bad_number', 'bad_number'],
    ],
    ['leaves out what was not measured', '2020-01-02,08:30,212,3,on,X', { pm: 7, fan: true }, ['qualifier']],
    [
      'leaves out marks it does not know',
      '2020-01-02,08:30,212,3,on,?',
      { pm: 7, fan: true },
      ['unknown_qualifier'],
    ],
  ])('%s', async (_, line, metrics, skips) => {
    const rows = await rowsOf(new Recording(file(line), map))
    expect(rows).toEqual([
      {
        // 08:30 in Shanghai.
        ts: Date.UTC(2020, 0, 2, 0, 30),
        readings: [
          {
            device: 'k',
            reading: { ts: Date.UTC(2020, 0, 2, 0, 30), metrics: { ...metrics, purifier: true } },
          },
        ],
        skips,
      },
    ])
  })

  test('carries marks over as flags', async () => {
    const [row] = await rowsOf(new Recording(file('2020-01-02,08:30,212,3,on,E'), map))
    expect(row!.readings[0]!.reading.flags).toEqual({ temperature: 'D' })
  })

  test('skips a row without a time or without a value, and says so', async () => {
    const rows = await rowsOf(
      new Recording(file('2020-13-02,08:30,212,3,on,A\n2020-01-02,08:30,,,,\n2020-01-02'), map),
    )
    expect(rows.map(({ readings }) => readings.length)).toEqual([0, 0, 0])
    expect(rows.map(({ skips }) => skips.at(-1))).toEqual(['bad_time', 'no_values', 'bad_time'])
  })

  test('reads gzip, and refuses a file that lacks a column', async () => {
    const rows = await rowsOf(new Recording(file('2020-01-02,08:30,212,3,on,A\n', 'r.csv.gz'), map))
    expect(rows).toHaveLength(1)
    const path = join(folder, 'other.csv')
    writeFileSync(path, 'day,clock,heat\n2020-01-02,08:30,1\n')
    await expect(rowsOf(new Recording(path, map))).rejects.toThrow('has no column q, pm, fan')
    await expect(rowsOf(new Recording(join(folder, 'none.csv'), map))).rejects.toThrow('ENOENT')
  })
})

describe('a replay', () => {
  const minutes = Array.from(
    { length: 50 },
    (_, i) => `2020-01-02,08:${String(i).padStart(2, '0')},212,${i},on,A`,
  )

  test.each([1, 7])('keeps the order and loses nothing, %i readings a message', async (batch) => {
    const result = await replay(options(file(minutes.join('\n')), { batch, inFlight: 3 }))
    expect(result).toMatchObject({ rows: 50, sent: 50, acknowledged: 50, skipped: {}, complete: true })
    const came = gateway.readings.get('sim-k')!
    expect(came.map(({ metrics }) => metrics['pm'])).toEqual(minutes.map((_, i) => i * 2 + 1))
    expect(gateway.registered.get('sim-k')).toMatchObject({
      attributes: { simulated: true, source: 'a test' },
    })
  })

  test('shifted to now ends now, with its intervals kept', async () => {
    await replay(options(file(minutes.join('\n')), { shift: 'now', speed: 100_000 }))
    const came = gateway.readings.get('sim-k')!
    expect(came.at(-1)!.ts - came[0]!.ts).toBe(49 * 60_000)
    expect(Math.abs(came.at(-1)!.ts - Date.now())).toBeLessThan(10_000)
    expect(came.at(-1)!.ts).toBeLessThanOrEqual(Date.now())
  })

  test('shifted to a date begins there', async () => {
    const result = await replay(options(file(minutes.join('\n')), { shift: Date.UTC(2026, 5, 1) }))
    expect(result.first).toBe('2026-06-01T00:00:00.000Z')
    expect(result.last).toBe('2026-06-01T00:49:00.000Z')
  })

  test('does not sit out a hole in the recording', async () => {
    const path = file('2020-01-02,08:30,212,1,on,A\n2021-01-02,08:30,212,2,on,A')
    const result = await replay(options(path, { speed: 1, maxGap: 20, shift: 'now' }))
    expect(result).toMatchObject({ rows: 2, acknowledged: 2 })
    const [first, last] = gateway.readings.get('sim-k')!
    expect(last!.ts - first!.ts).toBe(366 * 86_400_000)
    expect(last!.ts).toBeLessThanOrEqual(Date.now())
  })

  test('stops on a signal and says that it is not complete', async () => {
    const stop = new AbortController()
    const result = await replay(
      options(file(minutes.join('\n')), {
        speed: 60,
        signal: stop.signal,
        onProgress: () => stop.abort(),
      }),
    )
    expect(result).toMatchObject({ rows: 1, complete: false })
  })

  test('gives up with a reason when nobody lets it in', async () => {
    await expect(
      replay(options(file(minutes[0]!), { registry: { httpUrl: gateway.httpUrl, token: 'wrong' } })),
    ).rejects.toThrow('Unauthorized')
  })
})

describe.skipIf(!existsSync(material))(
  'the recordings of the U.S. Geological Survey (../shared/material)',
  () => {
    const usgs = (name: string): RecordingMap =>
      readRecordingMap(new URL(`maps/usgs-${name}.yaml`, import.meta.url))
    const at = (device: string, time: string): Reading | undefined =>
      gateway.readings.get(device)?.find(({ ts }) => ts === Date.parse(time))

    test('Plumtree Run: as many readings as rows, and the values of the source', async () => {
      const path = join(material, 'usgs-01581752-plumtree-run-5min-2018-05.csv')
      const rows = readFileSync(path, 'utf8').trim().split('\n').length - 1
      const result = await replay(options(path, { map: usgs('01581752'), batch: 100 }))
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
    })

    test('Dead Run: as many readings as rows, and its flood', async () => {
      const path = join(material, 'usgs-01589330-dead-run-5min-2018-06.csv')
      const rows = readFileSync(path, 'utf8').trim().split('\n').length - 1
      const result = await replay(options(path, { map: usgs('01589330'), batch: 100 }))
      expect(result).toMatchObject({ rows, sent: 2 * rows, acknowledged: 2 * rows, skipped: {} })
      const levels = gateway.readings
        .get('sim-usgs-01589330-gauge')!
        .map(({ metrics }) => Number(metrics['level']))
      const flows = gateway.readings
        .get('sim-usgs-01589330-flow')!
        .map(({ metrics }) => Number(metrics['flow']))
      // 6.17 ft and 1360 ft³/s.
      expect(Math.max(...levels)).toBe(1.880616)
      expect(Math.max(...flows)).toBeCloseTo(38.5109, 4)
      expect(Math.min(...levels)).toBe(0.124968)
    })
  },
)
