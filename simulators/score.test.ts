import { describe, expect, test } from 'vitest'
import { MINUTE } from './devices/model.ts'
import { parseScenario } from './scenario.ts'
import { score, type ScoredAlarm } from './score.ts'
import { type ExpectedAlarm, truthOf } from './truth.ts'

const expectation = (more: Partial<ExpectedAlarm> = {}): ExpectedAlarm => ({
  rule: 'over',
  device: 'a',
  from: 100,
  by: 200,
  until: 400,
  may: false,
  ...more,
})
const alarm = (more: Partial<ScoredAlarm> = {}): ScoredAlarm => ({
  id: 'x',
  rule: 'over',
  device: 'a',
  state: 'cleared',
  severity: 'orange',
  startedAt: 150,
  clearedAt: 300,
  ...more,
})

describe('a score', () => {
  test.each<[string, ExpectedAlarm[], ScoredAlarm[], { recall: number; precision: number }]>([
    ['nothing expected, nothing came', [], [], { recall: 1, precision: 1 }],
    ['found', [expectation()], [alarm()], { recall: 1, precision: 1 }],
    ['missed', [expectation()], [], { recall: 0, precision: 1 }],
    ['false', [], [alarm()], { recall: 1, precision: 0 }],
    ['another device', [expectation()], [alarm({ device: 'b' })], { recall: 0, precision: 0 }],
    ['another rule', [expectation()], [alarm({ rule: 'off' })], { recall: 0, precision: 0 }],
    [
      'too late is missed, but explained',
      [expectation()],
      [alarm({ startedAt: 250 })],
      { recall: 0, precision: 1 },
    ],
    [
      'too early and over',
      [expectation()],
      [alarm({ startedAt: 10, clearedAt: 50 })],
      { recall: 0, precision: 0 },
    ],
    ['early and still there', [expectation()], [alarm({ startedAt: 10 })], { recall: 1, precision: 0 }],
    ['an echo', [expectation()], [alarm(), alarm({ startedAt: 390 })], { recall: 1, precision: 1 }],
    ['after the echo', [expectation()], [alarm(), alarm({ startedAt: 401 })], { recall: 1, precision: 0.5 }],
    ['withdrawn', [expectation()], [alarm({ state: 'withdrawn' })], { recall: 0, precision: 1 }],
    ['may come', [expectation({ may: true })], [alarm()], { recall: 1, precision: 1 }],
    ['may stay away', [expectation({ may: true })], [], { recall: 1, precision: 1 }],
    [
      'one of two',
      [expectation(), expectation({ device: 'b' })],
      [alarm(), alarm({ device: 'c' })],
      { recall: 0.5, precision: 0.5 },
    ],
  ])('%s', (_, expected, alarms, { recall, precision }) => {
    const result = score(expected, alarms)
    expect(result.recall).toBe(recall)
    expect(result.precision).toBe(precision)
    expect(result.found + result.missed.length).toBe(result.expected)
  })

  test('says how long it took, and when a late one came', () => {
    expect(score([expectation()], [alarm()]).delay).toEqual({ median: 50, longest: 50 })
    expect(score([expectation()], [alarm({ startedAt: 250 })]).missed[0]!.came).toBe(250)
  })
})

describe('the truth', () => {
  const scenario = parseScenario(
    `
id: two
title: { en: Two, zh: 二 }
begins: 2026-06-18T18:00:00+08:00
every: { cooking_fume: 10s }
devices:
  - { id: k-1, kind: cooking_fume, site: s-1, street: t, grid: t-001, position: [120, 32] }
  - { id: k-2, kind: cooking_fume, site: s-2, street: t, grid: t-001, position: [120, 32] }
episodes:
  - { device: 'k-*', what: purifier_off, at: 20m, for: 1h, expect: [{ rule: off, within: 8m }, { rule: over, may: true }] }
  - { device: k-1, what: rush, at: 5m, for: 10m, expect: [{ rule: over, device: k-2, delay: 2m, echo: 3m }] }
faults:
  - { device: k-2, fault: offline, at: 0s, for: 30m, expect: [{ rule: silent, within: 16m }] }`,
    'two',
  )
  const truth = truthOf(scenario, 0)

  test('has an episode for every device that is meant, in order', () => {
    expect(truth.map(({ device, what, from, to }) => [device, what, from / MINUTE, to / MINUTE])).toEqual([
      ['k-2', 'offline', 0, 30],
      ['k-1', 'rush', 5, 15],
      ['k-1', 'purifier_off', 20, 80],
      ['k-2', 'purifier_off', 20, 80],
    ])
    expect(truth[0]).toMatchObject({ scenario: 'two', kind: 'cooking_fume', site: 's-2', strength: null })
  })

  test('says what must come of it, where and by when', () => {
    const window = ({ rule, device, from, by, until, may }: ExpectedAlarm) =>
      `${rule} ${device} ${from / MINUTE} ${by / MINUTE} ${until / MINUTE} ${may ? 'may' : 'must'}`
    expect(truth.flatMap(({ expected }) => expected.map(window))).toEqual([
      'silent k-2 0 16 90 must',
      'over k-2 7 20 20 must',
      'off k-1 20 28 140 must',
      'over k-1 20 140 140 may',
      'off k-2 20 28 140 must',
      'over k-2 20 140 140 may',
    ])
  })
})
