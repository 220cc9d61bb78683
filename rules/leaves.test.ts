import { array, assert, integer, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findings } from './engine.ts'
import { MINUTE, rule, START, Watched, x } from './watched.fixture.ts'

describe('a comparison', () => {
  test.each([
    [{ above: 2 }, [2.000001, 1e6], [2, 1.999999, -3]],
    [{ atLeast: 2 }, [2, 3], [1.999999]],
    [{ below: 2 }, [1.999999, -1e6], [2, 3]],
    [{ atMost: 2 }, [2, -3], [2.000001]],
    [{ outside: [6, 9] }, [5.99, 9.01], [6, 7, 9]],
    [{ inside: [6, 9] }, [6, 7, 9], [5.99, 9.01]],
    [{ is: 3 }, [3], [2.999999, 4]],
    [{ above: 0.3 }, [0.300001], [0.1 + 0.2]],
  ])('%j holds exactly where it says', (comparison, holds, holdsNot) => {
    for (const value of holds) {
      expect(new Watched(rule({ red: x(comparison) })).at(0, { x: value }).alarms).toHaveLength(1)
    }
    for (const value of holdsNot) {
      expect(new Watched(rule({ red: x(comparison) })).at(0, { x: value }).alarms).toHaveLength(0)
    }
  })

  test('a boolean is compared with `is`', () => {
    const open = rule({ red: x({ is: true }) })
    expect(new Watched(open).at(0, { x: true }).alarms).toHaveLength(1)
    expect(new Watched(open).at(0, { x: false }).alarms).toHaveLength(0)
  })

  test('a constant 1.6 is never above 1.6, however many of it the mean is over', () => {
    const watched = new Watched(rule({ red: x({ mean: '10m', above: 1.6 }) }))
    for (let minute = 0; minute < 100; minute += 0.1) watched.at(minute, { x: 1.6 })
    expect(watched.alarms).toEqual([])
    expect(watched.at(101, { x: 1.600001 }).alarms).toHaveLength(1)
  })

  test('nothing is known of a metric that was never reported', () => {
    for (const comparison of [{ above: 2 }, { below: 2 }, { outside: [1, 2] }, { is: 0 }, { is: false }]) {
      expect(new Watched(rule({ red: x(comparison) })).at(0, { y: 1 }).alarms).toEqual([])
    }
  })
})

describe('validity', () => {
  test.each(['F', 'M', 'S', 'D', 'C', 'T', 'B'] as const)('a value flagged %s takes no part', (flag) => {
    const watched = new Watched(
      rule(
        { red: x({ above: 2 }), yellow: x({ mean: '10m', above: 2 }) },
        { clear: { when: x({ below: 1 }) } },
      ),
    )
    watched.at(0, { x: 9 }, { x: flag })
    expect(watched.alarms).toEqual([])
    watched.at(1, { x: 9 }, { x: 'N' }).at(2, { x: 0 }, { x: flag })
    expect(watched.alarms).toEqual([['r', 'red', 1, null]])
  })

  test('a flag on one metric leaves the others alone', () => {
    expect(new Watched(rule({ red: x({ above: 2 }) })).at(0, { x: 9, y: 1 }, { y: 'D' }).alarms).toHaveLength(
      1,
    )
  })

  test('a metric that a reading does not carry holds its last value', () => {
    const both = rule({ red: { all: [x({ above: 2 }), { metric: 'y', is: true }] } })
    expect(new Watched(both).at(0, { x: 9 }).at(1, { y: true }).alarms).toEqual([['r', 'red', 1, null]])
  })
})

describe('a mean', () => {
  test('is over the trailing window, its old end excluded', () => {
    const watched = new Watched(rule({ red: x({ mean: '10m', above: 5 }) }))
    watched.at(0, { x: 6 }).at(5, { x: 4 }) // mean 5
    expect(watched.alarms).toEqual([['r', 'red', 0, 5]])
    watched.at(9.99, { x: 5.1 }) // 5.033
    expect(watched.alarms[1]).toEqual(['r', 'red', 9.99, null])
    watched.at(10, { x: 5 }) // without the 6: 4.7
    expect(watched.alarms[1]).toEqual(['r', 'red', 9.99, 10])
  })

  test('equals the plain calculation for sparse readings', () => {
    assert(
      property(
        array(record({ gap: integer({ min: 601, max: 700_000 }), value: integer({ min: 0, max: 99 }) }), {
          minLength: 1,
          maxLength: 80,
        }),
        (samples) => {
          const watched = new Watched(rule({ red: x({ mean: '10m', above: 50 }) }))
          let ts = START
          const seen: { ts: number; value: number }[] = []
          for (const { gap, value } of samples) {
            ts += gap
            seen.push({ ts, value })
            watched.observe([{ ts, metrics: { x: value } }], ts)
            const inside = seen.filter((sample) => sample.ts > ts - 10 * MINUTE)
            const mean = inside.reduce((sum, sample) => sum + sample.value, 0) / inside.length
            const isFiring = findings(watched.state).some(({ state }) => state === 'firing')
            expect(isFiring).toBe(mean > 50)
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})
