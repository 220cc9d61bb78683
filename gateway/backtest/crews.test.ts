import { describe, expect, test } from 'vitest'
import { loadDistrict } from '../district/district.ts'
import type { Severity } from '../model/alarm.ts'
import type { Rule } from '../model/rule.ts'
import type { LoggedAlarm } from './alarm-log.ts'
import { foresee } from './crews.ts'
import { loadOf } from './load.ts'

const T = Date.UTC(2026, 5, 1, 10)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const district = loadDistrict()
const manning = { crews: 1, travelMs: 5 * MINUTE, handleMs: 25 * MINUTE }

const rule: Rule = {
  id: 'fume-over-limit',
  version: 1,
  kind: 'cooking_fume',
  title: { en: 'Fume', zh: '油烟' },
  basis: 'test',
  severity: { orange: { metric: 'fume', above: 2 } },
  dispatch: { from: 'orange', category: 'cooking-fume', respond: '10m', arrive: '20m', resolve: '1h' },
}
const alarm = (
  site: string,
  minute: number | null,
  severity: Severity = 'orange',
  of: Partial<Rule> = {},
): LoggedAlarm => {
  const startedAt = T + (minute ?? 0) * MINUTE
  const used = { ...rule, ...of }
  return {
    rule: used,
    calledAt: minute === null ? null : startedAt,
    alarm: {
      id: `d-${site}~${used.id}~${startedAt}`,
      rule: used.id,
      ruleVersion: 1,
      device: `d-${site}`,
      kind: 'cooking_fume',
      site,
      street: 'wenfeng',
      grid: 'wenfeng-001',
      severity,
      state: 'cleared',
      startedAt,
      clearedAt: startedAt + MINUTE,
      peak: 3,
      value: 1,
    },
  }
}
const minutes = (ms: number | null) => (ms! - T) / MINUTE

test('one open case per rule family and site; a further alarm joins it, after it a new one opens', () => {
  const second = { id: 'fume-for-long', family: 'fume-over-limit' }
  const cases = foresee(
    [alarm('a', 0), alarm('a', 10, 'red', second), alarm('a', 20, 'orange', { id: 'other' }), alarm('a', 45)],
    district,
    { ...manning, crews: 5 },
  )
  expect(cases.map(({ alarms, severity }) => [alarms.length, severity])).toEqual([
    [2, 'red'],
    [1, 'orange'],
    [1, 'orange'],
  ])
  expect(new Set(cases.map(({ id }) => id)).size).toBe(3)
})

test('an alarm that never asked for a crew opens nothing', () => {
  expect(foresee([alarm('a', null)], district, manning)).toEqual([])
})

test('a crew takes the worst case first, then the oldest, and its deadlines are those of the rule', () => {
  const cases = foresee(
    [
      alarm('a', 0),
      alarm('b', 1),
      alarm('c', 2),
      alarm('d', 3, 'red'),
      alarm('c', 4, 'red', { id: rule.id }),
    ],
    district,
    manning,
  )
  expect(
    cases.map(({ site, respondedAt, handledAt, missed }) => [
      site,
      minutes(respondedAt),
      minutes(handledAt),
      missed,
    ]),
  ).toEqual([
    ['a', 0, 30, []],
    ['b', 90, 120, ['respond', 'arrive', 'resolve']],
    ['c', 60, 90, ['respond', 'arrive', 'resolve']],
    ['d', 30, 60, ['respond', 'arrive']],
  ])
  expect(cases[0]).toMatchObject({
    respondBy: T + 10 * MINUTE,
    arriveBy: T + 20 * MINUTE,
    resolveBy: T + HOUR,
  })
})

describe('where a loudspeaker speaks first', () => {
  const speak = { text: 'stop', wait: '3m' }
  const speaking: Partial<Rule> = { dispatch: { ...rule.dispatch!, speak } }
  /** Fires and ends at these minutes; null: goes on. */
  const spoken = (from: number, to: number | null, of: Partial<Rule> = {}, severity: Severity = 'orange') => {
    const found = alarm('a', from, severity, { ...speaking, ...of })
    const clearedAt = to === null ? null : T + to * MINUTE
    return { ...found, alarm: { ...found.alarm, clearedAt } }
  }
  const outcomes = (...alarms: LoggedAlarm[]) =>
    foresee(alarms, district, manning).map(({ speaks, endedAt, respondedAt }) => ({
      speaks,
      ...(endedAt !== undefined && { ended: minutes(endedAt) }),
      ...(respondedAt !== null && { called: minutes(respondedAt) }),
    }))

  test('what ends within the wait calls no crew, misses nothing and is nobody else’s work', () => {
    const [found, next] = foresee([spoken(0, 2), alarm('b', 1)], district, manning)
    expect(found).toMatchObject({ speaks: true, endedAt: T + 2 * MINUTE, respondedAt: null, missed: [] })
    expect(found).toMatchObject({ arrivedAt: null, handledAt: null })
    expect(minutes(next!.respondedAt)).toBe(1)
    expect(loadOf([found!])).toMatchObject([{ cases: 1, open: 1 }])
  })

  test.each<[string, LoggedAlarm[], object[]]>([
    ['what goes on gets a crew after it', [spoken(0, null)], [{ speaks: true, called: 3 }]],
    ['what ends after it too', [spoken(0, 4)], [{ speaks: true, called: 3 }]],
    [
      'one that is about to clear is waited for',
      [spoken(0, 6, { clear: { for: '5m' } })],
      [{ speaks: true, ended: 6 }],
    ],
    [
      'but not beyond 75 % of respond',
      [spoken(0, 8, { clear: { for: '6m' } })],
      [{ speaks: true, called: 3 }],
    ],
    ['all alarms of it have to end', [spoken(0, 1), spoken(0.5, 2)], [{ speaks: true, ended: 2 }]],
    [
      'a worse one calls the crew at once',
      [spoken(0, 2), spoken(1, 2, {}, 'red')],
      [{ speaks: true, called: 1 }],
    ],
    ['so does one that does not speak', [spoken(0, 2), alarm('a', 1)], [{ speaks: true, called: 1 }]],
    [
      'what comes after is another case',
      [spoken(0, 2), spoken(2.5, null)],
      [
        { speaks: true, ended: 2 },
        { speaks: true, called: 5.5 },
      ],
    ],
  ])('%s', (_, alarms, expected) => {
    expect(outcomes(...alarms)).toEqual(expected)
  })
})

test('with enough crews nobody waits', () => {
  const alarms = Array.from({ length: 20 }, (_, index) => alarm(`s-${index}`, index))
  expect(foresee(alarms, district, { ...manning, crews: 20 }).flatMap(({ missed }) => missed)).toEqual([])
  expect(foresee(alarms, district, manning).flatMap(({ missed }) => missed)).not.toEqual([])
})

test('load: cases that came in each hour, and how many were open at once', () => {
  const cases = foresee([alarm('a', 0), alarm('b', 10), alarm('c', 55), alarm('d', 190)], district, manning)
  const team = cases[0]!.team
  expect(loadOf(cases)).toEqual([
    { team, hour: T, cases: 3, open: 2 },
    { team, hour: T + HOUR, cases: 0, open: 2 },
    { team, hour: T + 3 * HOUR, cases: 1, open: 1 },
  ])
})

test('two teams that could both be sent share the work, the same way each time', () => {
  const title = { en: 'Crew', zh: '组' }
  const two = {
    ...district,
    teams: [
      { id: 'first', level: 'grid' as const, title },
      { id: 'second', level: 'grid' as const, title },
      ...district.teams.filter(({ level }) => level === 'district'),
    ],
  }
  const alarms = ['a', 'b', 'c', 'd'].map((site, index) => alarm(site, index))
  const teams = () => foresee(alarms, two, manning).map(({ team }) => team)
  expect(teams()).toEqual(['first', 'second', 'first', 'second'])
  // The first is done by then.
  expect(foresee([alarm('a', 0), alarm('b', 40)], two, manning).map(({ team }) => team)).toEqual([
    'first',
    'first',
  ])
  expect(teams()).toEqual(teams())
})
