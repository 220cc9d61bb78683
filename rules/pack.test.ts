import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SEVERITIES } from '../gateway/model/alarm.ts'
import { durationMs } from '../gateway/model/duration.ts'
import { loadKinds } from '../gateway/model/kinds.ts'
import { BUILT_IN_CATEGORIES } from './categories.ts'
import { conditionsOf, leavesOf } from './conditions.ts'
import { BUILT_IN_PACKS, loadRules, readRules, RuleError } from './pack.ts'
import { TestCase, type MaintainedOutcome, type Maintenance } from './testcase.fixture.ts'

const kinds = loadKinds()
const ALTERNATIVES = join(BUILT_IN_PACKS, 'alternatives')

/** Cases by the rules that they are about: `NAME` of the built-in packs, `db11-NAME` of that alternative. */
const packs = [
  { prefix: '', rules: loadRules(BUILT_IN_PACKS, kinds) },
  { prefix: 'db11-', rules: readRules([join(ALTERNATIVES, 'cooking-fume-db11.yaml')], kinds) },
]

describe.each(packs.flatMap(({ prefix, rules }) => rules.map((rule) => ({ name: prefix + rule.id, rule }))))(
  'the case of $name',
  ({ name, rule }) => {
    test('shows that it fires and clears, and neither just below nor while anything is under maintenance', () => {
      const story = new TestCase(name)
      const { alarms } = story.expected
      expect(alarms).toEqual([expect.objectContaining({ rule: rule.id, to: expect.any(String) as unknown })])
      const { from, to } = alarms[0]!
      const [below, flagged, back] = [story.phase('below'), story.phase('flagged'), story.phase('back')]
      expect(below!.to).toBeLessThan(parseFloat(from))
      expect(back!.from).toBeGreaterThan(parseFloat(from))
      expect(back!.from).toBeLessThanOrEqual(parseFloat(to!))
      expect(flagged!.to).toBeLessThan(parseFloat(from))
    })
  },
)

const sending = packs.flatMap(({ prefix, rules }) =>
  rules.flatMap(({ id, dispatch, family, ...rule }) =>
    dispatch === undefined
      ? []
      : [
          {
            name: prefix + id,
            from: dispatch.from,
            lasting: durationMs(rule.for ?? '0s'),
            lifeAtStake: ['gas', 'crowd', 'flood', 'storm-mode'].includes(family!),
          },
        ],
  ),
)

/** Wherever in its case it begins, of all devices and of each. */
describe.each(sending)('maintenance in the case of $name', ({ name, from, lasting, lifeAtStake }) => {
  const story = new TestCase(name)
  const whose = story.devices.length > 1 ? [undefined, ...story.devices] : [undefined]

  const sentFor = (found: readonly MaintainedOutcome[]) =>
    found.filter(({ severity }) => SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(from))

  /** What crews are sent for, and had not been when the maintenance began. */
  function sentSince(maintenance: Maintenance): MaintainedOutcome[] {
    const known = sentFor(story.runMaintained(undefined, maintenance.from))
    return sentFor(story.runMaintained(maintenance)).filter(
      ({ id, severity }) => !known.some((one) => one.id === id && one.severity === severity),
    )
  }

  test('sends nobody, whatever was over the limit before it', () => {
    for (const begin of story.moments) {
      for (const device of whose) {
        const found = sentSince({ from: begin, ...(device && { device }) })
        expect(found, `from ${begin / 60_000}m on at ${device ?? 'all'}`).toEqual([])
      }
    }
  })

  test(`of a metric that it does not judge ${lifeAtStake ? 'changes nothing' : 'sends nobody'}`, () => {
    const found = sentFor(story.runMaintained({ from: story.moments[0]!, metric: 'another' }))
    expect(found).toEqual(lifeAtStake ? sentFor(story.runMaintained(undefined)) : [])
  })

  test('is no time for which a limit was exceeded', () => {
    for (const begin of story.moments) {
      const end = story.moments.find((moment) => moment >= begin + lasting)
      if (lasting === 0 || end === undefined) continue
      for (const device of whose) {
        const found = sentSince({ from: begin, to: end, ...(device && { device }) })
        // What fired before it gets worse at once, as it would without it.
        const early = found.filter((alarm) => alarm.from > begin && alarm.from < end + lasting)
        expect(early, `from ${begin / 60_000}m to ${end / 60_000}m at ${device ?? 'all'}`).toEqual([])
      }
    }
  })
})

describe('the built-in packs', () => {
  test.each(packs.flatMap(({ rules }) => rules))('$id says what it goes by, in both languages', (rule) => {
    expect(rule.basis).toMatch(/GB|DB11|HJ|CMA|proposal of this project|attribute|warning and guarantee/)
    expect(rule.title.zh).toMatch(/\p{Script=Han}/u)
    expect(rule.family).toBeDefined()
  })

  test('rules of one family are one crew’s', () => {
    const categories = new Map<string, Set<string>>()
    for (const { family, dispatch } of packs.flatMap(({ rules }) => rules)) {
      const known = categories.get(family!) ?? new Set()
      if (dispatch !== undefined) categories.set(family!, known.add(dispatch.category))
    }
    expect([...categories].filter(([, found]) => found.size > 1)).toEqual([])
  })

  test('send somebody for each value that its kind calls implausible', () => {
    const doubted = new Set(
      packs.flatMap(({ rules }) =>
        rules.flatMap((rule) =>
          conditionsOf(rule).flatMap(([, condition]) =>
            leavesOf(condition).flatMap(([, leaf]) =>
              'implausible' in leaf && rule.dispatch !== undefined ? `${rule.kind}.${leaf.metric}` : [],
            ),
          ),
        ),
      ),
    )
    const bounded = [...kinds].flatMap(([kind, { metrics }]) =>
      Object.entries(metrics).flatMap(([metric, { plausible }]) => (plausible ? `${kind}.${metric}` : [])),
    )
    expect(bounded.filter((metric) => !doubted.has(metric))).toEqual([])
  })

  test('send crews for the built-in categories, and each of those is one of a pack', () => {
    const sentFor = packs.flatMap(({ rules }) => rules).flatMap(({ dispatch }) => dispatch?.category ?? [])
    expect([...new Set(sentFor)].sort()).toEqual(BUILT_IN_CATEGORIES)
  })

  test('are all in their README', () => {
    const readme = readFileSync(join(BUILT_IN_PACKS, 'README.md'), 'utf8')
    const rules = packs.flatMap((pack) => pack.rules)
    expect(rules.map(({ id }) => id).filter((id) => !readme.includes(`\`${id}\``))).toEqual([])
  })

  test('an alternative cannot be loaded beside what it stands in for', () => {
    const files = ['cooking-fume.yaml', 'alternatives/cooking-fume-db11.yaml']
    expect(() =>
      readRules(
        files.map((file) => join(BUILT_IN_PACKS, file)),
        kinds,
      ),
    ).toThrow('rule fume-over-limit: id: is used in')
  })

  test('an alternative goes with the rest of the packs', () => {
    const rest = readdirSync(BUILT_IN_PACKS).filter(
      (file) => file.endsWith('.yaml') && file !== 'cooking-fume.yaml',
    )
    const files = [...rest, 'alternatives/cooking-fume-db11.yaml'].map((file) => join(BUILT_IN_PACKS, file))
    expect(() => readRules(files, kinds)).not.toThrow()
  })
})

describe('a mistake', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gw-rules-'))
  })
  afterAll(() => {
    rmSync(dir, { recursive: true })
  })

  const good = {
    id: 'good',
    version: 1,
    kind: 'cooking_fume',
    title: { en: 'x', zh: 'x' },
    basis: 'test',
    severity: { red: { metric: 'fume', above: 2 } },
  }

  function problems(text: string): string[] {
    const file = join(dir, 'pack.yaml')
    writeFileSync(file, text)
    try {
      loadRules(dir, kinds)
      return []
    } catch (error) {
      expect(error).toBeInstanceOf(RuleError)
      return (error as RuleError).message.split('\n').map((line) => line.replace(`${file}: `, ''))
    }
  }

  test.each<[string, object, string]>([
    ['an unknown key', { severitty: 1 }, 'rule good: severitty: unknown key; did you mean severity?'],
    ['a missing key', { basis: undefined }, 'rule good: basis: is missing'],
    [
      'an unknown kind',
      { kind: 'toaster' },
      'rule good: kind: "toaster" is no kind; expected one of cooking_fume,',
    ],
    [
      'an unknown metric',
      { severity: { red: { metric: 'smell', above: 1 } } },
      'rule good: severity.red.metric: "smell" is no metric of cooking_fume; expected one of fume,',
    ],
    [
      'a leaf without comparison',
      { severity: { red: { metric: 'fume' } } },
      'rule good: severity.red: expected exactly one of above,',
    ],
    [
      'a leaf with two',
      { severity: { red: { metric: 'fume', above: 1, below: 3 } } },
      'rule good: severity.red: expected exactly one of above,',
    ],
    [
      'a leaf that nobody knows',
      { severity: { red: { metric: 'fume', median: '1h', above: 1 } } },
      'rule good: severity.red.median: unknown key; beside metric expected one of above, atLeast,',
    ],
    [
      'a mistake deep inside',
      { severity: { red: { all: [{ any: [{ metric: 'fume', above: '2' }] }] } } },
      'rule good: severity.red.all.0.any.0.above: "2" is no threshold; expected a number, a number with its unit',
    ],
    [
      'a boolean with a limit',
      { severity: { red: { metric: 'fan', above: 1 } } },
      'rule good: severity.red.above: fan is true or false; expected "is: true" or "is: false"',
    ],
    [
      'the mean of a boolean',
      { severity: { red: { metric: 'fan', mean: '1m', is: true } } },
      'rule good: severity.red.mean: fan is true or false; it has no mean',
    ],
    [
      'a number that is true',
      { severity: { red: { metric: 'fume', is: true } } },
      'rule good: severity.red.is: fume is a number in mg/m³; expected a number',
    ],
    [
      'a limit that is never reached',
      { severity: { red: { metric: 'fume', above: 1000 } } },
      'rule good: severity.red.above: 1000 can never hold: fume goes from 0 to 1000 mg/m³',
    ],
    [
      'an interval upside down',
      { severity: { red: { metric: 'fume', inside: [3, 1] } } },
      'rule good: severity.red.inside: expected the lower end first',
    ],
    [
      'no severity',
      { severity: {} },
      'rule good: severity: expected at least one of blue, yellow, orange, red',
    ],
    [
      'a severity without effect',
      { severity: { blue: { metric: 'fume', above: 2 }, red: { metric: 'fume', above: 2 } } },
      'rule good: severity.blue: has no effect: red holds whenever it does',
    ],
    [
      'a dispatch that never happens',
      {
        severity: { blue: { metric: 'fume', above: 2 } },
        dispatch: { from: 'red', category: 'x', respond: '1m', arrive: '1m', resolve: '1m' },
      },
      'rule good: dispatch.from: "red" is never reached; expected blue or lower',
    ],
    [
      'a bad duration',
      { for: '3 minutes' },
      'rule good: for: "3 minutes" is not a duration; expected one such as 90s, 10m, 4h or 7d',
    ],
    [
      'an endless window',
      { severity: { red: { metric: 'fume', mean: '30d', above: 1 } } },
      'rule good: severity.red.mean: "30d" is out of reach; expected 1ms to 7d',
    ],
    [
      'no window at all',
      { severity: { red: { metric: 'fume', mean: '0s', above: 1 } } },
      'rule good: severity.red.mean: "0s" is out of reach; expected 1ms to 7d',
    ],
    [
      'a day that is none',
      { effective: { from: '2024-02-31' } },
      'rule good: effective.from: "2024-02-31" is not a date; expected one such as 2001-01-01',
    ],
    [
      'force that ends first',
      { effective: { from: '2024-02-01', to: '2023-02-01' } },
      'rule good: effective: ends (2023-02-01) before it begins (2024-02-01)',
    ],
  ])('%s is one line that says where and what was expected', (_, change, expected) => {
    const found = problems(JSON.stringify({ rules: [{ ...good, ...change }] }))
    expect(found).toEqual([expect.stringContaining(expected)])
  })

  test('each of several is told', () => {
    const rules = [
      { ...good, for: 'x' },
      { ...good, id: 'other', version: 0, nonsense: true },
    ]
    expect(problems(JSON.stringify({ rules }))).toHaveLength(3)
  })

  test('an id may be used once', () => {
    expect(problems(JSON.stringify({ rules: [good, good] }))).toEqual([
      expect.stringContaining('rule good: id: is used in'),
    ])
  })

  test.each([
    '',
    '[]',
    'rules: []',
    'rules: 3',
    '{}',
    'rule: {}',
    '- id: x',
    'rules: [{}]',
    'rules: [null]',
    'rules: [7]',
  ])('a file that says %j is refused', (text) => {
    expect(problems(text).length).toBeGreaterThan(0)
  })

  test.each(['a: [', 'a: 1\na: 2', 'a: &a [*a]', '"\\', '\u0000'])(
    'what is not YAML (%j) is refused',
    (text) => {
      expect(problems(text).length).toBeGreaterThan(0)
    },
  )

  test.each([40, 2000])('%i conditions inside each other are refused, not recursed into', (depth) => {
    let condition: object = { metric: 'fume', above: 2 }
    for (let level = 0; level < depth; level++) condition = { all: [condition] }
    const text = JSON.stringify({ rules: [{ ...good, severity: { red: condition } }] })
    const expected = depth === 40 ? 'rule good: is nested deeper than 16 conditions' : 'is not YAML'
    expect(problems(text)).toEqual([expect.stringContaining(expected)])
  })

  test('a good rule passes', () => {
    expect(problems(JSON.stringify({ rules: [good] }))).toEqual([])
  })
})
