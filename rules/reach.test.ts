import {
  array,
  assert,
  boolean,
  constantFrom,
  integer,
  type Arbitrary,
  oneof,
  option,
  property,
  record,
  tuple,
} from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Metric } from '../gateway/model/kind.ts'
import { DAYS, OVER_WINDOW, type Condition, type OverWindow, type Threshold } from '../gateway/model/rule.ts'
import { rangeOf } from './interval.ts'
import { canHold } from './reach.ts'
import { MINUTE, rule, START, Watched, WORLD, x } from './watched.fixture.ts'

const ranges = (leaf: Threshold) => {
  const metric: Pick<Metric, 'type'> = WORLD.kinds.get('k')!.metrics[leaf.metric] ?? { type: 'number' }
  return rangeOf(
    metric as Metric,
    OVER_WINDOW.find((key) => leaf[key] !== undefined),
  )
}

function isPossible(condition: Condition): boolean {
  return canHold([{ condition, negated: false }], ranges, { steps: 15_000 })
}

const not = (condition: Condition): Condition => ({ not: condition })
const mon: Condition = { days: ['mon'] }
const tue: Condition = { days: ['tue'] }

describe('what can never hold is known', () => {
  test.each<[string, ...Condition[]]>([
    ['two days', mon, tue],
    ['hours beside each other', { hours: '08:00-09:00' }, { hours: '09:00-10:00' }],
    ['hours of the other days', { days: ['mon'], hours: '22:00-02:00' }, { days: ['wed'] }],
    ['an hour and not its day', { hours: '10:00-11:00', days: ['mon'] }, not(mon)],
    ['no day of the week', ...DAYS.map((day) => not({ days: [day] }))],
    ['each device’s hours of two days', { days: ['mon'], hours: '$open' }, { days: ['wed'] }],
    ['above and below one attribute', x({ above: '$a' }), x({ below: '$a' })],
    ['on both sides of an interval', x({ inside: ['$a', '$b'] }), x({ outside: ['$a', '$b'] })],
    ['above an attribute that another is above', x({ above: '$a' }), x({ below: '$b' }), { metric: 'do', above: '$b' }, { metric: 'do', below: '$a' }], // prettier-ignore
    ['two numbers around an attribute', x({ above: 5 }), x({ below: '$a' }), { metric: 'do', above: '$a' }, { metric: 'do', below: 3 }], // prettier-ignore
    ['a least above the greatest', x({ min: '10m', above: 5 }), x({ max: '10m', below: 3 })],
    ['a least above the greatest of another window', x({ min: '10m', above: 5 }), x({ max: '1m', below: 3 })],
    ['a mean above the greatest', x({ mean: '10m', above: 5 }), x({ max: '10m', below: 3 })],
    ['a mean above the greatest of longer', x({ mean: '10m', above: 5 }), x({ max: '1h', atMost: 5 })],
    ['a mean below the least', x({ mean: '10m', atMost: 5 }), x({ min: '10m', above: 5 })],
    ['a percentile above the greatest', x({ p95: '10m', above: 5 }), x({ max: '10m', atMost: 5 })],
    ['the latest above the greatest', x({ above: 5 }), x({ max: '1h', below: 3 })],
    ['the latest below the least', x({ below: 5 }), x({ min: '1m', atLeast: 5 })],
    ['the greatest above that of longer', x({ max: '10m', above: 5 }), x({ max: '1h', atMost: 5 })],
    ['more in less time', x({ count: '10m', atLeast: 5 }), x({ count: '1h', below: 5 })],
    ['a wider range in less time', x({ range: '10m', above: 5 }), x({ range: '1h', below: 5 })],
    ['neither on nor off', not({ metric: 'fan', is: true }), not({ metric: 'fan', is: false })],
    ['better than a target that the best is worse than', { worseThan: 'target' }, not({ worseThan: 'I' })],
    ['in all ways', { any: [mon, x({ above: 5 })] }, { any: [tue, x({ above: 6 })] }, { days: ['wed'] }, x({ max: '5m', below: 5 })], // prettier-ignore
  ])('%s', (_, ...all) => {
    expect(isPossible({ all })).toBe(false)
    expect(isPossible({ all: all.toReversed() })).toBe(false)
  })
})

describe('what can hold is possible', () => {
  test.each<[string, ...Condition[]]>([
    ['a night that goes on into the next day', { days: ['mon'], hours: '22:00-02:00' }, tue],
    ['a night from Sunday to Monday', { days: ['sun'], hours: '22:00-02:00' }, mon],
    ['each device’s hours over midnight', { days: ['mon'], hours: '$open' }, tue],
    ['hours that overlap', { hours: '08:00-09:01' }, { hours: '09:00-10:00' }],
    ['a mean of longer ago', x({ mean: '1h', above: 5 }), x({ max: '10m', below: 3 })],
    ['a greatest of longer ago', x({ max: '1h', above: 5 }), x({ max: '10m', below: 3 })],
    ['two attributes', x({ above: '$a' }), x({ below: '$b' })],
    ['two devices', x({ above: '$a' }), { of: 'u', metric: 'x', below: '$a' }],
    ['limits that are one when they are rounded', x({ atLeast: 1.000_000_4 }), x({ atMost: 1.000_000_1 })],
    // A window forgets by thousandths of its length: for a moment it may be the longer one.
    ['windows that differ by less than they forget', x({ max: '600001ms', below: 3 }), x({ max: '10m', above: 5 })], // prettier-ignore
    ['a target between', { worseThan: 'target' }, not({ worseThan: 'II' })],
  ])('%s', (_, ...all) => {
    expect(isPossible({ all })).toBe(true)
  })
})

test('thousands of numbers that have to do with each other take no time', () => {
  const each = (over: OverWindow, above: number) =>
    Array.from({ length: 64 }, (_, i) => ({
      any: Array.from({ length: 64 }, (_, j) => x({ [over]: `${64 * i + j + 1}s`, above })),
    }))
  const begin = performance.now()
  isPossible({ all: [{ all: each('min', 5) }, { all: each('max', 3) }, { all: each('mean', 1) }] })
  expect(performance.now() - begin).toBeLessThan(2_000)
})

const WIDTHS = ['1m', '90s', '5m', '5001ms', '5s'] as const
const limit = oneof(integer({ min: 0, max: 6 }), constantFrom('$a', '$b'))
const compared = oneof(
  tuple(constantFrom('above', 'atLeast', 'below', 'atMost', 'is'), limit).map(([key, value]) => ({
    [key]: value,
  })),
  tuple(constantFrom('inside', 'outside'), limit, limit).map(([key, a, b]) => ({ [key]: [a, b] })),
)
const calendar = record(
  {
    days: array(constantFrom(...DAYS), { minLength: 1, maxLength: 5 }).map((days) => [...new Set(days)]),
    hours: constantFrom('08:00-12:00', '12:00-20:00', '20:00-04:00', '$open', '$night'),
  },
  { requiredKeys: ['days'] },
) satisfies Arbitrary<Condition>
const leaf = oneof(
  { weight: 2, arbitrary: compared.map(x) },
  {
    weight: 5,
    arbitrary: tuple(compared, constantFrom(...OVER_WINDOW), constantFrom(...WIDTHS)).map(
      ([comparison, over, width]) => x({ ...comparison, [over]: width }),
    ),
  },
  boolean().map((is): Condition => ({ metric: 'fan', is })),
  constantFrom<Condition>({ metric: 'x', flag: ['M'] }, { metric: 'x', flag: ['N', 'D'] }, { flag: ['M'] }),
  constantFrom<Condition>({ absent: '10s' }, { absent: '1m' }, x({ flat: '10s' }), x({ flat: '1m' })),
  constantFrom<Condition>({ worseThan: 'II' }, { worseThan: 'IV' }, { worseThan: 'target' }),
  calendar,
)
const part = oneof(
  { weight: 4, arbitrary: leaf },
  { weight: 3, arbitrary: leaf.map(not) },
  { weight: 1, arbitrary: tuple(leaf, leaf).map((any): Condition => ({ any })) },
  { weight: 1, arbitrary: tuple(leaf, leaf).map((any) => not({ any })) },
)
const history = array(
  record({
    gap: constantFrom(0, 1000, 2000, 5000, 20_000, 60_000, 4 * 3_600_000, 13 * 3_600_000),
    x: option(integer({ min: 0, max: 6 })),
    fan: boolean(),
    nh3n: constantFrom(0.1, 0.8, 1.2, 3),
    flag: constantFrom('N', 'N', 'N', 'M', 'D'),
  }),
  { minLength: 60, maxLength: 90 },
)
const attributes = record({
  a: integer({ min: 0, max: 6 }),
  b: integer({ min: 0, max: 6 }),
  target: constantFrom('I', 'II', 'V'),
  open: constantFrom('06:00-10:00', '23:00-05:00'),
  night: constantFrom('00:00-24:00', '20:00-04:00'),
})

const few = constantFrom('min', 'max', 'mean', 'p95', 'count', 'range', undefined)
const between = tuple(
  few,
  few,
  constantFrom(...WIDTHS),
  constantFrom(...WIDTHS),
  integer({ min: 1, max: 5 }),
).map(([one, other, width, otherWidth, limit]): Condition[] => [
  x({ above: limit, ...(one !== undefined && { [one]: width }) }),
  x({ below: limit, ...(other !== undefined && { [other]: otherWidth }) }),
])
const conditions = oneof(
  array(part, { minLength: 2, maxLength: 4 }),
  between,
  tuple(calendar, oneof(calendar, calendar.map(not)), constantFrom(x({ atLeast: 0 }))),
).map((all): Condition => ({ all }))

test('what is called a contradiction holds of no readings at all', () => {
  let contradictions = 0
  const never = property(
    array(conditions, { minLength: 80, maxLength: 80 }),
    history,
    attributes,
    (all, steps, own) => {
      const impossible = all.filter((condition) => !isPossible(condition))
      contradictions += impossible.length
      if (impossible.length === 0) return
      const watched = Watched.of(
        impossible.map((red, index) => rule({ red }, { id: `r${index}` })),
        own,
      )
      let ts = START
      for (const { gap, x: value, fan, nh3n, flag } of steps) {
        ts += gap
        const metrics = { fan, nh3n, ...(value !== null && { x: value }) }
        watched.observe([{ ts, metrics, flags: { x: flag } }], ts)
        watched.tick((ts - START + gap / 2) / MINUTE)
      }
      expect(watched.changes.map(({ rule }) => rule.severity.red)).toEqual([])
    },
  )
  assert(never, { numRuns: 100 })
  expect(contradictions).toBeGreaterThan(100)
})
