import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR, MINUTE } from './devices/model.ts'
import { MIXING } from './devices/river.ts'
import { carried, circle, downstream, lengthOf } from './waters.ts'

const reach = { from: 'a', to: 'b', takes: '1h', keeps: 0.8 }
const plume = { what: 'discharge', from: 0, to: 3 * HOUR, strength: 1, ramp: MIXING }

test('a plume arrives later, longer and thinner, and what it carries is what the reach keeps', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 1, max: 600 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (length, takes, keeps) => {
        const left = { ...plume, to: length * MINUTE }
        const came = carried(left, { from: 'a', to: 'b', takes: `${takes}m`, keeps })
        expect(came.from).toBe(takes * MINUTE)
        expect(came.to - came.from).toBeGreaterThan(left.to - left.from)
        expect(came.strength * lengthOf(came)).toBeCloseTo(keeps * lengthOf(left), 3)
        const peak = came.strength * Math.min(1, (came.to - came.from) / 2 / came.ramp!)
        expect(peak).toBeLessThanOrEqual(1)
      },
    ),
  )
})

test('a plume reaches every section below, one after the other, and none above', () => {
  const reaches = [
    { ...reach, from: 'z', to: 'a' },
    reach,
    { ...reach, from: 'b', to: 'c' },
    { ...reach, from: 'b', to: 'd' },
  ]
  const plumes = downstream({ section: 'a', effect: plume }, reaches)
  expect(plumes.map(({ section }) => section)).toEqual(['a', 'b', 'c', 'd'])
  expect(plumes.map(({ effect }) => effect.from / HOUR)).toEqual([0, 1, 2, 2])
})

test('water that would run in a circle is found', () => {
  expect(circle([reach, { ...reach, from: 'b', to: 'c' }])).toBeUndefined()
  expect(circle([reach, { ...reach, from: 'b', to: 'a' }])).toBe('a')
})
