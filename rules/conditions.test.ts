import { array, assert, constantFrom, double, integer, letrec, property, record, subarray } from 'fast-check'
import { expect, test } from 'vitest'
import type { Condition } from '../gateway/model/rule.ts'
import { mayHoldFor } from './conditions.ts'
import type { Attributes } from './local.ts'
import { rule, Watched, x } from './watched.fixture.ts'

const $a = x({ above: '$a' })
const $b = { metric: 'y', below: '$b' }
const free = x({ mean: '10m', atLeast: 1 })

test.each<[string, Condition, Attributes, boolean]>([
  ['a limit of its own', free, {}, true],
  ['an attribute that it has', $a, { a: 1 }, true],
  ['an attribute that it lacks', $a, {}, false],
  ['the opposite of that', { not: $a }, {}, false],
  ['all, of which one cannot hold', { all: [free, $a] }, {}, false],
  ['not all, of which one cannot hold', { not: { all: [free, $a] } }, {}, true],
  ['any, of which one can hold', { any: [free, $a] }, {}, true],
  ['not any, of which one cannot hold', { not: { any: [free, $a] } }, {}, false],
  ['an end of a range', x({ outside: [0, '$b'] }), {}, false],
  ['hours', { hours: '$open' }, {}, false],
  ['hours that it has', { hours: '$open' }, { open: '09:00-21:00' }, true],
  ['an area', { insideArea: '$home' }, {}, false],
  ['its target', { worseThan: 'target' }, {}, false],
  ['a class', { worseThan: 'III' }, {}, true],
  ['its target, which it has', { worseThan: 'target' }, { target: 'IV' }, true],
  ['whom it is linked with', { of: 'linked', metric: 'x', above: 1 }, {}, false],
  ['what is upstream, which it names', { of: 'upstream', absent: '1h' }, { upstream: 'd-2' }, true],
  ['a device by its name', { of: 'd-2', metric: 'x', above: 1 }, {}, true],
])('whether a rule may hold for a device: %s', (_, condition, attributes, may) => {
  expect(mayHoldFor(rule({ red: condition }), attributes)).toBe(may)
})

test('one severity that may hold is enough', () => {
  expect(mayHoldFor(rule({ red: $a, blue: free }), {})).toBe(true)
  expect(mayHoldFor(rule({ red: $a, blue: $b }), {})).toBe(false)
})

const { condition } = letrec<{ condition: Condition; leaf: Condition; parts: Condition[] }>((tie) => ({
  leaf: constantFrom<Condition[]>(
    $a,
    $b,
    free,
    x({ outside: ['$a', '$b'] }),
    x({ range: '5m', atMost: '$a' }),
    { metric: 'y', is: '$b' },
    { hours: '$open' },
    { worseThan: 'target' },
    { insideArea: '$home' },
    { outsideArea: '$home' },
    { absent: '3m' },
    { metric: 'x', flat: '3m' },
  ),
  parts: array(tie('condition'), { minLength: 1, maxLength: 3 }),
  condition: integer({ min: 0, max: 5 }).chain((sort) => {
    if (sort === 0) return tie('parts').map((all) => ({ all }))
    if (sort === 1) return tie('parts').map((any) => ({ any }))
    if (sort === 2) return tie('condition').map((not) => ({ not }))
    return tie('leaf')
  }),
}))
const HAD = { a: 0.5, b: 1, open: '00:00-12:00', target: 'II', home: 'west' }
const readings = array(
  record({
    x: double({ min: -2, max: 2, noNaN: true }),
    y: double({ min: -2, max: 2, noNaN: true }),
    do: double({ min: 0, max: 9, noNaN: true }),
    lon: double({ min: 119.5, max: 121.5, noNaN: true }),
  }),
  { maxLength: 12 },
)

test('a rule that cannot hold for a device never fires for it, whatever is measured', () => {
  let left = 0
  assert(
    property(condition, subarray(Object.keys(HAD)), readings, (red, names, steps) => {
      const attributes = Object.fromEntries(names.map((name) => [name, HAD[name as keyof typeof HAD]]))
      const its = rule({ red })
      if (mayHoldFor(its, attributes)) return
      left++
      const watched = Watched.of([its], attributes)
      for (const [minute, { lon, ...metrics }] of steps.entries()) {
        watched.at(minute, metrics).moved(minute + 0.5, [lon, 32.5])
      }
      watched.tick(steps.length + 10)
      expect(watched.alarms).toEqual([])
    }),
    { numRuns: 2000, endOnFailure: true },
  )
  expect(left).toBeGreaterThan(200)
})
