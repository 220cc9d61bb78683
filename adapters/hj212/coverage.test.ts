import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Coverage } from './coverage.ts'
import { PERIODS } from './readings.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const NOON = Date.UTC(2024, 5, 1, 4)

test.each([
  ['minute', NOON, true],
  ['minute', NOON + 10 * MINUTE, true],
  ['minute', NOON + 30 * MINUTE, false],
  ['hour', NOON, true],
  ['hour', NOON - HOUR, false],
  ['hour', NOON + HOUR, false],
  ['day', NOON - 12 * HOUR, true],
  ['instant', NOON, false],
] as const)('instants of twenty minutes from noon and the %s from %d: covered %s', (period, at, covered) => {
  const coverage = new Coverage()
  for (let ts = NOON; ts < NOON + 20 * MINUTE; ts += 30_000) coverage.note('a', { fume: 1 }, 'instant', ts)
  expect(coverage.has('a', 'fume', period, at)).toBe(covered)
  expect(coverage.has('a', 'pm', period, at)).toBe(false)
  expect(coverage.has('b', 'fume', period, at)).toBe(false)
})

test('means are covered by finer ones, never by those of their own period or coarser ones', () => {
  const coverage = new Coverage()
  coverage.note('a', { ph: 1 }, 'hour', NOON)
  expect(PERIODS.map((period) => coverage.has('a', 'ph', period, NOON))).toEqual([false, false, false, true])
})

test('in whatever order values come, a period that has one of them is covered', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 30 }), (minutes) => {
      const coverage = new Coverage()
      for (const minute of minutes) coverage.note('a', { fume: 1 }, 'instant', NOON + minute * 7 * MINUTE)
      for (const minute of minutes) {
        const ts = NOON + minute * 7 * MINUTE
        expect(coverage.has('a', 'fume', 'minute', ts)).toBe(true)
        expect(coverage.has('a', 'fume', 'hour', ts - 30 * MINUTE)).toBe(true)
      }
      expect(coverage.has('a', 'fume', 'hour', NOON - HOUR)).toBe(false)
    }),
  )
})

test('of values far apart the newest are remembered', () => {
  const coverage = new Coverage()
  for (let hour = 0; hour < 1000; hour++) coverage.note('a', { fume: 1 }, 'instant', NOON + hour * HOUR)
  expect(coverage.has('a', 'fume', 'hour', NOON + 999 * HOUR)).toBe(true)
  expect(coverage.has('a', 'fume', 'hour', NOON + 970 * HOUR)).toBe(true)
  expect(coverage.has('a', 'fume', 'hour', NOON)).toBe(false)
})

test('a device that is gone is forgotten', () => {
  const coverage = new Coverage()
  coverage.note('a', { fume: 1 }, 'instant', NOON)
  coverage.forget('a')
  expect(coverage.has('a', 'fume', 'hour', NOON)).toBe(false)
})
