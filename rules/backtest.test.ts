import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StoredReading } from '../gateway/model/reading.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { loadKinds } from '../gateway/model/kinds.ts'
import { Replay, warmUpMs, type Change } from './backtest.ts'
import { DeviceState, type Finding } from './device-state.ts'
import { advance, follow, observe, refresh } from './engine.ts'
import { BUILT_IN_PACKS, loadRules } from './pack.ts'
import { planRules } from './plan.ts'

const T = 1_718_000_000_000
const MINUTE = 60_000
const DAY = 86_400_000
const bounds = { latenessMs: 5 * MINUTE, staleAfterMs: 60 * MINUTE }
const rule: Rule = {
  id: 'r',
  version: 1,
  kind: 'cooking_fume',
  title: { en: 'r', zh: 'r' },
  basis: 'b',
  severity: { yellow: { metric: 'fume', above: 2 } },
}
const here = { device: 'd', kind: 'cooking_fume', site: 'here', street: 'wenfeng', grid: 'wenfeng-001' }

function told(readings: readonly StoredReading[], site: (index: number) => string = () => 'here') {
  const replay = new Replay(here, planRules([rule]).get('cooking_fume')!, bounds)
  const changes: Change[] = readings.flatMap((reading, index) => [
    ...replay.take({ origin: { ...here, site: site(index) }, reading }),
  ])
  return { replay, changes: [...changes, ...replay.end(T + DAY)] }
}
const fume = (minute: number, value: number, more: Partial<StoredReading> = {}): StoredReading => ({
  ts: T + minute * MINUTE,
  metrics: { fume: value },
  ...more,
})

describe('a replay', () => {
  test('leaves out what came later than the bound, and only that', () => {
    const { replay, changes } = told([
      fume(0, 1),
      fume(1, 3, { behind: 5 * MINUTE + 1 }),
      fume(2, 3, { behind: 5 * MINUTE }),
      fume(3, 1),
    ])
    expect(replay.late).toBe(1)
    expect(changes.map(({ alarm }) => [alarm.state, alarm.startedAt])).toEqual([
      ['firing', T + 2 * MINUTE],
      ['cleared', T + 2 * MINUTE],
    ])
  })

  test('knows by the delay what was stale, and when the gateway came to know', () => {
    const { changes } = told([fume(0, 3, { delay: 61 * MINUTE }), fume(1, 3, { delay: MINUTE })])
    expect(changes.map(({ alarm, at, delay }) => [alarm.stale, at - T, delay])).toEqual([
      [true, 0, 61 * MINUTE],
      [undefined, MINUTE, MINUTE],
    ])
  })

  test('knows of a mean that it could not come before its period was over', () => {
    const span = 60 * MINUTE
    const { changes } = told([
      fume(0, 3, { span }),
      fume(60, 1, { span }),
      fume(120, 3, { span, delay: 61 * MINUTE }),
    ])
    expect(changes.map(({ alarm, delay }) => [alarm.state, alarm.stale, delay])).toEqual([
      ['firing', undefined, span],
      ['cleared', undefined, span],
      ['firing', true, span + 61 * MINUTE],
    ])
  })

  test('gives an alarm the place that its device had', () => {
    const { changes } = told([fume(0, 3), fume(1, 1), fume(2, 3)], (index) => (index < 2 ? 'here' : 'there'))
    expect(changes.map(({ alarm }) => alarm.site)).toEqual(['here', 'here', 'there'])
  })
})

test('a reading that is followed says what it says when it is observed, as long as all come in order', () => {
  const plan = planRules(loadRules(BUILT_IN_PACKS, loadKinds())).get('cooking_fume')!
  const history = fc.array(
    fc.record({
      gap: fc.constantFrom(10_000, 60_000, 200_000, 20 * MINUTE),
      fume: fc.constantFrom(0.4, 1.7, 2.5, 5),
      fan: fc.boolean(),
      purifier: fc.boolean(),
      delay: fc.constantFrom(0, 0, 70 * MINUTE),
    }),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(history, (steps) => {
      const [followed, observed] = [0, 1].map(() => new DeviceState('d', plan, bounds))
      const [heard, expected] = [new Map<string, Finding>(), new Map<string, Finding>()]
      let ts = T
      for (const { gap, delay, ...metrics } of steps) {
        ts += gap
        for (const found of follow(followed!, { ts, metrics }, ts + delay)) heard.set(found.id, found)
        for (const found of observe(observed!, [{ ts, metrics }], ts + delay)) expected.set(found.id, found)
      }
      for (const found of [...advance(followed!, ts + DAY), ...refresh(followed!)]) heard.set(found.id, found)
      for (const found of [...advance(observed!, ts + DAY), ...refresh(observed!)])
        expected.set(found.id, found)
      expect(heard).toEqual(expected)
    }),
    { numRuns: 300 },
  )
})

test('a replay begins as long before as its longest rule looks back, a day at least', () => {
  const long: Rule = {
    ...rule,
    severity: { red: { all: [{ metric: 'fume', mean: '7d', above: 1 }, { absent: '2d' }] } },
    for: '12h',
    clear: { for: '12h' },
  }
  expect(warmUpMs([rule])).toBe(DAY)
  expect(warmUpMs([rule, long])).toBe(10 * DAY)
})
