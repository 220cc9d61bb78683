import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { stringify } from 'yaml'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeGateway } from './gateway.fixture.ts'
import type { RecordingMap } from './recording-map.ts'
import { RowRecording } from './recording-rows.ts'
import type { Recording, Row } from './recording.ts'
import { PauseSwitch } from './replay-clock.ts'
import { replay, type ReplayOptions } from './replay.ts'

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

function csv(path: string): RowRecording {
  return new RowRecording(path, 'csv', map)
}

async function rowsOf<T>(recording: Recording<T>): Promise<Row<T>[]> {
  const rows: Row<T>[] = []
  for await (const row of recording.rows()) rows.push(row)
  return rows
}

function mapFile(content: object): string {
  const path = join(folder, 'map.yaml')
  writeFileSync(path, stringify(content))
  return path
}

function options(path: string, more: Partial<ReplayOptions> = {}): ReplayOptions {
  return {
    file: path,
    map: mapFile(map),
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
    const rows = await rowsOf(csv(file(line)))
    expect(rows).toEqual([
      {
        // 08:30 in Shanghai.
        ts: Date.UTC(2020, 0, 2, 0, 30),
        said: [
          {
            device: 'k',
            what: { ts: Date.UTC(2020, 0, 2, 0, 30), metrics: { ...metrics, purifier: true } },
          },
        ],
        skips,
      },
    ])
  })

  test('carries marks over as flags', async () => {
    const [row] = await rowsOf(csv(file('2020-01-02,08:30,212,3,on,E')))
    expect(row!.said[0]!.what.flags).toEqual({ temperature: 'D' })
  })

  test('skips a row without a time or without a value, and says so', async () => {
    const rows = await rowsOf(csv(file('2020-13-02,08:30,212,3,on,A\n2020-01-02,08:30,,,,\n2020-01-02')))
    expect(rows.map(({ said }) => said.length)).toEqual([0, 0, 0])
    expect(rows.map(({ skips }) => skips.at(-1))).toEqual(['bad_time', 'no_values', 'bad_time'])
  })

  test('reads gzip, and refuses a file that lacks a column', async () => {
    const rows = await rowsOf(csv(file('2020-01-02,08:30,212,3,on,A\n', 'r.csv.gz')))
    expect(rows).toHaveLength(1)
    const path = join(folder, 'other.csv')
    writeFileSync(path, 'day,clock,heat\n2020-01-02,08:30,1\n')
    await expect(rowsOf(csv(path))).rejects.toThrow('has no column q, pm, fan')
    await expect(rowsOf(csv(join(folder, 'none.csv')))).rejects.toThrow('ENOENT')
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

test('paused, nothing is played; what was not played meanwhile does not come at once', async () => {
  const pause = new PauseSwitch()
  const rows = ['2020-01-02,08:30,212,1,on,A', '2020-01-02,08:31,212,2,on,A', '2020-01-02,08:32,212,3,on,A']
  let resumedAt = 0
  const came: number[] = []
  gateway.onReading = () => came.push(Date.now())
  await replay(
    options(file(rows.join('\n')), {
      speed: 600,
      pause,
      onProgress: (done) => {
        if (done !== 1) return
        pause.toggle()
        setTimeout(() => {
          resumedAt = Date.now()
          pause.toggle()
        }, 300)
      },
    }),
  )
  expect(came).toHaveLength(3)
  // 100 ms apart, of which hardly any had passed before the pause.
  expect(came[1]!).toBeGreaterThan(resumedAt)
  expect(came[2]! - came[1]!).toBeGreaterThan(40)
})

test('a device that is registered and not simulated is left alone', async () => {
  gateway.registered.set('sim-k', {
    id: 'sim-k',
    kind: 'cooking_fume',
    site: 's',
    street: 'qinzao',
    grid: 'qinzao-001',
  })
  await expect(replay(options(file('2020-01-02,08:30,212,1,on,A')))).rejects.toThrow(
    'sim-k is taken by what is no simulated device',
  )
  expect(gateway.secrets.size).toBe(0)
})

test('says what it needs when a file cannot be played', async () => {
  const { map: _map, ...without } = options(file('2020-01-02,08:30,212,1,on,A'))
  await expect(replay(without)).rejects.toThrow('a csv file needs a map')
  await expect(replay({ ...without, file: 'x.bin' })).rejects.toThrow('say --format')
})
