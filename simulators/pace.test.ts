import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Pace } from './pace.ts'

test('a device clock is never ahead of the wall clock, and the run ends in the present', () => {
  const begun = 1_700_000_000_000
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 1000, noNaN: true }),
      fc.integer({ min: 1, max: 90 * 86_400_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (speed, length, share) => {
        const pace = new Pace(begun, speed, length)
        const now = begun + (length * share) / speed
        // A present-day clock in a double is good for a quarter of a microsecond, which a fast run multiplies.
        const blur = 0.001 * speed
        // And half a millisecond of rounding.
        expect(pace.ts(pace.elapsed(now))).toBeLessThanOrEqual(now + 0.5 + blur)
        expect(Math.abs(pace.elapsed(begun + length / speed) - length)).toBeLessThanOrEqual(blur)
        const end = begun + length / speed
        if (speed >= 1) expect(Math.abs(pace.ts(length) - end)).toBeLessThanOrEqual(0.5)
      },
    ),
  )
})

test('a run without an end cannot be faster than life', () => {
  expect(() => new Pace(0, 2, Infinity)).toThrow('needs a duration')
  expect(new Pace(1000, 1, Infinity).ts(5)).toBe(1005)
})
