import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { Chance } from '../chance.ts'
import { EFFECTS, modelOf, SIMULATED_KINDS, type SimulatedKind } from '../kinds.ts'
import type { Position } from '../reading.ts'
import { Course, metres, offset } from './course.ts'
import { DAY, type Effect, HOUR, MINUTE, type Model, SECOND, type Setting } from './model.ts'
import type { Loudspeaker } from './loudspeaker.ts'

const EVENING = Date.parse('2026-06-19T19:00:00+08:00')
const HERE: Position = [120.86, 32.01]

function device(kind: SimulatedKind, effects: readonly Effect[] = [], more: Partial<Setting> = {}): Model {
  const chance = new Chance(7, kind)
  return modelOf(kind, { chance, effects, position: HERE, path: [], attributes: {}, ...more })
}

const during = (what: string, strength: number, from = EVENING, length = 2 * HOUR): Effect => ({
  what,
  from,
  to: from + length,
  strength,
})

function value(model: Model, metric: string, at: number): number {
  return Number(model.measure(at).metrics[metric])
}

function mean(model: Model, metric: string, from: number, to: number, step = MINUTE): number {
  let sum = 0
  let count = 0
  for (let at = from; at < to; at += step, count++) sum += value(model, metric, at)
  return sum / count
}

interface Metric {
  type: string
  minimum?: number
  maximum?: number
}

describe.each(SIMULATED_KINDS)('%s', (kind) => {
  const { metrics, moving } = parse(
    readFileSync(new URL(`../../gateway/model/kinds/${kind}.yaml`, import.meta.url), 'utf8'),
  ) as { metrics: Record<string, Metric>; moving?: boolean }
  const moments = fc.integer({ min: EVENING - 400 * DAY, max: EVENING + 400 * DAY })

  test('reports every metric of its kind, within its bounds, and a position when it moves', () => {
    const stricken = EFFECTS[kind].map((what) => during(what, 1, EVENING - 400 * DAY, 800 * DAY))
    for (const model of [device(kind), device(kind, stricken)]) {
      fc.assert(
        fc.property(moments, (at) => {
          const said = model.measure(at)
          expect(Object.keys(said.metrics).sort()).toEqual(Object.keys(metrics).sort())
          expect(said.position !== undefined).toBe(moving === true)
          for (const [name, { type, minimum = -Infinity, maximum = Infinity }] of Object.entries(metrics)) {
            const value = said.metrics[name]
            expect(typeof value, name).toBe(type)
            if (typeof value !== 'number') continue
            expect(value, name).toBeGreaterThanOrEqual(minimum)
            expect(value, name).toBeLessThanOrEqual(maximum)
          }
        }),
        { numRuns: 60 },
      )
    }
  })

  test('says the same for the same seed and moment, whatever was asked before', () => {
    const asked = device(kind)
    fc.assert(
      fc.property(fc.array(moments, { maxLength: 5 }), moments, (before, at) => {
        for (const moment of before) asked.measure(moment)
        expect(asked.measure(at)).toEqual(device(kind).measure(at))
      }),
      { numRuns: 30 },
    )
  })
})

describe('what befalls a device shows in what it measures', () => {
  test.each<[SimulatedKind, string, number, string, number, number]>([
    // kind, effect, strength, metric, after minutes, by at least
    ['cooking_fume', 'purifier_off', 1, 'fume', 20, 1],
    ['cooking_fume', 'rush', 2, 'temperature', 20, 4],
    ['cooking_fume', 'grease', 0.8, 'fume', 20, 1],
    ['cooking_fume', 'fan_off', 1, 'fan_current', 20, -1],
    ['river_station', 'discharge', 1, 'nh3n', 20, 3],
    ['river_station', 'discharge', 1, 'do', 20, -4],
    ['river_station', 'storm', 60, 'turbidity', 90, 20],
    ['survey_boat', 'discharge', 1, 'nh3n', 20, 3],
    ['survey_boat', 'storm', 60, 'conductivity', 90, -20],
    ['water_level', 'storm', 60, 'level', 60, 0.8],
    ['water_level', 'storm', 60, 'rainfall', 60, 40],
    ['water_level', 'surge', 1.2, 'level', 60, 0.5],
    ['drone', 'headwind', 10, 'battery', 20, -20],
    ['drone', 'smoke', 1, 'pm25', 20, 50],
    ['drone', 'fire', 1, 'thermal_max', 20, 50],
    ['eco_camera', 'fishing', 4, 'fishing', 20, 2],
    ['eco_camera', 'dumping', 2, 'dumping', 20, 1],
    ['eco_camera', 'fire', 1, 'thermal_max', 20, 200],
    ['eco_camera', 'vessels', 4, 'vessel', 20, 2],
    ['crowd_counter', 'festival', 2, 'density', 60, 0.6],
    ['gas_detector', 'leak', 1, 'lel', 20, 40],
    ['gas_detector', 'smoulder', 1, 'co', 20, 200],
    ['gas_detector', 'sewer_gas', 1, 'h2s', 20, 30],
    ['hazmat_vehicle', 'halt', 1, 'speed', 20, -20],
    ['hazmat_vehicle', 'speeding', 60, 'speed', 20, 40],
    ['hazmat_vehicle', 'valve_open', 1, 'valve_open', 20, 0.9],
    ['hazmat_vehicle', 'pressure_loss', 1, 'pressure', 60, -0.8],
    ['loudspeaker', 'broadcast', 1, 'playing', 20, 0.9],
  ])('%s %s %d: %s', (kind, what, strength, metric, after, by) => {
    const from = EVENING + after * MINUTE
    const attributes = { takes_off: '19:15' }
    const calm = mean(device(kind, [], { attributes }), metric, from, from + 10 * MINUTE, 10 * SECOND)
    const model = device(kind, [during(what, strength)], { attributes })
    const change = mean(model, metric, from, from + 10 * MINUTE, 10 * SECOND) - calm
    if (by > 0) expect(change).toBeGreaterThan(by)
    else expect(change).toBeLessThan(by)
  })
})

describe('physics', () => {
  test('a kitchen is over the limit at no meal while its purifier works, and cools at night', () => {
    const kitchen = device('cooking_fume')
    for (let at = EVENING; at < EVENING + DAY; at += 10 * MINUTE) {
      expect(mean(kitchen, 'fume', at, at + 10 * MINUTE, 10 * SECOND)).toBeLessThan(1.6)
    }
    const night = EVENING + 8 * HOUR
    expect(kitchen.measure(night).metrics).toMatchObject({ fan: false, purifier: false, fan_current: 0 })
    expect(value(kitchen, 'temperature', night)).toBeLessThan(30)
  })

  test('a purifier lets more through every day until it is cleaned', () => {
    const fume = (day: number): number => {
      const at = EVENING + day * DAY
      return mean(device('cooking_fume', [during('rush', 3, at)]), 'fume', at, at + HOUR, 10 * SECOND)
    }
    const days = Array.from({ length: 60 }, (_, day) => fume(day))
    const falls = days.slice(1).filter((now, index) => now < 0.9 * days[index]!).length
    // Cleaned every 20 to 45 days; dishes differ from day to day.
    expect(Math.max(...days) / Math.min(...days)).toBeGreaterThan(1.2)
    expect(falls).toBeGreaterThan(0)
  })

  test('oxygen in a river is highest in the afternoon and lowest before dawn', () => {
    const river = device('river_station')
    const dawn = Date.parse('2026-06-20T04:00:00+08:00')
    let difference = 0
    for (let day = 0; day < 10; day++) {
      const at = dawn + day * DAY
      difference += mean(river, 'do', at + 11 * HOUR, at + 13 * HOUR) - mean(river, 'do', at, at + 2 * HOUR)
    }
    expect(difference / 10).toBeGreaterThan(0.3)
  })

  test('a gauge sinks back after the rain', () => {
    const gauge = device('water_level', [during('storm', 60)])
    const calm = device('water_level')
    const rise = (at: number): number => value(gauge, 'level', at) - value(calm, 'level', at)
    expect(rise(EVENING)).toBe(0)
    expect(rise(EVENING + 2 * HOUR)).toBeGreaterThan(1.5)
    expect(rise(EVENING + 12 * HOUR)).toBeLessThan(rise(EVENING + 2 * HOUR) / 5)
  })

  test.each<[SimulatedKind, number]>([
    ['drone', 3.6],
    ['hazmat_vehicle', 1],
  ])('a %s is where its speed brings it', (kind, toKmh) => {
    const mover = device(kind, [], { attributes: { takes_off: '19:00' } })
    for (let at = EVENING + 2 * MINUTE; at < EVENING + 20 * MINUTE; at += 37 * SECOND) {
      const from = mover.measure(at - SECOND).position!
      const to = mover.measure(at + SECOND).position!
      // Once round a corner, the straight way is shorter than the way driven.
      expect(metres(from, to) * 1.8).toBeLessThan(1.25 * value(mover, 'speed', at) * toKmh + 3)
    }
  })

  test('a battery drains in the air and fills in the dock', () => {
    const drone = device('drone', [], { attributes: { takes_off: '19:00' } })
    let before = value(drone, 'battery', EVENING)
    for (let minute = 1; minute < 24; minute++) {
      const now = value(drone, 'battery', EVENING + minute * MINUTE)
      expect(now).toBeLessThan(before)
      before = now
    }
    expect(value(drone, 'battery', EVENING + 39 * MINUTE)).toBeGreaterThan(before)
    expect(drone.measure(EVENING + 39 * MINUTE).position).toEqual([...HERE, 0])
  })

  test('a drone sees smoke where it flies by and not elsewhere', () => {
    const near = { ...during('smoke', 1), place: offset(HERE, 350, 225) }
    const far = { ...during('smoke', 1), place: offset(HERE, 5000, 0) }
    const peak = (effect: Effect): number => {
      const drone = device('drone', [effect], { attributes: { takes_off: '19:00' } })
      let most = 0
      for (let at = EVENING; at < EVENING + 24 * MINUTE; at += 5 * SECOND)
        most = Math.max(most, value(drone, 'pm25', at))
      return most
    }
    expect(peak(near)).toBeGreaterThan(150)
    expect(peak(far)).toBeLessThan(60)
  })

  test('a boat finds a plume where it is', () => {
    const path: Position[] = [HERE, offset(HERE, 3000, 0)]
    const boat = device('survey_boat', [{ ...during('discharge', 1), place: offset(HERE, 1500, 0) }], {
      path,
    })
    const calm = device('survey_boat', [], { path })
    for (let at = EVENING + 10 * MINUTE; at < EVENING + 90 * MINUTE; at += MINUTE) {
      const { position, metrics } = boat.measure(at)
      const away = metres(position!, offset(HERE, 1500, 0))
      const more = Number(metrics['nh3n']) - value(calm, 'nh3n', at)
      if (away < 150) expect(more).toBeGreaterThan(2.5)
      if (away > 1000) expect(more).toBeLessThan(0.01)
    }
  })

  test('those who come less those who go are those who are there', () => {
    const crowd = device('crowd_counter', [during('festival', 1.5)])
    for (let at = EVENING - 2 * HOUR; at < EVENING + 2 * HOUR; at += 15 * MINUTE) {
      let sum = value(crowd, 'people', at)
      for (let minute = 0; minute < 15; minute++) {
        const middle = at + (minute + 0.5) * MINUTE
        sum += value(crowd, 'inflow', middle) - value(crowd, 'outflow', middle)
      }
      expect(Math.abs(sum - value(crowd, 'people', at + 15 * MINUTE))).toBeLessThan(5)
    }
  })

  test('a mall is empty at night and fuller at the weekend', () => {
    const crowd = device('crowd_counter')
    expect(value(crowd, 'people', EVENING + 8 * HOUR)).toBeLessThan(30)
    expect(value(crowd, 'people', EVENING + DAY)).toBeGreaterThan(1.1 * value(crowd, 'people', EVENING - DAY))
  })

  test('a lorry leaves its route by as much as the detour says, and comes back to it', () => {
    const truck = device('hazmat_vehicle', [during('detour', 1.5, EVENING, HOUR)])
    const calm = device('hazmat_vehicle')
    const off = (at: number): number => metres(truck.measure(at).position!, calm.measure(at).position!)
    expect(off(EVENING - MINUTE)).toBe(0)
    expect(Math.abs(off(EVENING + 30 * MINUTE) - 1500)).toBeLessThan(5)
    expect(off(EVENING + HOUR)).toBe(0)
  })

  test('a loudspeaker says one thing after the other', () => {
    const speaker = device('loudspeaker') as Loudspeaker
    const first = speaker.say('请勿在此钓鱼', EVENING)
    expect(first).toBe(EVENING + 3.5 * SECOND)
    expect(speaker.say('谢谢', EVENING)).toBe(first + 2.5 * SECOND)
    expect(value(speaker, 'playing', first + SECOND)).toBe(1)
    expect(value(speaker, 'playing', first + 3 * SECOND)).toBe(0)
    expect(value(speaker, 'playing', EVENING - 1)).toBe(0)
  })
})

describe('a course', () => {
  const corner: Position[] = [HERE, offset(HERE, 1000, 0), offset(HERE, 1000, 500)]

  test('is as long as its legs, and ends where it ends', () => {
    const course = new Course(corner)
    expect(course.length).toBeCloseTo(1500, 0)
    expect(metres(course.at(1e9).position, corner[2]!)).toBeLessThan(0.1)
    expect(course.at(100).heading).toBeCloseTo(90, 1)
    expect(course.at(1200).heading).toBeCloseTo(0, 1)
  })

  test('shuttles without a jump', () => {
    const course = new Course(corner)
    for (let along = 0; along < 7000; along += 10) {
      const [from, to] = [course.shuttle(along).position, course.shuttle(along + 10).position]
      expect(metres(from, to)).toBeLessThan(10.1)
    }
  })
})
