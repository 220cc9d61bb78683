import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Chance } from '../chance.ts'
import { offset } from '../devices/course.ts'
import { HOUR, MINUTE } from '../devices/model.ts'
import type { Position } from '../reading.ts'
import { BAD, GOOD, planOf } from './conduct.ts'
import { type Incident, spread, staffed } from './staffing.ts'

const HERE: Position = [120.86, 32.01]
const at = (east: number, north = 0): Position => offset(HERE, east, north)
const settings = { within: 20 * MINUTE, runs: 20, seed: 7 }

describe('a plan', () => {
  const plan = (which: string, conduct = GOOD) =>
    planOf(new Chance(7, 'crew'), which, HERE, at(2000), conduct)

  test('of a good crew goes the whole way, and is there within twenty minutes', () => {
    fc.assert(
      fc.property(fc.string(), (which) => {
        const steps = plan(which)
        expect(steps.map(({ action }) => action)).toEqual(['accept', 'arrive', 'handle', 'verify', 'close'])
        expect(steps[0]!.after + steps[1]!.after).toBeLessThan(20 * MINUTE)
        expect(steps[1]!.position).toEqual(at(2000))
      }),
    )
  })

  test('of a bad one is ignored, done from elsewhere or done twice, each by its share', () => {
    const plans = Array.from({ length: 400 }, (_, number) => plan(`case ${number}`, BAD))
    const share = (is: (steps: ReturnType<typeof plan>) => boolean) => plans.filter(is).length / plans.length
    expect(share((steps) => steps.length === 0)).toBeCloseTo(BAD.ignores, 1)
    const taken = 1 - BAD.ignores
    expect(share((steps) => steps.some(({ action }) => action === 'rework'))).toBeCloseTo(
      taken * BAD.careless,
      1,
    )
    expect(share((steps) => steps[1]?.position![0] !== at(2000)[0] && steps.length > 0)).toBeCloseTo(
      taken * BAD.offSite,
      1,
    )
  })
})

describe('staffing', () => {
  const incidents: Incident[] = Array.from({ length: 12 }, (_, number) => ({
    at: number * MINUTE,
    site: `s-${number}`,
    position: at((number % 4) * 1500, Math.floor(number / 4) * 1500),
  }))
  const places = incidents.map(({ position }) => position)

  test('more crews are there sooner', () => {
    const shares = [1, 3, 6, 12].map((crews) => staffed(incidents, places, crews, settings))
    for (let index = 1; index < shares.length; index++) {
      expect(shares[index]!.inTime).toBeGreaterThanOrEqual(shares[index - 1]!.inTime)
      expect(shares[index]!.p95).toBeLessThanOrEqual(shares[index - 1]!.p95)
    }
    expect(shares[0]!.inTime).toBeLessThan(0.3)
    expect(shares[3]!.inTime).toBe(1)
  })

  test('one crew is enough for what happens hours apart', () => {
    const apart = incidents.map((incident, number) => ({
      ...incident,
      at: number * 3 * HOUR,
      position: at(1000),
    }))
    expect(staffed(apart, [HERE], 1, settings).inTime).toBe(1)
  })

  test('the same seed gives the same answer', () => {
    expect(staffed(incidents, places, 4, settings)).toEqual(staffed(incidents, places, 4, settings))
  })

  test('crews are spread out', () => {
    const bases = spread(places, 4)
    expect(new Set(bases.map(String)).size).toBe(4)
  })
})
