import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadKinds } from '../gateway/model/kinds.ts'
import {
  classOf,
  classOfMillionths,
  classOfValue,
  excessMultiple,
  factorsOf,
  isWorse,
  RATED_METRICS,
  targetClass,
  WATER_BODIES,
  type TargetClass,
  type WaterBody,
} from './surface-water.ts'

const river = factorsOf('river')
const factors = WATER_BODIES.flatMap((body) => [...factorsOf(body).values()])

/** GB 3838-2002 table 1 once more, row by row: what is still class Ⅰ, Ⅱ, Ⅲ, Ⅳ and Ⅴ. */
const MOST: [WaterBody, string, number[], number[]][] = [
  // body, metric, limits, classes that the limits are of
  ['river', 'codmn', [2, 4, 6, 10, 15], [1, 2, 3, 4, 5]],
  ['river', 'cod', [15, 20, 30, 40], [1, 3, 4, 5]],
  ['river', 'bod5', [3, 4, 6, 10], [1, 3, 4, 5]],
  ['river', 'nh3n', [0.15, 0.5, 1, 1.5, 2], [1, 2, 3, 4, 5]],
  ['river', 'tp', [0.02, 0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4, 5]],
  ['lake', 'tp', [0.01, 0.025, 0.05, 0.1, 0.2], [1, 2, 3, 4, 5]],
  ['lake', 'tn', [0.2, 0.5, 1, 1.5, 2], [1, 2, 3, 4, 5]],
]

describe('a limit belongs to its class, and what is beyond it to the next one', () => {
  test.each(
    MOST.flatMap(([body, metric, limits, classes]) =>
      limits.map((limit, i) => [body, metric, limit, classes[i]!, classes[i + 1] ?? 6] as const),
    ),
  )('%s %s: %d mg/L is %d, a thousandth more is %d', (body, metric, limit, at, beyond) => {
    const factor = factorsOf(body).get(metric)!
    expect(classOfValue(factor, limit)).toBe(at)
    expect(classOfValue(factor, limit - 0.001)).toBe(at)
    expect(classOfValue(factor, limit + 0.001)).toBe(beyond)
  })

  test.each([
    [7.5, 1, 2],
    [6, 2, 3],
    [5, 3, 4],
    [3, 4, 5],
    [2, 5, 6],
  ])('dissolved oxygen: %d mg/L is %d, a thousandth less is %d', (limit, at, below) => {
    expect(classOfValue(river.get('do')!, limit)).toBe(at)
    expect(classOfValue(river.get('do')!, limit - 0.001)).toBe(below)
  })

  test.each([
    [6, 1],
    [7.4, 1],
    [9, 1],
    [5.999, 6],
    [9.001, 6],
  ])('pH %d is of class %d: one range for all classes', (value, expected) => {
    expect(classOfValue(river.get('ph')!, value)).toBe(expected)
  })
})

test('a river is not rated by its nitrogen, a lake is', () => {
  expect(river.has('tn')).toBe(false)
  expect(classOf({ tn: 9, tp: 0.02 })).toEqual({ overall: 1, factors: { tp: 1 } })
  expect(classOf({ tn: 9, tp: 0.02 }, 'lake')).toEqual({ overall: 6, factors: { tp: 2, tn: 6 } })
})

describe('the class of a water', () => {
  test('is that of its worst factor', () => {
    const values = { ph: 7.6, do: 5.2, codmn: 5.9, nh3n: 1.2, tp: 0.2, temperature: 19, turbidity: 400 }
    expect(classOf(values)).toEqual({ overall: 4, factors: { ph: 1, do: 3, codmn: 3, nh3n: 4, tp: 3 } })
  })

  test.each([[{}], [{ temperature: 20, conductivity: 600 }], [{ nh3n: undefined }], [{ tp: NaN }]])(
    'is not known from %j',
    (values) => {
      expect(classOf(values)).toBeUndefined()
    },
  )

  test('does not get worse by a factor that is not known', () => {
    expect(classOf({ tp: 0.1, nh3n: NaN, do: undefined })).toEqual({ overall: 2, factors: { tp: 2 } })
  })
})

test('a mean that arithmetic has put a hair beyond the limit is at the limit', () => {
  // 0.1 + 0.2 + 0.3 is 0.6000000000000001.
  const mean = (0.1 + 0.2 + 0.3) / 3
  expect(mean).toBeGreaterThan(0.2)
  expect(classOfValue(river.get('tp')!, mean)).toBe(3)
  expect(excessMultiple(river.get('tp')!, mean, 3)).toBe(0)
})

test('a worse value is never of a better class', () => {
  const value = fc.double({ min: -1, max: 100, noNaN: true })
  fc.assert(
    fc.property(fc.constantFrom(...factors), value, value, (factor, a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)].map((c) => classOfValue(factor, c)) as [
        number,
        number,
      ]
      if (factor.bound === 'most') expect(high).toBeGreaterThanOrEqual(low)
      if (factor.bound === 'least') expect(high).toBeLessThanOrEqual(low)
    }),
  )
})

test('values and their millionths are of the same class; what is not known has none', () => {
  for (const factor of factors) {
    expect(classOfMillionths(factor, NaN)).toBe(0)
    for (const limit of factor.limits)
      expect(classOfMillionths(factor, Math.round(limit * 1e6))).toBe(classOfValue(factor, limit))
  }
})

describe('the excess multiple', () => {
  test.each<[string, number, TargetClass, number | undefined]>([
    ['tp', 0.3, 3, 0.5],
    ['tp', 0.2, 3, 0],
    ['tp', 0.1, 3, 0],
    ['nh3n', 3, 3, 2],
    ['nh3n', 3, 4, 1],
    ['codmn', 9, 3, 0.5],
    ['codmn', NaN, 3, undefined],
    ['do', 1, 3, undefined],
    ['ph', 11, 3, undefined],
  ])('of %s %d against class %d is %j', (metric, value, target, expected) => {
    expect(excessMultiple(river.get(metric)!, value, target)).toEqual(expected)
  })
})

test('a class is written in Latin letters, as in the standard, or as a number; nothing else is one', () => {
  expect(['I', 'Ⅱ', 'III', 4, 'Ⅴ'].map(targetClass)).toEqual([1, 2, 3, 4, 5])
  for (const wrong of ['VI', 'iii', '3', 6, 0, true, undefined, null, '劣Ⅴ'])
    expect(targetClass(wrong)).toBeUndefined()
})

test('every rated factor is a metric of the kinds that measure water', () => {
  const kinds = loadKinds()
  for (const kind of ['river_station', 'survey_boat'])
    for (const metric of RATED_METRICS) expect(kinds.get(kind)!.metrics).toHaveProperty(metric)
})

test('a value is worse than a class exactly when its own is, and what is not known never is', () => {
  const value = fc.oneof(fc.constant(NaN), fc.integer({ min: 0, max: 50_000_000 }))
  const classes = fc.constantFrom(1, 2, 3, 4, 5, 6)
  fc.assert(
    fc.property(fc.constantFrom(...factors), value, value, classes, (factor, one, other, floor) => {
      // As a rating asks: one that another value has made, or a worse one.
      const than = Math.max(classOfMillionths(factor, other), floor) as 1 | 2 | 3 | 4 | 5 | 6
      expect(isWorse(factor, one, than)).toBe(classOfMillionths(factor, one) > than)
    }),
    { numRuns: 2000 },
  )
})
