import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Rule } from '../gateway/model/rule.ts'
import { LEAST_CASES, NoSuggestion, suggest, type Verdict } from './suggest.ts'

const rule = (severity: Rule['severity'], more: Partial<Rule> = {}): Rule => ({
  id: 'r',
  version: 3,
  kind: 'cooking_fume',
  title: { en: 'r', zh: 'r' },
  basis: 'test',
  severity,
  dispatch: { from: 'orange', category: 'x', respond: '1m', arrive: '1m', resolve: '1m' },
  ...more,
})
const above = (limit: number | string) => ({ metric: 'fume', mean: '10m', above: limit })
const LADDER = rule({
  yellow: above(1.6),
  orange: { all: [above(2), { metric: 'fan', is: true }] },
  red: above(4),
})

/** Cases with these peaks, each of its own. */
const cases = (confirmed: readonly number[], wrong: readonly number[]): Verdict[] => [
  ...confirmed.map((peak, at) => ({ case: `right-${at}`, peak, confirmed: true })),
  ...wrong.map((peak, at) => ({ case: `wrong-${at}`, peak, confirmed: false })),
]
const times = (count: number, peak: number): number[] => Array.from({ length: count }, () => peak)

test('the limit from which crews are sent moves to where it separates best', () => {
  const found = suggest(LADDER, cases([...times(11, 3), 2.2], [...times(14, 2.4), 3.1]))
  expect(found).toEqual({
    path: 'severity.orange.all.0.above',
    metric: 'fume',
    present: { limit: 2, confirmed: 12, false: 15 },
    proposed: { limit: 2.7, confirmed: 11, false: 1 },
    draft: {
      ...LADDER,
      version: 4,
      severity: { ...LADDER.severity, orange: { all: [above(2.7), { metric: 'fan', is: true }] } },
    },
  })
  expect(LADDER.version).toBe(3)
})

test('a limit below which it is bad moves down', () => {
  const low = rule({ orange: { metric: 'fume', below: 5 } })
  const found = suggest(low, cases(times(10, 1), times(10, 4)))
  expect(found.proposed).toEqual({ limit: 3, confirmed: 10, false: 0 })
})

test('a unit stays beside its number', () => {
  const found = suggest(rule({ orange: above('2.0 mg/m³') }), cases(times(10, 4), times(10, 2.2)))
  expect(found.draft.severity.orange).toEqual(above('3 mg/m³'))
})

test('a case counts once, by its most extreme alarm', () => {
  const verdicts = cases(times(10, 4), times(10, 2.2))
  const weaker = verdicts.map((verdict) => ({ ...verdict, peak: 2.1 }))
  expect(suggest(rule({ orange: above(2) }), [...weaker, ...verdicts]).present).toMatchObject({
    confirmed: 10,
    false: 10,
  })
})

describe('there is nothing to suggest', () => {
  const enough = cases(times(10, 4), times(10, 2.2))
  test.each<[string, Rule, Verdict[], string]>([
    [
      'out of too few cases',
      LADDER,
      cases(times(10, 4), times(9, 2.2)),
      `10 confirmed and 9 false cases with a value; a suggestion needs ${LEAST_CASES} of each`,
    ],
    [
      'where right and wrong look alike',
      LADDER,
      cases(times(10, 3), times(10, 3)),
      'no limit separates 10 confirmed',
    ],
    ['where the worst are wrong', LADDER, cases(times(10, 2.2), times(10, 3)), 'no limit separates'],
    ['up to the next severity', LADDER, cases(times(10, 9), times(10, 5)), 'no limit separates'],
    [
      'for a rule that sends nobody',
      rule({ red: above(2) }, { dispatch: undefined! }),
      enough,
      'sends nobody',
    ],
    [
      'for silence',
      rule({ orange: { absent: '5m' } }),
      enough,
      'the rule has no threshold that could be suggested',
    ],
    ['for a class', rule({ orange: { worseThan: 'III' } }), enough, 'judges a class'],
    [
      'for a frozen value',
      rule({ orange: { any: [{ metric: 'fume', flat: '1h' }] } }),
      enough,
      'the rule has no threshold that could be suggested: severity.orange.any.0 judges how long fume stays the same',
    ],
    [
      'for what is implausible',
      rule({ orange: { metric: 'fume', implausible: true } }),
      enough,
      'severity.orange judges whether fume is plausible',
    ],
    ['for one value', rule({ orange: { metric: 'ph', is: 7 } }), enough, 'judges one exact value of ph'],
    [
      'for an interval',
      rule({ orange: { metric: 'ph', outside: [6, 9] } }),
      enough,
      'judges an interval of ph',
    ],
    [
      'for a negation',
      rule({ orange: { not: above(2) } }),
      enough,
      'severity.orange.not judges that fume is not beyond a limit',
    ],
    [
      "for a device's own limit",
      rule({ orange: above('$fume_limit') }),
      enough,
      "each device's own ($fume_limit)",
    ],
    [
      'for two values',
      rule({ orange: { any: [above(2), { metric: 'pm', above: 5 }] } }),
      enough,
      'several values',
    ],
    ['for two limits', rule({ orange: { any: [above(2), above(3)] } }), enough, 'more than one'],
  ])('%s', (_, of, verdicts, message) => {
    expect(() => suggest(of, verdicts)).toThrow(NoSuggestion)
    expect(() => suggest(of, verdicts)).toThrow(message)
  })
})

test('a suggestion is always stricter, below the next severity, and raises fewer false cases than it loses right ones in share', () => {
  const peaks = fc.array(fc.integer({ min: 201, max: 600 }), { minLength: 10, maxLength: 40 })
  fc.assert(
    fc.property(peaks, peaks, (confirmed, wrong) => {
      const scaled = (values: number[]) => values.map((value) => value / 100)
      let found: ReturnType<typeof suggest>
      try {
        found = suggest(LADDER, cases(scaled(confirmed), scaled(wrong)))
      } catch (error) {
        expect(error).toBeInstanceOf(NoSuggestion)
        return
      }
      const { present, proposed } = found
      expect(proposed.limit).toBeGreaterThan(2)
      expect(proposed.limit).toBeLessThan(4)
      expect(present).toEqual({ limit: 2, confirmed: confirmed.length, false: wrong.length })
      const lost = (present.confirmed - proposed.confirmed) / present.confirmed
      const spared = (present.false - proposed.false) / present.false
      expect(spared).toBeGreaterThan(lost)
    }),
  )
})
