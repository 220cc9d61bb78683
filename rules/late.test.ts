import { describe, expect, test } from 'vitest'
import { observe } from './engine.ts'
import { MINUTE, rule, START, Watched, x } from './watched.fixture.ts'

describe('late readings', () => {
  const high = rule({ yellow: x({ above: 2 }), red: x({ above: 4 }) })

  test('correct the start: the alarm with the wrong one is withdrawn', () => {
    const watched = new Watched(high).at(0, { x: 0 }).at(3, { x: 3 }).at(2, { x: 3 }, {}, 2)
    expect(watched.alarms).toEqual([['r', 'yellow', 2, null]])
    expect(watched.changes.map(({ state, startedAt }) => [state, (startedAt - START) / MINUTE])).toEqual([
      ['firing', 3],
      ['withdrawn', 3],
      ['firing', 2],
    ])
  })

  test('correct severity and end under the same id', () => {
    const watched = new Watched(high).at(0, { x: 3 }).at(4, { x: 0 }).at(2, { x: 5 }, {}, 3)
    expect(watched.alarms).toEqual([['r', 'red', 0, 4]])
    watched.at(3, { x: 0 }, {}, 3)
    expect(watched.alarms).toEqual([['r', 'red', 0, 3]])
    expect(new Set(watched.changes.map(({ id }) => id)).size).toBe(1)
  })

  test('withdraw what should not have fired', () => {
    const watched = new Watched(rule({ red: x({ above: 2 }) }, { for: '3m' })).at(0, { x: 3 }).tick(3)
    expect(watched.alarms).toHaveLength(1)
    expect(watched.at(2, { x: 0 }, {}, 2).alarms).toEqual([])
  })

  test('what was over before it was seen has fired all the same', () => {
    const watched = new Watched(high).at(0, { x: 0 }).at(4, { x: 0 }).at(2, { x: 3 }, {}, 3)
    expect(watched.changes.map(({ state }) => state)).toEqual(['firing', 'cleared'])
  })

  test('beyond the bound they are counted and judge nothing', () => {
    const watched = new Watched(high).at(0, { x: 0 }).at(10, { x: 0 }).at(4.9, { x: 9 })
    expect(watched.alarms).toEqual([])
    expect(watched.state.late).toBe(1)
    expect(watched.at(5, { x: 9 }).alarms).toEqual([['r', 'red', 5, 10]])
  })

  test('within one message nothing is late, whatever its order', () => {
    const minutes = [30, 0, 20, 10]
    const readings = minutes.map((minute) => ({
      ts: START + minute * MINUTE,
      metrics: { x: minute === 10 ? 3 : 0 },
    }))
    const watched = new Watched(high).observe(readings, START + 30 * MINUTE)
    expect(watched.alarms).toEqual([['r', 'yellow', 10, 20]])
    expect(watched.state.late).toBe(0)
  })

  test('a mean is stale by the end of its period, which is when it can be sent', () => {
    const HOUR = 60 * MINUTE
    const mean = (start: number) => ({ ts: START + start * HOUR, metrics: { x: 3 }, span: HOUR })
    const punctual = new Watched(high)
    expect(observe(punctual.state, [mean(0)], START + HOUR + 5000)).toMatchObject([{ stale: false }])
    const buffered = new Watched(high)
    expect(observe(buffered.state, [mean(0), mean(1)], START + 2 * HOUR + 5000)).toMatchObject([
      { stale: false, startedAt: START },
    ])
    const old = new Watched(high)
    expect(observe(old.state, [mean(0)], START + 3 * HOUR)).toMatchObject([{ stale: true }])
  })

  test('a very fast device has a shorter bound instead of an endless tail', () => {
    const watched = new Watched(high)
    for (let tick = 0; tick < 5000; tick++) watched.at(tick / 6000, { x: 0 })
    expect(watched.state.tail.rows).toBeLessThanOrEqual(1000)
    expect(watched.at(0, { x: 9 }).state.late).toBe(1)
  })
})

describe('stale', () => {
  const high = rule({ red: x({ above: 2 }) })

  test('a reading more than an hour behind the clock raises a stale alarm', () => {
    expect(new Watched(high).at(0, { x: 3 }, {}, 61).settled[0]).toMatchObject({ stale: true })
    expect(new Watched(high).at(0, { x: 3 }, {}, 60).settled[0]).toMatchObject({ stale: false })
  })

  test('a fresh reading that confirms it makes it an alarm like any other', () => {
    const watched = new Watched(high).at(0, { x: 3 }, {}, 61)
    watched.at(60, { x: 3 }, {}, 1)
    expect(watched.changes.map(({ stale }) => stale)).toEqual([true, false])
  })

  test('one that ended in the past stays stale', () => {
    const watched = new Watched(high).at(0, { x: 3 }, {}, 120).at(10, { x: 0 }, {}, 110).at(120, { x: 0 })
    expect(watched.settled).toMatchObject([{ stale: true, state: 'cleared' }])
  })
})
