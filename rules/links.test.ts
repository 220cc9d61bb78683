import { array, assert, boolean, constantFrom, integer, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Reading } from '../gateway/model/reading.ts'
import { attributesThatCount, devicesBehind, Links } from './links.ts'
import { planLinkedRules, planRules } from './plan.ts'
import { underNewRules } from './snapshot.ts'
import { BOUNDS, MINUTE, rule, START, Watched, x } from './watched.fixture.ts'

const LINKED = [
  rule({ red: { all: [x({ above: 5 }), { of: 'upstream', metric: 'x', below: 5 }] } }, { id: 'between' }),
  rule(
    {
      blue: { of: 'upstream', absent: '45s' },
      yellow: { all: [{ of: 'upstream', absent: '45s' }, x({ above: 8 })] },
    },
    { id: 'upstream-silent', clear: { for: '20s' } },
  ),
  rule({ orange: { of: 'm-7', metric: 'x', mean: '1m', above: 6 } }, { id: 'other', for: '30s' }),
  rule(
    { orange: { all: [{ worseThan: 'III' }, { not: { of: 'upstream', worseThan: 'III' } }] } },
    { id: 'here' },
  ),
  rule(
    { blue: { all: [{ of: 'linked', flag: ['D'] }, { not: { absent: '30s' } }] } },
    { id: 'linked-fault' },
  ),
]
const PLAN = planLinkedRules(LINKED).get('k')!
const ATTRIBUTES = { upstream: 'u', linked: 'l' }

test('a rule that looks at others is in the linked plan, and only there', () => {
  const own = rule({ red: x({ above: 5 }) }, { id: 'own' })
  const ids = (plans: ReturnType<typeof planRules>) => plans.get('k')!.rules.map(({ rule }) => rule.id)
  expect(ids(planRules([own, ...LINKED]))).toEqual(['own'])
  expect(ids(planLinkedRules([own, ...LINKED]))).toEqual(LINKED.map(({ id }) => id))
})

test('the devices behind the sources are those that the attributes name', () => {
  expect(PLAN.sources).toEqual(['', 'upstream', 'm-7', 'linked'])
  expect(devicesBehind(PLAN, 'd', { upstream: 'u', linked: 3 })).toEqual(['d', 'u', 'm-7', undefined])
  expect(attributesThatCount(PLAN)).toEqual(new Set(['upstream', 'linked']))
})

test('who looks at a device is known by what was last said', () => {
  const links = new Links()
  links.set('a', ['a', 'c', 'c', undefined])
  links.set('b', ['b', 'c'])
  expect(links.at('c')).toEqual([
    { device: 'a', source: 1 },
    { device: 'a', source: 2 },
    { device: 'b', source: 1 },
  ])
  links.set('a', ['a', 'd'])
  expect(links.at('c')).toEqual([{ device: 'b', source: 1 }])
  links.delete('b')
  expect(links.at('c')).toEqual([])
  expect(links.at('d')).toEqual([{ device: 'a', source: 1 }])
})

describe('another device', () => {
  const reading = (minute: number, metrics: Reading['metrics']): Reading => ({
    ts: START + minute * MINUTE,
    metrics,
  })
  const see = (watched: Watched, source: number, minute: number, metrics: Reading['metrics']) =>
    watched.observe([reading(minute, metrics)], START + minute * MINUTE, source)

  test('its values and the device’s own are told apart', () => {
    const watched = Watched.linked([LINKED[0]!], ATTRIBUTES)
    see(watched, 1, 0, { x: 9 })
    see(watched, 0, 1, { x: 6 })
    expect(watched.alarms).toEqual([])
    see(watched, 1, 2, { x: 3 })
    expect(watched.alarms).toEqual([['between', 'red', 2, null]])
  })

  test('its silence is its own: the device’s readings do not end it', () => {
    const watched = Watched.linked([LINKED[1]!], ATTRIBUTES)
    see(watched, 0, 0, { x: 1 })
    expect(watched.tick(60).alarms).toEqual([])
    see(watched, 1, 61, { x: 1 })
    see(watched, 0, 61.5, { x: 1 })
    expect(watched.tick(62).alarms).toEqual([['upstream-silent', 'blue', 61.75, null]])
  })

  test('an upstream that is another device from now on is not what the former one was', () => {
    const watched = Watched.linked([LINKED[0]!], ATTRIBUTES)
    see(watched, 1, 0, { x: 3 })
    watched.state = underNewRules(watched.state, watched.state.plan, { upstream: 'v' })
    see(watched, 0, 1, { x: 6 })
    expect(watched.alarms).toEqual([])
    see(watched, 1, 2, { x: 3 })
    expect(watched.alarms).toEqual([['between', 'red', 2, null]])
  })

  test('each is late by its own newest reading: one that is always further behind than the bound is heard', () => {
    const watched = Watched.linked([LINKED[0]!], ATTRIBUTES)
    for (let minute = 0; minute < 60; minute++) {
      see(watched, 0, minute, { x: minute < 20 ? 6 : 2 })
      if (minute >= 50) watched.observe([reading(minute - 50, { x: 3 })], START + minute * MINUTE, 1)
    }
    expect(watched.state.late).toBe(0)
    expect(watched.alarms).toEqual([['between', 'red', 0, 20]])
  })

  test('what two have sent in one go says the same, one device after the other or minute by minute', () => {
    const minutes = Array.from({ length: 40 }, (_, minute) => minute)
    const own = minutes.map((minute) => reading(minute, { x: minute % 20 < 10 ? 6 : 2 }))
    const others = minutes.map((minute) => reading(minute, { x: minute < 30 ? 3 : 9 }))
    const apart = Watched.linked([LINKED[0]!], ATTRIBUTES)
    apart.observe(own, START + 40 * MINUTE, 0).observe(others, START + 40 * MINUTE, 1)
    const together = Watched.linked([LINKED[0]!], ATTRIBUTES)
    for (const minute of minutes) {
      together.observe([own[minute]!], START + 40 * MINUTE, 0)
      together.observe([others[minute]!], START + 40 * MINUTE, 1)
    }
    expect(apart.alarms).toEqual([
      ['between', 'red', 0, 10],
      ['between', 'red', 20, 30],
    ])
    expect(apart.settled).toEqual(together.settled)
  })

  test.each([
    ['one that is silent is waited for until its readings would be stale', ATTRIBUTES, 135],
    ['nobody is waited for where a link names nobody', {}, 45],
  ])('%s', (_, attributes, rows) => {
    const watched = Watched.linked(LINKED.slice(0, 2), attributes)
    for (let minute = 0; minute < 300; minute++) see(watched, 0, minute, { x: 1 })
    expect(watched.state.tail.rows).toBeLessThanOrEqual(rows)
  })

  test('the alarms depend on the union of the readings, not on the order in which they came', () => {
    const history = array(
      record({
        gap: constantFrom(0, 1000, 5000, 20_000, 45_000, 400_000),
        source: constantFrom(0, 0, 1, 1, 2, 3),
        metrics: record(
          { x: integer({ min: 0, max: 10 }), nh3n: constantFrom(0.1, 3), do: constantFrom(1, 8) },
          { requiredKeys: [] },
        ),
        isFaulty: boolean(),
        delay: integer({ min: 0, max: BOUNDS.latenessMs }),
        restart: boolean(),
      }),
      { minLength: 1, maxLength: 40 },
    )
    assert(
      property(history, constantFrom(0, 10 * MINUTE, 50 * MINUTE), (steps, lag) => {
        let ts = START
        const arrivals = steps.map(({ gap, source, metrics, isFaulty, delay, restart }) => {
          ts += gap
          const reading: Reading = { ts, metrics, flags: isFaulty ? { x: 'D' } : {} }
          return { reading, source, at: ts + delay + (source === 1 ? lag : 0), restart }
        })
        const inOrder = Watched.linked(LINKED, ATTRIBUTES)
        for (const { reading, source } of arrivals) inOrder.observe([reading], reading.ts, source)
        const live = Watched.linked(LINKED, ATTRIBUTES)
        for (const { reading, source, at, restart } of arrivals.toSorted((a, b) => a.at - b.at)) {
          live.observe([reading], at, source)
          if (restart) live.restart()
        }
        expect(live.tick(10_000).settled).toEqual(inOrder.tick(10_000).settled)
      }),
      { numRuns: 1000 },
    )
  })
})
