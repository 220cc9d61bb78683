import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HOUR, MINUTE, SECOND } from './devices/model.ts'
import { District, type SimulatedDevice } from './district.ts'
import { MARKS, type Reading } from './reading.ts'
import { parseScenario } from './scenario.ts'
import { Transmitter, type Sending } from './transmitter.ts'

const EPOCH = Date.parse('2026-06-18T18:00:00+08:00')

/** A kitchen that reports every 10 s and has these faults. */
function kitchen(...faults: string[]): SimulatedDevice {
  const scenario = parseScenario(
    `
id: one
title: { en: One, zh: 一 }
begins: 2026-06-18T18:00:00+08:00
every: { cooking_fume: 10s }
inStep: true
devices: [{ id: k, kind: cooking_fume, site: s, street: t, grid: t-001, position: [120, 32] }]
faults: [${faults.map((fault) => `{ device: k, ${fault} }`).join(', ')}]`,
    'one',
  )
  return new District(scenario, 7).devices[0]!
}

function sent(device: SimulatedDevice, length = HOUR, step = length): Sending[] {
  const transmitter = new Transmitter(device, 0, EPOCH)
  const all: Sending[] = []
  for (let at = step; at <= length; at += step) all.push(...transmitter.take(at))
  return all
}

function readings(device: SimulatedDevice, length = HOUR): Reading[] {
  return sent(device, length).flatMap((sending) => ('reading' in sending ? [sending.reading] : []))
}

const right = readings(kitchen())
const metric = (all: readonly Reading[], name: string): number[] =>
  all.map(({ metrics }) => Number(metrics[name]))

test('however finely it is asked, it sends the same', () => {
  const every = [
    'fault: shuffle, by: 2m, at: 5m, for: 20m',
    'fault: duplicates, share: 0.3, at: 0s, for: 30m',
    'fault: offline, at: 30m, for: 10m',
    'fault: hostile, every: 30s, at: 10m, for: 10m',
  ]
  const whole = sent(kitchen(...every))
  fc.assert(
    fc.property(fc.constantFrom(1, 5, 10, 36, 60, 144, 720, 900), (steps) => {
      expect(sent(kitchen(...every), HOUR, HOUR / steps)).toEqual(whole)
    }),
  )
  expect(whole.map(({ at }) => at)).toEqual(whole.map(({ at }) => at).toSorted((a, b) => a - b))
})

describe('a fault', () => {
  test('drift creeps', () => {
    const fume = metric(readings(kitchen('fault: drift, metric: fume, perHour: 2, at: 0s, for: 1h')), 'fume')
    metric(right, 'fume').forEach((true_, index) => {
      expect(fume[index]! - true_).toBeCloseTo((2 * index * 10 * SECOND) / HOUR, 3)
    })
  })

  test('stuck says on and on what it said when it began', () => {
    const all = readings(kitchen('fault: stuck, metric: fume, at: 10m, for: 20m'))
    const held = all.filter(({ ts }) => ts >= EPOCH + 10 * MINUTE && ts < EPOCH + 30 * MINUTE)
    expect(new Set(metric(held, 'fume')).size).toBe(1)
    expect(held[0]!.metrics['fume']).toBe(right[60]!.metrics['fume'])
    expect(new Set(metric(held, 'pm')).size).toBeGreaterThan(10)
    expect(all.slice(180)).toEqual(right.slice(180))
  })

  test('spikes are as many as their share, and wrong units all', () => {
    const spiked = metric(
      readings(kitchen('fault: spikes, metric: fume, times: 50, share: 0.1, at: 0s, for: 1h')),
      'fume',
    )
    const high = spiked.filter((value, index) => value > 10 * metric(right, 'fume')[index]!)
    expect(high.length).toBeGreaterThan(15)
    expect(high.length).toBeLessThan(60)
    const micro = metric(
      readings(kitchen('fault: units, metric: fume, factor: 1000, at: 0s, for: 1h')),
      'fume',
    )
    expect(micro[7]).toBeCloseTo(1000 * metric(right, 'fume')[7]!, 6)
  })

  test.each(MARKS)('flag %s marks every metric, or the one that is named', (mark) => {
    const [all] = readings(kitchen(`fault: flag, mark: ${mark}, at: 0s, for: 1h`))
    expect(Object.keys(all!.flags!)).toEqual(Object.keys(all!.metrics))
    const [one] = readings(kitchen(`fault: flag, mark: ${mark}, metric: fume, at: 0s, for: 1h`))
    expect(one!.flags).toEqual({ fume: mark })
  })

  test('skew moves what its clock says, not when it sends', () => {
    const skewed = sent(kitchen('fault: skew, by: -3m, at: 10m, for: 20m'))
    const reading = skewed.find(({ at }) => at === 15 * MINUTE)
    expect(reading).toMatchObject({ reading: { ts: EPOCH + 12 * MINUTE } })
  })

  test('duplicates are the same bytes again', () => {
    const all = readings(kitchen('fault: duplicates, share: 0.5, at: 0s, for: 50m')).map((reading) =>
      JSON.stringify(reading),
    )
    expect(new Set(all)).toEqual(new Set(right.map((reading) => JSON.stringify(reading))))
    expect(all.length).toBeGreaterThan(right.length + 80)
  })

  test('shuffle loses nothing and keeps no order', () => {
    const all = readings(kitchen('fault: shuffle, by: 2m, at: 0s, for: 50m'))
    expect(all).not.toEqual(right)
    expect(all.toSorted((a, b) => a.ts - b.ts)).toEqual(right)
  })

  test('offline hands everything over when it is back, or has kept nothing', () => {
    const all = sent(kitchen('fault: offline, at: 10m, for: 20m'))
    expect(all.map((sending) => 'reading' in sending && sending.reading)).toEqual(right)
    expect(all.filter(({ at }) => at >= 10 * MINUTE && at < 30 * MINUTE)).toEqual([])
    expect(all.filter(({ at }) => at === 30 * MINUTE)).toHaveLength(121)
    const lost = readings(kitchen('fault: offline, backlog: false, at: 10m, for: 20m'))
    expect(lost).toEqual(right.filter(({ ts }) => ts < EPOCH + 10 * MINUTE || ts >= EPOCH + 30 * MINUTE))
  })

  test('hostile sends no reading that is one, and every right reading besides', () => {
    const all = sent(kitchen('fault: hostile, every: 30s, at: 0s, for: 1h'))
    expect(all.filter((sending) => 'hostile' in sending)).toHaveLength(120)
    expect(all.flatMap((sending) => ('reading' in sending ? [sending.reading] : []))).toEqual(right)
  })

  test('several at once', () => {
    const all = readings(
      kitchen(
        'fault: units, metric: fume, factor: 1000, at: 0s, for: 1h',
        'fault: flag, mark: M, at: 0s, for: 1h',
        'fault: skew, by: 1m, at: 0s, for: 1h',
      ),
    )
    expect(all[0]).toMatchObject({ ts: EPOCH + MINUTE, flags: { fume: 'M' } })
    expect(all[0]!.metrics['fume']).toBeCloseTo(1000 * metric(right, 'fume')[0]!, 6)
  })
})
