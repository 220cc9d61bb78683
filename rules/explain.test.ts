import { describe, expect, test } from 'vitest'
import { loadKinds } from '../gateway/model/kinds.ts'
import { checkRules } from './check.ts'
import { nearest } from './nearest.ts'
import { problemLine } from './pack.ts'

const kinds = loadKinds()

function lines(change: object): string[] {
  const rule = {
    id: 'r',
    version: 1,
    kind: 'cooking_fume',
    title: { en: 'x', zh: 'x' },
    basis: 'test',
    severity: { red: { metric: 'fume', above: 2 } },
    ...change,
  }
  return checkRules([{ file: 'f', content: { rules: [rule] } }], kinds).problems.map((problem) =>
    problemLine(problem).replace('f: rule r: ', ''),
  )
}

const red = (condition: unknown) => ({ severity: { red: condition } })

describe('a slip of the pen is one line that says what was meant', () => {
  test.each<[string, object, string]>([
    [
      'a comparison',
      red({ metric: 'fume', abvoe: 7 }),
      'severity.red.abvoe: unknown key; did you mean above?',
    ],
    [
      'in other letters',
      red({ metric: 'fume', atleast: 7 }),
      'severity.red.atleast: unknown key; did you mean atLeast?',
    ],
    ['a metric', red({ metrc: 'fume', above: 7 }), 'severity.red.metrc: unknown key; did you mean metric?'],
    ['what a leaf is', red({ absnet: '15m' }), 'severity.red.absnet: unknown key; did you mean absent?'],
    ['a severity', { severity: { rde: { absent: '15m' } } }, 'severity.rde: unknown key; did you mean red?'],
    [
      'what a rule needs',
      { tittle: { en: 'x', zh: 'x' }, title: undefined },
      'tittle: unknown key; did you mean title?',
    ],
    [
      'a key like none',
      red({ metric: 'fume', exceeds: 7 }),
      'severity.red.exceeds: unknown key; beside metric expected one of above, atLeast, below, atMost, inside, outside, is, and perhaps of and one of mean, min, max, sum, count, changes, p95, range, rate',
    ],
    [
      'a key like none of no metric',
      red({ silence: '15m' }),
      'severity.red.silence: unknown key; expected one of all, any, not, absent, worseThan, insideArea, outsideArea, days, hours, flat, implausible, flag, metric',
    ],
  ])('%s', (_, change, expected) => {
    expect(lines(change)).toEqual([expected])
  })

  test('names of the same length, of which every letter is another, are not near', () => {
    expect(nearest('median', ['mean', 'min', 'metric'])).toBeNull()
    expect(nearest('of', ['if'])).toBeNull()
    expect(nearest('outsideAera', ['insideArea', 'outsideArea'])).toBe('outsideArea')
    expect(nearest('a'.repeat(100_000), ['above'])).toBeNull()
  })
})

describe('a value of another type is one line that says in plain words what was expected', () => {
  const conditions =
    'expected a list of conditions, such as [{ metric: fume, above: 2 }, { metric: fan, is: true }]'
  const condition = 'expected one condition, such as { metric: fume, above: 2 }'
  test.each<[string, object, string]>([
    [
      'a mapping for all',
      red({ all: { metric: 'fume', above: 7 } }),
      `severity.red.all: {"metric":"fume","above":7} is not valid; ${conditions}`,
    ],
    [
      'one mark',
      red({ metric: 'fume', flag: 'F' }),
      'severity.red.flag: "F" is not valid; expected a list of marks, such as [F, D]',
    ],
    [
      'one day',
      red({ all: [{ days: 'mon' }, { absent: '5m' }] }),
      'severity.red.all.0.days: "mon" is not valid; expected a list of days, such as [mon, tue]',
    ],
    [
      'one end',
      red({ metric: 'fume', inside: 3 }),
      'severity.red.inside: 3 is not valid; expected a list of the two ends, such as [6, 9]',
    ],
    [
      'one end in a list',
      red({ metric: 'fume', inside: [3] }),
      'severity.red.inside: [3] is not valid; expected a list of the two ends, such as [6, 9]',
    ],
    [
      'three ends',
      red({ metric: 'fume', outside: [3, 4, 5] }),
      'severity.red.outside: [3,4,5] is not valid; expected a list of the two ends, such as [6, 9]',
    ],
    [
      'a list for not',
      red({ not: [{ absent: '5m' }] }),
      `severity.red.not: [{"absent":"5m"}] is not valid; ${condition}`,
    ],
    ['text for a condition', red('fume > 3'), `severity.red: "fume > 3" is not valid; ${condition}`],
    [
      'text for a truth',
      red({ metric: 'fume', implausible: 'yes' }),
      'severity.red.implausible: "yes" is not valid; expected true or false',
    ],
    ['text for a number', { version: '3' }, 'version: "3" is not valid; expected a whole number'],
    [
      'text for a mapping',
      { title: 'x' },
      'title: "x" is not valid; expected a mapping with such keys as en, zh',
    ],
    [
      'a number for text',
      { basis: 3 },
      'basis: 3 is not one line of text; expected one without line breaks and control characters',
    ],
    [
      'yes for true',
      red({ metric: 'fan', is: 'yes' }),
      'severity.red.is: "yes" is text to YAML; expected true or false, without quotes',
    ],
    [
      'true in quotes',
      red({ metric: 'fan', is: 'true' }),
      'severity.red.is: "true" is text to YAML; expected true or false, without quotes',
    ],
    [
      'a word for a switch',
      red({ metric: 'fan', is: 'running' }),
      'severity.red.is: "running" is no threshold; expected true or false, a number, a number with its unit such as 2.0 mg/m³, or an attribute such as $fume_limit',
    ],
    [
      'the mean of a switch',
      red({ metric: 'fan', mean: '10m', above: 1 }),
      'severity.red.mean: fan is true or false; it has no mean; expected "is: true" or "is: false" without it, or changes or count',
    ],
  ])('%s', (_, change, expected) => {
    expect(lines(change)).toEqual([expected])
  })
})
