import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { District } from './district.ts'
import { FakeGateway } from './gateway.fixture.ts'
import type { Measurement, Reading } from './reading.ts'
import { parseScenario } from './scenario.ts'
import { Secrets } from './secrets.ts'
import { driveSimulation, runSimulation } from './simulate.ts'

const scenario = parseScenario(
  `
id: three
title: { en: Three, zh: 三 }
begins: 2026-06-18T18:20:00+08:00
backlog: 5m
every: { cooking_fume: 10s, drone: 2s }
devices:
  - { id: fume-a, kind: cooking_fume, site: a, street: qinzao, grid: qinzao-001, position: [120.9, 32.1] }
  - { id: fume-b, kind: cooking_fume, site: b, street: qinzao, grid: qinzao-001, position: [120.9, 32.1] }
  - { id: drone-c, kind: drone, site: c, street: qinzao, grid: qinzao-001, position: [120.9, 32.1] }
`,
  'three',
)

let gateway: FakeGateway
let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'simulate-'))
  gateway = new FakeGateway()
  await gateway.start()
})
afterEach(async () => {
  await gateway.stop()
  rmSync(folder, { recursive: true, force: true })
})

function options() {
  const { mqttUrl, httpUrl, token } = gateway
  return { scenario, seed: 7, mqttUrl, httpUrl, token, secrets: new Secrets(join(folder, 'secrets.json')) }
}

function withoutTime(reading: Reading): Measurement {
  const { ts: _ts, ...measurement } = reading
  return measurement
}

test('a run hands over every beat once, in order, from the backlog to its end', async () => {
  const before = Date.now()
  const result = await runSimulation({ ...options(), speed: 60, duration: 60_000 })
  const after = Date.now()
  for (const device of new District(scenario, 7).devices) {
    const expected: unknown[] = []
    for (let beat = device.beatFrom(-300_000); beat < 60_000; beat = device.beatFrom(beat + 1)) {
      expected.push(device.measure(beat))
    }
    const came = gateway.readings.get(device.registration.id) ?? []
    expect(came.map(withoutTime)).toEqual(expected)
    expect(came.map(({ ts }) => ts)).toEqual(came.map(({ ts }) => ts).sort((a, b) => a - b))
    expect(came.at(-1)!.ts).toBeLessThanOrEqual(after)
    expect(came[0]!.ts).toBeGreaterThan(before - 360_000)
  }
  expect(result).toMatchObject({ devices: 3, registered: 3, connected: 3, refused: 0, forgotten: 0 })
  expect(result.acknowledged).toBe(result.taken)
  for (const id of ['fume-a', 'fume-b', 'drone-c']) {
    expect(gateway.registered.get(id)).toMatchObject({ street: 'qinzao', attributes: { simulated: true } })
    expect(gateway.statuses.filter((status) => status.startsWith(id))).toEqual([
      `${id} {"online":true}`,
      `${id} {"online":false}`,
    ])
  }
})

test('secrets are kept where only their owner may read them, and serve the next run', async () => {
  await runSimulation({ ...options(), speed: 60, duration: 1000 })
  const file = join(folder, 'secrets.json')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const secrets = readFileSync(file, 'utf8')
  const known = new Map(gateway.secrets)
  await runSimulation({ ...options(), speed: 60, duration: 1000 })
  expect(gateway.secrets).toEqual(known)
  expect(readFileSync(file, 'utf8')).toBe(secrets)
})

test('a device that is registered but whose secret is unknown gets a new one', async () => {
  gateway.registered.set('fume-a', { ...scenario.devices[0]!, attributes: { simulated: true } })
  gateway.secrets.set('fume-a', 'forgotten')
  const result = await runSimulation({ ...options(), speed: 60, duration: 1000 })
  expect(result.connected).toBe(3)
  expect(gateway.secrets.get('fume-a')).not.toBe('forgotten')
})

test('a broken connection loses no reading: it is sent again when the gateway is back', async () => {
  const port = Number(new URL(gateway.mqttUrl).port)
  const stop = new AbortController()
  let broken: Promise<void> | undefined
  const result = await runSimulation({
    ...options(),
    speed: 20,
    duration: 60_000,
    signal: stop.signal,
    onProgress: ({ taken }) => {
      if (taken > 0) broken ??= gateway.cut().then(async () => await gateway.start(port))
    },
  })
  await broken
  expect(broken).toBeDefined()
  expect(result.acknowledged).toBe(result.taken)
  for (const device of new District(scenario, 7).devices) {
    const came = new Set(
      gateway.readings.get(device.registration.id)?.map((reading) => JSON.stringify(withoutTime(reading))),
    )
    for (let beat = device.beatFrom(-300_000); beat < 60_000; beat = device.beatFrom(beat + 1)) {
      expect(came).toContain(JSON.stringify(device.measure(beat)))
    }
  }
})

test('a wrong token ends the run with the gateway’s own words', async () => {
  await expect(runSimulation({ ...options(), token: 'wrong', speed: 1 })).rejects.toThrow(
    'Unauthorized (401)',
  )
})

test('a signal ends an endless run', async () => {
  const stop = new AbortController()
  const result = await runSimulation({
    ...options(),
    speed: 1,
    signal: stop.signal,
    onProgress: ({ acknowledged }) => {
      if (acknowledged > 0) stop.abort()
    },
  })
  expect(result.connected).toBe(3)
})

describe('a run that drives the gateway’s clock', () => {
  const everything = parseScenario(
    `
id: all
title: { en: All, zh: 全部 }
begins: 2026-06-18T18:20:00+08:00
backlog: 5m
place: chongchuan
take: ['*-wenfeng*', '*haohe*', drone-qinzao, crowd-wanda, gas-wanda-01, hazmat-su-f-1001, speaker-langshan]
every: { cooking_fume: 10s, river_station: 60s, water_level: 60s, drone: 2s, survey_boat: 5s, eco_camera: 10s,
  crowd_counter: 60s, gas_detector: 30s, hazmat_vehicle: 5s, loudspeaker: 60s }
episodes:
  - { device: river-haohe-xi, what: discharge, at: 0s, for: 10m }
  - { device: gauge-wenfeng, what: storm, at: 0s, for: 10m, strength: 60 }
faults:
  - { device: fume-wenfeng-01, fault: shuffle, by: 2m, at: 0s, for: 10m }
  - { device: fume-wenfeng-02, fault: duplicates, share: 0.5, at: 0s, for: 10m }
  - { device: fume-wenfeng-03, fault: hostile, every: 30s, at: 0s, for: 10m }
  - { device: fume-wenfeng-04, fault: offline, at: 1m, for: 5m }
  - { device: fume-wenfeng-05, fault: skew, by: 4m, at: 0s, for: 10m }
`,
    'all',
  )

  async function published(seed: number): Promise<Map<string, string[]>> {
    const fake = new FakeGateway()
    await fake.start()
    const { mqttUrl, httpUrl, token } = fake
    const duration = 12 * 60_000
    const moments: number[] = []
    const result = await driveSimulation({
      scenario: everything,
      seed,
      duration,
      mqttUrl,
      httpUrl,
      token,
      onTime: async (now) => void moments.push(now),
    })
    expect(result).toMatchObject({ refused: 0, forgotten: 0, lastError: null })
    expect(result.acknowledged).toBe(result.taken)
    expect(fake.now).toBe(Date.parse(everything.begins) + duration)
    expect(moments).toEqual(moments.toSorted((a, b) => a - b))
    // Cut off without a farewell, and back again.
    expect(fake.statuses.filter((status) => status.startsWith('fume-wenfeng-04'))).toEqual([
      'fume-wenfeng-04 {"online":true}',
      'fume-wenfeng-04 {"online":false}',
      'fume-wenfeng-04 {"online":true}',
      'fume-wenfeng-04 {"online":false}',
    ])
    await fake.stop()
    return fake.payloads
  }

  test('publishes the same bytes for the same seed, whatever the day, and others for another', async () => {
    const first = await published(7)
    expect(first.size).toBe(everything.devices.length)
    expect(await published(7)).toEqual(first)
    expect(await published(8)).not.toEqual(first)
  })

  test('hands in the same over HTTP, in one request for all', async () => {
    const { mqttUrl, httpUrl, token } = gateway
    const duration = 60_000
    const result = await driveSimulation({
      scenario,
      seed: 7,
      via: 'http',
      duration,
      mqttUrl,
      httpUrl,
      token,
    })
    expect(result).toMatchObject({ refused: 0, lastError: null })
    expect(result.acknowledged).toBe(result.taken)
    expect(gateway.statuses).toEqual([])
    for (const device of new District(scenario, 7).devices) {
      const expected: unknown[] = []
      for (let beat = device.beatFrom(-300_000); beat < duration; beat = device.beatFrom(beat + 1)) {
        expected.push({ ts: Date.parse(scenario.begins) + beat, ...device.measure(beat) })
      }
      expect(gateway.readings.get(device.registration.id)).toEqual(expected)
    }
  })

  test('says what is wrong when the gateway keeps its own time', async () => {
    gateway.now = Date.now() * 2
    await expect(driveSimulation({ ...options(), duration: 1000 })).rejects.toThrow('give the run a new one')
  })
})

test('a loudspeaker says what it is told to, and says so', async () => {
  const place = 'street: t, grid: t-001, position: [120.9, 32.1]'
  const speaker = parseScenario(
    `
id: speaker
title: { en: Speaker, zh: 广播 }
begins: 2026-06-18T18:20:00+08:00
every: { loudspeaker: 1s }
devices: [{ id: sp, kind: loudspeaker, site: s, ${place} }]`,
    'speaker',
  )
  const stop = new AbortController()
  let isTold = false
  const run = runSimulation({
    ...options(),
    scenario: speaker,
    speed: 1,
    signal: stop.signal,
    onProgress: ({ acknowledged }) => {
      if (acknowledged === 0 || isTold) return
      isTold = true
      const command = { id: 'c1', command: 'say', args: { text: '请勿钓鱼' }, expires: Date.now() + 60_000 }
      void gateway.publish('v1/sp/commands', JSON.stringify(command))
    },
  })
  await expect
    .poll(() => gateway.results, { timeout: 10_000 })
    .toEqual(['v1/sp/commands/c1/result {"ok":true}'])
  await expect
    .poll(() => gateway.readings.get('sp')?.some(({ metrics }) => metrics['playing'] === true), {
      timeout: 10_000,
    })
    .toBe(true)
  stop.abort()
  await run
})
