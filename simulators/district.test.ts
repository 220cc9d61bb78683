import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MINUTE } from './devices/model.ts'
import { saturation } from './devices/water.ts'
import { District, type SimulatedDevice } from './district.ts'
import { parseScenario, readScenario } from './scenario.ts'

const demo = readScenario(new URL('scenarios/demo.yaml', import.meta.url))

function record(seed: number, from: number, to: number): string {
  let lines = ''
  for (const device of new District(demo, seed).devices) {
    for (let beat = device.beatFrom(from); beat < to; beat = device.beatFrom(beat + 1)) {
      lines += `${device.registration.id} ${beat} ${JSON.stringify(device.measure(beat))}\n`
    }
  }
  return lines
}

function find(district: District, id: string): SimulatedDevice {
  const device = district.devices.find(({ registration }) => registration.id === id)
  if (device === undefined) throw new Error(`the demo has no ${id}`)
  return device
}

/** Mean of a metric over the beats in [from, to), minutes of the run. */
function mean(device: SimulatedDevice, metric: string, from: number, to: number): number {
  let sum = 0
  let count = 0
  for (let beat = device.beatFrom(from * MINUTE); beat < to * MINUTE; beat = device.beatFrom(beat + 1)) {
    sum += Number(device.measure(beat).metrics[metric])
    count++
  }
  return sum / count
}

describe('a district', () => {
  test('says the same bytes for the same seed, and others for another', () => {
    const run = record(7, -MINUTE, MINUTE)
    expect(record(7, -MINUTE, MINUTE)).toBe(run)
    expect(record(8, -MINUTE, MINUTE)).not.toBe(run)
  })

  test('answers for a moment whatever was asked before', () => {
    const { devices } = new District(demo, 7)
    const asked = new District(demo, 7).devices
    fc.assert(
      fc.property(
        fc.nat({ max: devices.length - 1 }),
        fc.array(fc.integer({ min: -MINUTE, max: 60 * MINUTE })),
        fc.integer({ min: -MINUTE, max: 60 * MINUTE }),
        (index, before, at) => {
          for (const moment of before) asked[index]!.measure(moment)
          expect(asked[index]!.measure(at)).toEqual(devices[index]!.measure(at))
        },
      ),
      { numRuns: 50 },
    )
  })

  test('keeps to each beat without skipping or repeating one', () => {
    const [device] = new District(demo, 7).devices
    let beat = device!.beatFrom(-MINUTE)
    for (let count = 0; count < 100; count++) {
      const next = device!.beatFrom(beat + 1)
      expect(next - beat).toBe(10_000)
      expect(device!.beatFrom(beat)).toBe(beat)
      beat = next
    }
  })
})

test('loggers report the mean since their last report', () => {
  const of = (more: string): SimulatedDevice => {
    const kitchen = '{ id: a, kind: cooking_fume, site: s, street: t, grid: t-001, position: [120, 32] }'
    const head = 'id: x, title: { en: x, zh: x }, begins: 2026-06-18T12:00:00+08:00, inStep: true'
    return new District(parseScenario(`{ ${head}, ${more}, devices: [${kitchen}] }`, 'x'), 7).devices[0]!
  }
  const minutely = of('every: { cooking_fume: 1m }')
  const logger = of('every: { cooking_fume: 10m }, averages: 1m')
  const { metrics } = logger.measure(30 * MINUTE)
  let sum = 0
  for (let minute = 21; minute <= 30; minute++)
    sum += Number(minutely.measure(minute * MINUTE).metrics['fume'])
  expect(metrics['fume']).toBeCloseTo(sum / 10, 3)
  expect(metrics['fan']).toBe(true)
})

describe('the demo', () => {
  const district = new District(demo, 7)

  test('has some 200 devices on all 16 streets, in the grids of their own', () => {
    expect(demo.devices.length).toBeGreaterThan(180)
    expect(new Set(demo.devices.map(({ street }) => street)).size).toBe(16)
    for (const { street, grid } of demo.devices) expect(grid).toMatch(new RegExp(`^${street}-\\d{3}$`))
  })

  // Contract §3's example: a ten-minute mean above 1.6, 2.0 and 4.0 mg/m³ for three minutes.
  test('has a restaurant over the limit for long enough within its first minute, whatever the seed', () => {
    for (const seed of [1, 7, 42]) {
      const restaurant = find(new District(demo, seed), 'fume-tangzhazhen-01')
      expect(mean(restaurant, 'fume', -15, -5)).toBeLessThan(1.5)
      for (let minute = -2; minute <= 1; minute += 0.5) {
        expect(mean(restaurant, 'fume', minute - 10, minute)).toBeGreaterThan(2)
      }
      expect(mean(restaurant, 'fume', -4, 6)).toBeGreaterThan(4)
      expect(restaurant.measure(0).metrics).toMatchObject({ fan: true, purifier: false })
    }
  })

  test('leaves every other kitchen below the limit', () => {
    const stricken = new Set(demo.episodes?.map(({ device }) => device))
    for (const device of district.devices) {
      const { id, kind } = device.registration
      if (kind !== 'cooking_fume' || stricken.has(id)) continue
      for (let minute = -15; minute < 60; minute += 5) {
        expect(mean(device, 'fume', minute, minute + 10), id).toBeLessThan(1.6)
      }
    }
  })

  // GB 3838-2002 table 1, class III.
  test('keeps its rivers in class III but the one that a discharge reaches', () => {
    for (const device of district.devices) {
      if (device.registration.kind !== 'river_station') continue
      const { metrics } = device.measure(20 * MINUTE)
      const good =
        Number(metrics['do']) >= 5 &&
        Number(metrics['codmn']) <= 6 &&
        Number(metrics['nh3n']) <= 1 &&
        Number(metrics['tp']) <= 0.2 &&
        Number(metrics['cod']) <= 20 &&
        Number(metrics['bod5']) <= 4
      expect(good, device.registration.id).toBe(device.registration.id !== 'river-tonglv-jiezhizha')
    }
  })

  test('drains the drone in the headwind and lifts the gauge in the cloudburst', () => {
    const drone = find(district, 'drone-tangzhazhen')
    expect(drone.measure(0).metrics['battery']).toBeGreaterThan(70)
    expect(drone.measure(5 * MINUTE).metrics['battery']).toBeLessThan(15)
    const gauge = find(district, 'gauge-chenqiao')
    expect(mean(gauge, 'level', 25, 30) - mean(gauge, 'level', -15, -10)).toBeGreaterThan(0.2)
    expect(mean(gauge, 'rainfall', 10, 20)).toBeGreaterThan(30)
  })
})

test('oxygen saturation follows the published table within two percent', () => {
  // Standard Methods 4500-O, 1 atm, chlorinity 0.
  for (const [temperature, oxygen] of [
    [0, 14.62],
    [10, 11.29],
    [20, 9.09],
    [30, 7.56],
  ] as const) {
    expect(Math.abs(saturation(temperature) / oxygen - 1)).toBeLessThan(0.02)
  }
})

describe('a scenario that cannot be run is refused with its place and reason', () => {
  const kitchen = '{ id: a, kind: cooking_fume, site: s, street: t, grid: t-001, position: [120, 32] }'
  const base = (more: string, devices = `[${kitchen}]`): string =>
    `{ id: x, title: { en: x, zh: x }, begins: 2026-06-18T18:20:00+08:00, every: { cooking_fume: 10s }, devices: ${devices}${more} }`
  test.each([
    ['unknown key', base(', colour: red'), /additional properties \(colour\)/],
    ['no device', base('', '[]'), /devices: there is none/],
    ['unknown kind', base('', `[${kitchen.replace('cooking_fume', 'ship')}]`), /devices\.0\.kind: "ship"/],
    ['id off the pattern', base('', `[${kitchen.replace('id: a', 'id: a/b')}]`), /devices\.0\.id: "a\/b"/],
    ['a device twice', base('', `[${kitchen}, ${kitchen}]`), /device a is there twice/],
    [
      'a kind without a beat',
      base('', `[${kitchen.replace('cooking_fume', 'drone')}]`),
      /every\.drone is missing/,
    ],
    [
      'an episode of nobody',
      base(', episodes: [{ device: b, what: rush, at: 1m, for: 1m }]'),
      /names b, which is no device/,
    ],
    [
      'an effect of another kind',
      base(', episodes: [{ device: a, what: storm, at: 1m, for: 1m }]'),
      /storm cannot befall a; expected rush/,
    ],
    ['no YAML', '{ id: [', /at line 1/],
    [
      'a few bytes that would be gigabytes',
      `{ a: &a [x], b: &b [${'*a, '.repeat(20)}], c: &c [${'*b, '.repeat(20)}], d: [*c, *c] }`,
      /^x\.yaml: Excessive alias count/,
    ],
  ])('%s', (_, text, message) => {
    expect(() => parseScenario(text, 'x.yaml')).toThrow(message)
  })
})
