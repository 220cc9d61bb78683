import { describe, expect, test } from 'vitest'
import { loadKinds } from '../gateway/model/kinds.ts'
import { checkRules } from './check.ts'
import { problemLine } from './pack.ts'

const kinds = loadKinds()
const square = {
  type: 'Polygon',
  coordinates: [
    [
      [120, 32],
      [121, 32],
      [121, 33],
      [120, 32],
    ],
  ],
}

function rule(change: object): object {
  return {
    id: 'r',
    version: 1,
    kind: 'cooking_fume',
    title: { en: 'x', zh: 'x' },
    basis: 'test',
    severity: { red: { metric: 'fume', above: 2 } },
    ...change,
  }
}

function lines(rules: readonly object[], areas?: object): string[] {
  const content = areas === undefined ? { rules } : { rules, areas }
  return checkRules([{ file: 'f', content }], kinds, new Map()).problems.map(problemLine)
}

const fume = (comparison: object) => ({ metric: 'fume', ...comparison })
const times = { category: 'c', respond: '10m', arrive: '20m', resolve: '4h' }
const river = { kind: 'river_station' }
const red = (condition: object) => ({ severity: { red: condition } })

describe('a leaf that makes no sense is one line', () => {
  test.each<[string, object, string]>([
    [
      'another unit',
      red(fume({ above: '2 g/m³' })),
      'severity.red.above: "2 g/m³" is in another unit; expected one in mg/m³',
    ],
    [
      'the unit of the value for a rate',
      red(fume({ rate: '1h', above: '2 mg/m³' })),
      'severity.red.above: "2 mg/m³" is in another unit; expected one in mg/m³/h',
    ],
    [
      'a unit where there is none',
      { ...river, ...red({ metric: 'ph', inside: ['6 pH', 9] }) },
      'severity.red.inside: "6 pH" is in another unit; expected a number without unit',
    ],
    ['no number', red(fume({ above: NaN })), 'severity.red.above: null is no threshold; expected a number'],
    ['no end', red(fume({ rate: '1h', above: Infinity })), 'severity.red.above: null is no threshold'],
    [
      'a name that every object has',
      red({ metric: 'constructor', above: 2 }),
      'severity.red.metric: "constructor" is no metric of cooking_fume',
    ],
    [
      'that name of another device',
      red({ of: 'u', metric: 'constructor', flag: ['M'] }),
      'severity.red.metric: "constructor" is no metric of any kind',
    ],
    ['text', red(fume({ above: 'much' })), 'severity.red.above: "much" is no threshold; expected a number'],
    ['a bad attribute', red(fume({ above: '$2' })), 'severity.red.above: "$2" is no threshold'],
    ['two windows', red(fume({ mean: '1m', max: '1m', above: 2 })), 'severity.red.max: stands beside mean'],
    [
      'the rate of a boolean',
      red({ metric: 'fan', rate: '1m', is: true }),
      'severity.red.rate: fan is true or false; it has no rate',
    ],
    ['no count', red(fume({ count: '5m', below: 1 })), 'severity.red.below: 1 can never hold: count of fume'],
    ['a negative range', red(fume({ range: '5m', below: 0 })), 'severity.red.below: 0 can never hold: range'],
    [
      'an unknown flag',
      red(fume({ flag: ['X'] })),
      'severity.red.flag.0: "X" is not valid; expected one of N',
    ],
    ['a flag twice', red(fume({ flag: ['M', 'M'] })), 'severity.red.flag: names one of them twice'],
    ['the flag of nothing', red({ metric: 'x', flag: ['M'] }), 'severity.red.metric: "x" is no metric of'],
    [
      'a class of air',
      red({ worseThan: 'III' }),
      'severity.red.worseThan: cooking_fume measures none of ph,',
    ],
    ['class six', { ...river, ...red({ worseThan: 'VI' }) }, 'severity.red.worseThan: "VI" is not valid;'],
    [
      'the place of a kitchen',
      red({ insideArea: 'a' }),
      'severity.red.insideArea: cooking_fume does not move',
    ],
    [
      'an unknown area',
      { kind: 'drone', ...red({ outsideArea: 'b' }) },
      'severity.red.outsideArea: "b" is no area of this file or of the district; expected one of a',
    ],
    ['no day', red({ days: ['monday'] }), 'severity.red.days.0: "monday" is not valid; expected one of mon'],
    ['25 hours', red({ hours: '10:00-25:00' }), 'severity.red.hours: "10:00-25:00" are no hours; expected'],
    [
      'no hours',
      red({ all: [{ hours: '10:00-10:00' }, fume({ above: 1 })] }),
      'hours: "10:00-10:00" end when',
    ],
    ['hours alone', red({ hours: '10:00-12:00' }), 'severity: looks at no reading'],
    ['an endless flat', red(fume({ flat: '8d' })), 'severity.red.flat: "8d" is out of reach'],
    [
      'what is implausible nowhere',
      red({ metric: 'fan_current', implausible: true }),
      'severity.red.metric: no value of fan_current is implausible',
    ],
    [
      'a metric that not every kind has',
      { kind: '*', ...red(fume({ above: 1 })) },
      'severity.red.metric: "fume" is not a metric of every kind; expected delay',
    ],
    ['a place for all kinds', { kind: '*', ...red({ insideArea: 'a' }) }, 'red.insideArea: * does not move'],
    ['a class for all kinds', { kind: '*', ...red({ worseThan: 'I' }) }, '* measures none of ph,'],
    [
      'a metric of no kind',
      red({ of: 'upstream', metric: 'smell', above: 1 }),
      'severity.red.metric: "smell" is no metric of any kind; expected one of fume,',
    ],
    [
      'hours of another',
      red({ of: 'u', hours: '10:00-11:00' }),
      'severity.red.of: unknown key; expected one of',
    ],
    ['no leaf at all', red({ all: [] }), 'severity.red.all: is empty; expected at least one'],
    ['no title', { title: { en: 'x', zh: '' } }, 'title.zh: is empty; expected at least one'],
    ['blanks in a name', { id: 'my rule' }, 'id: "my rule" is not a name; expected up to 64 letters, digits'],
    ['half a comparison', red({ of: 'u', metric: 'fume' }), 'severity.red: expected exactly one of above'],
  ])('%s', (_, change, expected) => {
    expect(lines([rule(change)], { a: square })).toEqual([expect.stringContaining(expected)])
  })
})

describe('a contradiction is one line', () => {
  const never = 'can never hold: its parts contradict each other'
  test.each<[string, object, string]>([
    ['an empty interval', red({ all: [fume({ above: 3 }), fume({ atMost: 3 })] }), `severity.red: ${never}`],
    ['a negated whole', red({ not: { any: [fume({ above: 3 }), fume({ atMost: 3 })] } }), never],
    [
      'two values',
      { ...red({ all: [{ metric: 'fan', is: true }, { not: { metric: 'fan', is: true } }] }) },
      never,
    ],
    ['silence that is none', red({ all: [{ absent: '15m' }, { not: { absent: '10m' } }] }), never],
    ['two flags at once', red({ all: [fume({ flag: ['M'] }), fume({ flag: ['D', 'F'] })] }), never],
    [
      'better and worse',
      { ...river, ...red({ all: [{ worseThan: 'IV' }, { not: { worseThan: 'III' } }] }) },
      never,
    ],
    [
      'inside and outside',
      { kind: 'drone', ...red({ all: [{ insideArea: 'a' }, { outsideArea: 'a' }] }) },
      never,
    ],
    ['an attribute and not', red({ all: [fume({ above: '$l' }), fume({ atMost: '$l' })] }), never],
    [
      'a ladder upside down',
      { severity: { yellow: fume({ above: 4 }), red: fume({ above: 2 }) } },
      'severity.yellow: has no effect: red holds whenever it does',
    ],
    [
      'a step within the others',
      { severity: { blue: fume({ inside: [1, 4] }), orange: fume({ below: 3 }), red: fume({ above: 2 }) } },
      'severity.blue: has no effect: a higher one holds whenever it does',
    ],
    [
      'a least value within the latest',
      { severity: { yellow: fume({ min: '10m', above: 2 }), red: fume({ above: 2 }) } },
      'severity.yellow: has no effect: red holds whenever it does',
    ],
    ['a clear condition of no hour', { clear: { when: { all: [{ hours: '08:00-09:00' }, { hours: '20:00-21:00' }] } } }, `clear.when: ${never}`], // prettier-ignore
    [
      'a limit that every value is over',
      red(fume({ above: -1 })),
      'severity.red: always holds, so it says nothing and its alarm never clears',
    ],
    [
      'either way',
      red({ any: [{ absent: '15m' }, { not: { absent: '15m' } }] }),
      'severity.red: always holds, so it says nothing and its alarm never clears',
    ],
    [
      'an arrival before the answer',
      { dispatch: { from: 'red', category: 'c', respond: '30m', arrive: '20m', resolve: '4h' } },
      'dispatch.arrive: 20m ends before respond (30m)',
    ],
    [
      'a loudspeaker that is waited for longer than a crew may be',
      { dispatch: { from: 'red', ...times, speak: { text: 'x', wait: '10m' } } },
      'dispatch.speak.wait: 10m is not shorter than respond (10m), by when a crew has to answer',
    ],
    [
      'a look by what is no kind',
      { dispatch: { from: 'red', ...times, look: { kind: 'kite', command: 'fly' } } },
      'dispatch.look.kind: "kite" is no kind',
    ],
    [
      'a speech',
      { dispatch: { from: 'red', ...times, speak: { text: 'x'.repeat(201), wait: '3m' } } },
      'dispatch.speak.text: ',
    ],
    [
      'an end before the arrival',
      { dispatch: { from: 'red', category: 'c', respond: '10m', arrive: '1h', resolve: '59m' } },
      'dispatch.resolve: 59m ends before arrive (1h)',
    ],
    [
      'a clear condition that contradicts itself',
      { clear: { when: { all: [fume({ above: 1 }), fume({ below: 1 })] } } },
      `clear.when: ${never}`,
    ],
    [
      'a clear condition within a severity',
      { clear: { when: fume({ above: 3 }) } },
      'clear.when: never clears: whenever it holds, a severity holds too',
    ],
    [
      'silence that clears silence',
      { severity: { blue: { absent: '15m' } }, clear: { when: { absent: '20m' } } },
      'clear.when: never clears',
    ],
  ])('%s', (_, change, expected) => {
    expect(lines([rule(change)], { a: square })).toEqual([expect.stringContaining(expected)])
  })

  test.each<[string, object]>([
    ['limits that meet', red({ all: [fume({ atLeast: 3 }), fume({ atMost: 3 })] })],
    ['limits of different numbers', red({ all: [fume({ above: 3 }), fume({ mean: '10m', below: 3 })] })],
    ['limits of different devices', red({ all: [fume({ above: 3 }), { of: 'u', ...fume({ below: 3 }) }] })],
    ['a ladder', { severity: { blue: fume({ above: 1 }), red: fume({ above: 1.1 }) } }],
    ['overlapping hysteresis', { clear: { when: fume({ below: 3 }) } }],
    [
      'deadlines at the same time',
      { dispatch: { from: 'red', category: 'c', respond: '60m', arrive: '1h', resolve: '1h' } },
    ],
    ['attributes', { severity: { blue: fume({ above: '$a' }), red: fume({ above: '$b' }) } }],
    ['the same unit in other letters', red(fume({ above: '2 mg/m3' }))],
    ['many leaves at once', red({ all: Array.from({ length: 64 }, (_, i) => fume({ above: i / 100 })) })],
  ])('%s are none', (_, change) => {
    expect(lines([rule(change)])).toEqual([])
  })

  test('all rules of a check share the patience with which contradictions are sought', () => {
    const either = (n: number) => ({
      any: Array.from({ length: 6 }, (_, i) => fume({ mean: `${n}m`, above: i })),
    })
    const parts = [...Array.from({ length: 12 }, (_, n) => either(n + 1)), fume({ above: 5 })]
    const hard = red({ all: [...parts, fume({ below: 1 })] })
    const rules = Array.from({ length: 200 }, (_, n) => rule({ id: `r${n}`, ...hard }))
    expect(lines(rules)).toEqual([])
  })

  test('more alternatives than can be tried are taken to be possible', () => {
    const either = (n: number) => ({
      any: Array.from({ length: 64 }, (_, i) => fume({ mean: `${n + i}m`, above: 1 })),
    })
    const all = { all: Array.from({ length: 64 }, (_, n) => either(n + 1)) }
    expect(lines([rule({ severity: { yellow: all, red: { not: all } } })])).toEqual([])
  })
})

describe('what nobody would write is refused, in one line and at once', () => {
  const dispatch = { from: 'red', category: 'c', respond: '10m', arrive: '20m', resolve: '4h' }
  test.each<[string, object, string]>([
    ['a version that no table can hold', { version: 1e300 }, 'version: 1e+300 is not valid; must be <='],
    [
      'a deadline beyond all calendars',
      { dispatch: { ...dispatch, resolve: '999999999d' } },
      'dispatch.resolve: "999999999d" is out of reach; expected 1ms to 366d',
    ],
    ['no time at all', { dispatch: { ...dispatch, respond: '0s' } }, 'dispatch.respond: "0s" is out of'],
    [
      'a title that writes lines of its own',
      { title: { en: 'x\nlevel: error', zh: '\u001b[2J' } },
      'title.en: "x\\nlevel: error" is not one line of text',
    ],
    ['a category with an escape', { dispatch: { ...dispatch, category: '\u001b[2J' } }, 'dispatch.category'],
    ['a kind of two lines', { kind: 'a\nb' }, 'kind: "a b" is no kind'],
    ['an id of two lines', { id: 'a\r\nf: rule b' }, 'f: rule a  f: rule b: id: '],
    ['an id without end', { id: 'a'.repeat(60_000), version: 0 }, `f: rule ${'a'.repeat(64)}: id: `],
  ])('%s', (_, change, expected) => {
    const [line, ...more] = lines([rule(change)])
    expect(line).toContain(expected)
    expect([line, ...more].filter((one) => /[\p{Cc}]/u.test(one!) || one!.length > 500)).toEqual([])
  })

  test('of thousands of points that are none, or of keys, only the first mistake is looked for', () => {
    const ring = Array.from({ length: 15_000 }, (_, i) => ['x', i])
    const keys = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, 1]))
    const area = { type: 'Polygon', coordinates: [ring] }
    expect(lines([rule({ areas: { a: area } })])).toHaveLength(1)
    expect(lines([rule({})], { a: area })).toHaveLength(1)
    expect(lines([rule(red(keys))]).length).toBeLessThan(5)
  })

  test('after hundreds of mistakes each further rule has one line', () => {
    const wrong = Array.from({ length: 600 }, (_, i) => ({ id: `r${i}` }))
    const told = Map.groupBy(lines(wrong), (line) => line.split(': ')[1])
    expect(told.size).toBe(600)
    expect(told.get('rule r0')!.length).toBeGreaterThan(1)
    expect(told.get('rule r599')).toHaveLength(1)
  })
})

describe('areas', () => {
  const drone = rule({ kind: 'drone', ...red({ insideArea: 'a' }) })

  test.each<[string, object, string]>([
    [
      'a point',
      { type: 'Point', coordinates: [120, 32] },
      'f: areas.a: is no GeoJSON Polygon or MultiPolygon',
    ],
    [
      'an open ring',
      { ...square, coordinates: [square.coordinates[0]!.with(3, [120, 33])] },
      'f: areas.a: a ring',
    ],
    [
      'a place off the globe',
      {
        ...square,
        coordinates: [
          [
            [200, 3],
            [1, 3],
            [1, 4],
            [200, 3],
          ],
        ],
      },
      '[200, 3] is no',
    ],
    [
      'a bow-tie',
      {
        ...square,
        coordinates: [
          [
            [120, 32],
            [121, 33],
            [121, 32],
            [120, 33],
            [120, 32],
          ],
        ],
      },
      'f: areas.a: a ring crosses itself near [120.5, 32.5]',
    ],
  ])('%s is refused', (_, geometry, expected) => {
    expect(lines([drone], { a: geometry })).toEqual([expect.stringContaining(expected)])
  })

  test('a rule takes along those that it names', () => {
    const { rules } = checkRules(
      [{ file: 'f', content: { rules: [drone], areas: { a: square, b: square } } }],
      kinds,
    )
    expect(rules[0]!.areas).toEqual({ a: square })
  })

  test('a rule that an attribute leads to its area takes along all', () => {
    const any = rule({ kind: 'drone', ...red({ outsideArea: '$zone' }) })
    const { rules } = checkRules(
      [{ file: 'f', content: { rules: [any], areas: { a: square, b: square } } }],
      kinds,
    )
    expect(Object.keys(rules[0]!.areas!)).toEqual(['a', 'b'])
  })

  test('the district’s are known too', () => {
    const areas = new Map([['a', square as never]])
    expect(checkRules([{ file: 'f', content: { rules: [drone] } }], kinds, areas).problems).toEqual([])
  })
})
