import { array, assert, boolean, constantFrom, integer, option, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Flag, Position, Reading } from '../gateway/model/reading.ts'
import type { Condition, Rule } from '../gateway/model/rule.ts'
import type { Finding } from './device-state.ts'
import { planRules } from './plan.ts'
import { underNewRules } from './snapshot.ts'
import { BOUNDS, MINUTE, rule, START, Watched, WORLD, x } from './watched.fixture.ts'

/** Rules that together use every leaf of a device's own readings, and every clock. */
const EVERYTHING: Rule[] = [
  rule(
    {
      yellow: x({ mean: '2m', above: 4 }),
      orange: { all: [x({ mean: '2m', above: 5 }), { metric: 'fan', is: true }] },
      red: x({ above: 8 }),
    },
    { id: 'ladder', for: '40s', clear: { when: x({ mean: '2m', below: 4 }), for: '50s' } },
  ),
  rule(
    {
      red: {
        all: [
          { metric: 'fan', is: true },
          { metric: 'y', is: false },
        ],
      },
    },
    { id: 'off', for: '20s' },
  ),
  rule({ blue: { absent: '45s' }, yellow: { absent: '90s' } }, { id: 'silent', clear: { for: '10s' } }),
  rule({ blue: { any: [x({ outside: [1, 9] }), { metric: 'y', is: true }] } }, { id: 'at-once' }),
  rule({ blue: x({ atLeast: 7 }) }, { id: 'long', for: '6m', clear: { for: '6m' } }),
  ...Object.entries<Condition>({
    min: x({ min: '1m', above: 3 }),
    max: x({ max: '1m', atLeast: 9 }),
    sum: x({ sum: '2m', above: 20 }),
    count: x({ count: '1m', atLeast: 4 }),
    changes: x({ changes: '1m', atLeast: 3 }),
    toggles: { metric: 'fan', changes: '2m', atLeast: 2 },
    p95: x({ p95: '1m', above: 8 }),
    range: x({ range: '1m', above: 6 }),
    rate: x({ rate: '1m', below: -100 }),
    flat: x({ flat: '15s' }),
    flag: x({ flag: ['M', 'D'] }),
    'any-flag': { flag: ['D'] },
    not: { not: { any: [x({ above: 3 }), { metric: 'fan', is: true }, { flag: ['M'] }] } },
    class: { worseThan: 'III' },
    target: { all: [{ worseThan: 'target' }, { not: { absent: '30s' } }] },
    inside: { insideArea: 'west' },
    outside: { outsideArea: '$zone' },
    hours: { all: [{ hours: '08:01-08:05' }, x({ above: 2 })] },
    closed: { all: [{ not: { days: ['sat'], hours: '$open' } }, { metric: 'fan', is: true }] },
    attribute: x({ above: '$limit' }),
    interval: x({ outside: [1, '$limit'] }),
    implausible: { metric: 'level', implausible: true },
    plausible: { metric: 'level', above: 6 },
    'rising-level': { metric: 'level', rate: '2m', above: 100 },
  }).map(([id, orange]) => rule({ orange }, { id })),
]
const ATTRIBUTES = { limit: 6, zone: 'east', open: '07:30-08:02', target: 'II' }

/** Its outcome depends on when readings come, so it stands apart from what does not. */
const DELAYED = rule({ blue: { metric: 'delay', above: 60 } }, { id: 'delayed' })

const POSITIONS: readonly Position[] = [
  [120.5, 32.5],
  [121.5, 32.5],
  [130, 40],
]

const history = array(
  record({
    // Few distinct gaps, so that instants are shared and limits are met exactly.
    gap: constantFrom(0, 0, 1000, 5000, 10_000, 20_000, 45_000, 400_000, 40 * 86_400_000),
    metrics: record(
      {
        x: integer({ min: 0, max: 10 }),
        fan: boolean(),
        y: boolean(),
        level: constantFrom(1, 2, 5, 7, 12, 15, 900),
        do: constantFrom(1, 4, 8),
        nh3n: constantFrom(0.1, 0.8, 1.2, 3),
      },
      { requiredKeys: [] },
    ),
    flag: constantFrom<Flag>('N', 'N', 'N', 'M', 'D'),
    position: option(constantFrom(...POSITIONS), { nil: null }),
    delay: integer({ min: 0, max: BOUNDS.latenessMs }),
    copies: constantFrom(0, 0, 1, 2),
    copyDelay: integer({ min: 0, max: 2 * BOUNDS.latenessMs }),
    /** Ticks at this many ms after the reading came in. */
    tick: option(integer({ min: 0, max: 200_000 }), { nil: null }),
    restart: constantFrom(false, false, false, true),
  }),
  { minLength: 1, maxLength: 40 },
)
type Step = typeof history extends { generate(...args: never[]): { value: (infer T)[] } } ? T : never

interface Arrival {
  readonly at: number
  readonly reading: Reading | null
  readonly restart: boolean
}

function readingOf({ metrics, flag, position }: Step, ts: number): Reading {
  const reading = { ts, metrics, flags: { x: flag } }
  return position === null ? reading : { ...reading, position }
}

/** `delayed`: whether readings come late. Ticks, restarts and copies come anyway. */
function arrivalsOf(steps: readonly Step[], delayed: boolean, withCopies: boolean): Arrival[] {
  let ts = START
  const arrivals: Arrival[] = []
  for (const step of steps) {
    ts += step.gap
    const reading = readingOf(step, ts)
    const at = delayed ? ts + step.delay : ts
    arrivals.push({ at, reading, restart: step.restart })
    const copies = withCopies ? step.copies : 0
    for (let copy = 1; copy <= copies; copy++) {
      arrivals.push({ at: at + copy * step.copyDelay, reading, restart: false })
    }
    if (step.tick !== null) arrivals.push({ at: at + step.tick, reading: null, restart: false })
  }
  return arrivals.sort((a, b) => a.at - b.at)
}

/** Rules of another plan are equal, not the same. */
const withIds = (found: readonly Finding[]) => found.map(({ rule, ...rest }) => ({ ...rest, rule: rule.id }))

describe('invariant 4', () => {
  /** Long enough for every clock to have run out. */
  const LATER = (2000 * 86_400_000) / MINUTE

  const watched = (...rules: Rule[]) => Watched.of(rules, ATTRIBUTES)

  function inOrder(steps: readonly Step[], ...rules: Rule[]): Watched {
    const state = watched(...rules)
    let ts = START
    for (const step of steps) state.observe([readingOf(step, (ts += step.gap))], ts)
    return state.tick(LATER)
  }

  function live(arrivals: readonly Arrival[], ...rules: Rule[]): Watched {
    const state = watched(...rules)
    for (const { at, reading, restart } of arrivals) {
      if (reading === null) state.tick((at - START) / MINUTE)
      else state.observe([reading], at)
      if (restart) state.restart()
    }
    return state.tick(LATER)
  }

  test('the same readings in any order within the lateness bound give the same alarms, ids included', () => {
    assert(
      property(history, boolean(), (steps, withCopies) => {
        const arrived = live(arrivalsOf(steps, true, withCopies), ...EVERYTHING)
        expect(arrived.settled).toEqual(inOrder(steps, ...EVERYTHING).settled)
      }),
      { numRuns: 1500 },
    )
  })

  test('a delay is that of the first copy, whatever ticks, restarts and copies follow', () => {
    assert(
      property(history, (steps) => {
        const arrived = live(arrivalsOf(steps, false, true), DELAYED, ...EVERYTHING)
        expect(arrived.settled).toEqual(inOrder(steps, DELAYED, ...EVERYTHING).settled)
      }),
      { numRuns: 500 },
    )
  })

  test('a restart at any moment changes nothing, and neither does a tick', () => {
    assert(
      property(history, (steps) => {
        const arrivals = arrivalsOf(steps, true, true)
        const undisturbed = arrivals
          .filter(({ reading }) => reading !== null)
          .map((arrival) => ({ ...arrival, restart: false }))
        const disturbed = arrivals.map((arrival) => ({ ...arrival, restart: true }))
        const rules = [DELAYED, ...EVERYTHING]
        expect(live(disturbed, ...rules).settled).toEqual(live(undisturbed, ...rules).settled)
      }),
      { numRuns: 300 },
    )
  })

  test('the same readings in one message, in any order, give the same alarms', () => {
    assert(
      property(history, integer(), (steps, seed) => {
        let ts = START
        const readings = steps.map((step) => readingOf(step, (ts += step.gap)))
        const shuffled = readings.toSorted((a, b) => ((a.ts * 7919) ^ seed) - ((b.ts * 7919) ^ seed))
        const one = watched(...EVERYTHING)
          .observe(readings, ts)
          .tick(LATER)
        const other = watched(...EVERYTHING)
          .observe(shuffled, ts)
          .tick(LATER)
        expect(other.settled).toEqual(one.settled)
      }),
      { numRuns: 500 },
    )
  })

  test('edits of a rule, or of an attribute, change nothing of what the other rules say, late readings included', () => {
    const LIMITED = new Set(['attribute', 'interval'])
    assert(
      property(history, array(boolean(), { maxLength: 40 }), (steps, edits) => {
        const arrivals = arrivalsOf(steps, true, true)
        const others = (state: Watched) =>
          state.settled.filter(({ rule }) => rule.id !== 'edited' && !LIMITED.has(rule.id))
        const edited = watched(rule({ blue: x({ above: 3 }) }, { id: 'edited' }), ...EVERYTHING)
        for (const [index, { at, reading }] of arrivals.entries()) {
          if (reading !== null) edited.observe([reading], at)
          if (edits[index] !== true) continue
          const version = index + 2
          const severity = { blue: x({ mean: `${(index % 3) + 1}m`, above: index % 8 }) }
          const rules = [rule(severity, { id: 'edited', version }), ...EVERYTHING]
          const plan = planRules(rules, WORLD).get('k')!
          edited.adopt(underNewRules(edited.state, plan, { ...ATTRIBUTES, limit: index % 9 }))
          if (index % 2 === 0) edited.restart()
        }
        const undisturbed = arrivals.map((arrival) => ({ ...arrival, restart: false }))
        const plain = live(undisturbed, ...EVERYTHING)
        expect(withIds(others(edited.tick(LATER)))).toEqual(withIds(others(plain)))
      }),
      { numRuns: 300 },
    )
  })

  test('every rule of these fires in some history', () => {
    const fired = new Set<string>()
    assert(
      property(history, (steps) => {
        for (const { rule } of inOrder(steps, ...EVERYTHING).settled) fired.add(rule.id)
      }),
      { numRuns: 300, seed: 1 },
    )
    expect(EVERYTHING.map(({ id }) => id).filter((id) => !fired.has(id))).toEqual([])
  })

  test('an alarm fires at once on what is known', () => {
    expect(new Watched(rule({ red: x({ above: 2 }) })).at(0, { x: 3 }).changes).toHaveLength(1)
  })
})
