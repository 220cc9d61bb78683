import { array, assert, boolean, constantFrom, integer, option, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Flag, MetricValue, Reading } from '../gateway/model/reading.ts'
import type { Condition, Rule } from '../gateway/model/rule.ts'
import { advance, DeviceState, findings, observe, refresh, type Finding } from './engine.ts'
import { planRules } from './plan.ts'
import { restore, snapshotOf, underNewRules, type Snapshot } from './snapshot.ts'

const MINUTE = 60_000
const BOUNDS = { latenessMs: 5 * MINUTE, staleAfterMs: 60 * MINUTE }
const START = Date.UTC(2024, 5, 1)

function rule(severity: Rule['severity'], more: Partial<Rule> = {}): Rule {
  return { id: 'r', version: 1, kind: 'k', title: { en: 'r', zh: 'r' }, basis: 'test', severity, ...more }
}

/** What a book would hold that listens to a device's changes. */
class Watched {
  readonly book = new Map<string, Finding>()
  readonly changes: Finding[] = []
  state: DeviceState

  constructor(...rules: Rule[]) {
    this.state = new DeviceState('d', planRules(rules).get('k')!, BOUNDS)
  }

  /** A reading `at` minutes, `delay` minutes under way. */
  at(minute: number, metrics: Record<string, MetricValue>, flags?: Record<string, Flag>, delay = 0): this {
    const ts = START + minute * MINUTE
    const reading: Reading = flags === undefined ? { ts, metrics } : { ts, metrics, flags }
    return this.observe([reading], ts + delay * MINUTE)
  }

  observe(readings: readonly Reading[], receivedAt: number): this {
    return this.#note(observe(this.state, readings, receivedAt))
  }

  tick(minute: number, absentMinute = minute): this {
    return this.#note(advance(this.state, START + minute * MINUTE, START + absentMinute * MINUTE))
  }

  restart(): this {
    const snapshot = JSON.parse(JSON.stringify(snapshotOf(this.state))) as Snapshot
    this.state = restore(snapshot, 'd', this.state.plan, BOUNDS)
    return this.#note(findings(this.state))
  }

  /** `[rule, severity, from, to]` in minutes of everything but the withdrawn. */
  get alarms(): [string, string, number, number | null][] {
    this.#note(refresh(this.state))
    return this.settled.map(({ rule, severity, startedAt, clearedAt }) => [
      rule.id,
      severity,
      (startedAt - START) / MINUTE,
      clearedAt === null ? null : (clearedAt - START) / MINUTE,
    ])
  }

  get settled(): Finding[] {
    this.#note(refresh(this.state))
    return [...this.book.values()]
      .filter(({ state }) => state !== 'withdrawn')
      .sort((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
  }

  #note(changes: readonly Finding[]): this {
    for (const change of changes) this.book.set(change.id, change)
    this.changes.push(...changes)
    return this
  }
}

const x = (comparison: object): Condition => ({ metric: 'x', ...comparison })

describe('a comparison', () => {
  test.each([
    [{ above: 2 }, [2.000001, 1e6], [2, 1.999999, -3]],
    [{ atLeast: 2 }, [2, 3], [1.999999]],
    [{ below: 2 }, [1.999999, -1e6], [2, 3]],
    [{ atMost: 2 }, [2, -3], [2.000001]],
    [{ outside: [6, 9] }, [5.99, 9.01], [6, 7, 9]],
    [{ inside: [6, 9] }, [6, 7, 9], [5.99, 9.01]],
    [{ is: 3 }, [3], [2.999999, 4]],
    [{ above: 0.3 }, [0.300001], [0.1 + 0.2]],
  ])('%j holds exactly where it says', (comparison, holds, holdsNot) => {
    for (const value of holds) {
      expect(new Watched(rule({ red: x(comparison) })).at(0, { x: value }).alarms).toHaveLength(1)
    }
    for (const value of holdsNot) {
      expect(new Watched(rule({ red: x(comparison) })).at(0, { x: value }).alarms).toHaveLength(0)
    }
  })

  test('a boolean is compared with `is`', () => {
    const open = rule({ red: x({ is: true }) })
    expect(new Watched(open).at(0, { x: true }).alarms).toHaveLength(1)
    expect(new Watched(open).at(0, { x: false }).alarms).toHaveLength(0)
  })

  test('a constant 1.6 is never above 1.6, however many of it the mean is over', () => {
    const watched = new Watched(rule({ red: x({ mean: '10m', above: 1.6 }) }))
    for (let minute = 0; minute < 100; minute += 0.1) watched.at(minute, { x: 1.6 })
    expect(watched.alarms).toEqual([])
    expect(watched.at(101, { x: 1.600001 }).alarms).toHaveLength(1)
  })

  test('nothing is known of a metric that was never reported', () => {
    for (const comparison of [{ above: 2 }, { below: 2 }, { outside: [1, 2] }, { is: 0 }, { is: false }]) {
      expect(new Watched(rule({ red: x(comparison) })).at(0, { y: 1 }).alarms).toEqual([])
    }
  })
})

describe('validity', () => {
  test.each(['F', 'M', 'S', 'D', 'C', 'T', 'B'] as const)('a value flagged %s takes no part', (flag) => {
    const watched = new Watched(
      rule(
        { red: x({ above: 2 }), yellow: x({ mean: '10m', above: 2 }) },
        { clear: { when: x({ below: 1 }) } },
      ),
    )
    watched.at(0, { x: 9 }, { x: flag })
    expect(watched.alarms).toEqual([])
    watched.at(1, { x: 9 }, { x: 'N' }).at(2, { x: 0 }, { x: flag })
    expect(watched.alarms).toEqual([['r', 'red', 1, null]])
  })

  test('a flag on one metric leaves the others alone', () => {
    expect(new Watched(rule({ red: x({ above: 2 }) })).at(0, { x: 9, y: 1 }, { y: 'D' }).alarms).toHaveLength(
      1,
    )
  })

  test('a metric that a reading does not carry holds its last value', () => {
    const both = rule({ red: { all: [x({ above: 2 }), { metric: 'y', is: true }] } })
    expect(new Watched(both).at(0, { x: 9 }).at(1, { y: true }).alarms).toEqual([['r', 'red', 1, null]])
  })
})

describe('a mean', () => {
  test('is over the trailing window, its old end excluded', () => {
    const watched = new Watched(rule({ red: x({ mean: '10m', above: 5 }) }))
    watched.at(0, { x: 6 }).at(5, { x: 4 }) // mean 5
    expect(watched.alarms).toEqual([['r', 'red', 0, 5]])
    watched.at(9.99, { x: 5.1 }) // 5.033
    expect(watched.alarms[1]).toEqual(['r', 'red', 9.99, null])
    watched.at(10, { x: 5 }) // without the 6: 4.7
    expect(watched.alarms[1]).toEqual(['r', 'red', 9.99, 10])
  })

  test('equals the plain calculation for sparse readings', () => {
    assert(
      property(
        array(record({ gap: integer({ min: 601, max: 700_000 }), value: integer({ min: 0, max: 99 }) }), {
          minLength: 1,
          maxLength: 80,
        }),
        (samples) => {
          const watched = new Watched(rule({ red: x({ mean: '10m', above: 50 }) }))
          let ts = START
          const seen: { ts: number; value: number }[] = []
          for (const { gap, value } of samples) {
            ts += gap
            seen.push({ ts, value })
            watched.observe([{ ts, metrics: { x: value } }], ts)
            const inside = seen.filter((sample) => sample.ts > ts - 10 * MINUTE)
            const mean = inside.reduce((sum, sample) => sum + sample.value, 0) / inside.length
            const isFiring = findings(watched.state).some(({ state }) => state === 'firing')
            expect(isFiring).toBe(mean > 50)
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('`for`', () => {
  const slow = rule({ red: x({ above: 2 }) }, { for: '3m' })

  test('fires when the condition has held that long, without new readings', () => {
    expect(new Watched(slow).at(0, { x: 3 }).tick(2.99).alarms).toEqual([])
    expect(new Watched(slow).at(0, { x: 3 }).tick(3).alarms).toEqual([['r', 'red', 3, null]])
  })

  test('fires at the exact time, however late anybody looks', () => {
    expect(new Watched(slow).at(0, { x: 3 }).tick(500).alarms).toEqual([['r', 'red', 3, null]])
    expect(new Watched(slow).at(0, { x: 3 }).at(4, { x: 0 }).alarms).toEqual([['r', 'red', 3, 4]])
  })

  test('starts again after an interruption', () => {
    const watched = new Watched(slow).at(0, { x: 3 }).at(2, { x: 1 }).at(2.5, { x: 3 }).at(5, { x: 3 })
    expect(watched.alarms).toEqual([])
    expect(watched.at(6, { x: 3 }).alarms).toEqual([['r', 'red', 5.5, null]])
  })

  test('one old sample does not satisfy ten minutes; the next one that agrees does', () => {
    const long = rule({ red: x({ above: 2 }) }, { for: '10m' })
    expect(new Watched(long).at(0, { x: 3 }).tick(600).alarms).toEqual([])
    expect(new Watched(long).at(0, { x: 3 }).at(60, { x: 0 }).alarms).toEqual([])
    expect(new Watched(long).at(0, { x: 3 }).at(60, { x: 3 }).alarms).toEqual([['r', 'red', 60, null]])
    expect(new Watched(long).at(0, { x: 3 }).at(6, { x: 3 }).tick(20).alarms).toEqual([
      ['r', 'red', 10, null],
    ])
  })

  test('is counted from when the newest reading came in: a device with a wrong clock waits as long', () => {
    const watched = new Watched(slow).at(0, { x: 3 }, {}, 30)
    expect(watched.tick(32.9).alarms).toEqual([])
    expect(watched.tick(33).alarms).toEqual([['r', 'red', 3, null]])
  })
})

describe('severities', () => {
  const ladder = rule(
    { yellow: x({ above: 1 }), orange: x({ above: 2 }), red: x({ above: 4 }) },
    { for: '1m' },
  )

  test('the highest that holds when it fires is the alarm’s', () => {
    expect(new Watched(ladder).at(0, { x: 5 }).tick(1).alarms).toEqual([['r', 'red', 1, null]])
    expect(new Watched(ladder).at(0, { x: 5 }).at(0.5, { x: 3 }).tick(1).alarms).toEqual([
      ['r', 'orange', 1, null],
    ])
  })

  test('a higher one raises it at once; it never sinks while the alarm fires', () => {
    const watched = new Watched(ladder).at(0, { x: 1.5 }).at(2, { x: 3 })
    expect(watched.alarms).toEqual([['r', 'orange', 1, null]])
    expect(watched.at(3, { x: 1.5 }).alarms).toEqual([['r', 'orange', 1, null]])
  })

  test('value is the latest, peak the worst: the lowest where low is bad', () => {
    const high = new Watched(ladder).at(0, { x: 3 }).at(1, { x: 3 }).at(2, { x: 3.5 }).at(3, { x: 3.1 })
    expect(high.settled[0]).toMatchObject({ value: 3.1, peak: 3.5 })
    const low = new Watched(rule({ red: x({ below: 5 }) })).at(0, { x: 4 }).at(1, { x: 2 }).at(2, { x: 3 })
    expect(low.settled[0]).toMatchObject({ value: 3, peak: 2 })
    const far = new Watched(rule({ red: x({ outside: [6, 9] }) }))
      .at(0, { x: 9.5 })
      .at(1, { x: 4 })
      .at(2, { x: 5 })
    expect(far.settled[0]).toMatchObject({ value: 5, peak: 4 })
  })

  test('value follows the leaf that holds', () => {
    const either = rule({ red: { any: [x({ above: 100 }), { metric: 'y', below: 5 }] } })
    expect(new Watched(either).at(0, { x: 1, y: 4 }).settled[0]).toMatchObject({ value: 4 })
  })
})

describe('`clear`', () => {
  test('is the negation of all severities when nothing is said', () => {
    const watched = new Watched(rule({ yellow: x({ above: 1 }), red: x({ above: 2 }) }))
    expect(watched.at(0, { x: 3 }).at(1, { x: 1.5 }).alarms).toEqual([['r', 'red', 0, null]])
    expect(watched.at(2, { x: 1 }).alarms).toEqual([['r', 'red', 0, 2]])
  })

  const sticky = rule({ red: x({ above: 2 }) }, { clear: { when: x({ below: 1.5 }), for: '3m' } })

  test('waits for its own condition, for as long as it says, without new readings', () => {
    const watched = new Watched(sticky).at(0, { x: 3 }).at(1, { x: 1.8 }).tick(60)
    expect(watched.alarms).toEqual([['r', 'red', 0, null]])
    expect(watched.at(61, { x: 1 }).tick(63.9).alarms).toEqual([['r', 'red', 0, null]])
    expect(watched.tick(64).alarms).toEqual([['r', 'red', 0, 64]])
  })

  test('starts again when its condition is interrupted', () => {
    const watched = new Watched(sticky).at(0, { x: 3 }).at(1, { x: 1 }).at(2, { x: 1.7 }).at(3, { x: 1 })
    expect(watched.tick(5.9).alarms).toEqual([['r', 'red', 0, null]])
    expect(watched.tick(6).alarms).toEqual([['r', 'red', 0, 6]])
  })

  test('an alarm does not clear while one of its severities holds', () => {
    const overlapping = rule({ red: x({ above: 1 }) }, { clear: { when: x({ below: 2 }), for: '3m' } })
    const watched = new Watched(overlapping).at(0, { x: 1.5 }).at(3, { x: 1.5 }).at(6, { x: 1.5 })
    expect(watched.alarms).toEqual([['r', 'red', 0, null]])
    expect(watched.at(7, { x: 1 }).alarms).toEqual([['r', 'red', 0, 7]])
  })
})

describe('`absent`', () => {
  const offline = rule({ yellow: { absent: '15m' }, red: { absent: '2h' } })

  test('fires on the clock alone, rises, and clears with the next reading', () => {
    const watched = new Watched(offline).at(0, { y: 1 })
    expect(watched.tick(14.9).alarms).toEqual([])
    expect(watched.tick(15).alarms).toEqual([['r', 'yellow', 15, null]])
    expect(watched.tick(120).alarms).toEqual([['r', 'red', 15, null]])
    expect(watched.at(130, { y: 1 }).alarms).toEqual([['r', 'red', 15, 130]])
  })

  test('is withdrawn when what the device had buffered comes in, and does not fire again and again', () => {
    const watched = new Watched(offline).at(0, { y: 1 }).tick(60)
    expect(watched.alarms).toEqual([['r', 'yellow', 15, null]])
    for (let minute = 10; minute <= 60; minute += 10) watched.at(minute, { y: 1 }, {}, 60 - minute).tick(60)
    expect(watched.alarms).toEqual([])
    expect(watched.changes.map(({ state }) => state)).toEqual(['firing', 'withdrawn'])
  })

  test('waits while devices are given time to reconnect, other timers do not', () => {
    const watched = new Watched(offline, rule({ red: x({ above: 2 }) }, { id: 'other', for: '3m' }))
    watched.at(0, { x: 3 }).tick(30, -Infinity)
    expect(watched.alarms).toEqual([['other', 'red', 3, null]])
    expect(watched.tick(30).alarms).toContainEqual(['r', 'yellow', 15, null])
  })
})

test('a rule judges only what happened while it was in force', () => {
  const brief = rule(
    { red: x({ above: 2 }) },
    { effective: { from: '2024-06-01T08:10:00+08:00', to: '2024-06-01T08:20:00+08:00' } },
  )
  const watched = new Watched(brief)
  for (const minute of [0, 9, 10, 15, 20, 25]) watched.at(minute, { x: 3 })
  expect(watched.alarms).toEqual([['r', 'red', 10, 20]])
})

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

/** Rules that together use every leaf and every clock. */
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
]

const history = array(
  record({
    // Few distinct gaps, so that instants are shared and limits are met exactly.
    gap: constantFrom(0, 0, 1000, 5000, 10_000, 20_000, 45_000, 400_000),
    metrics: record({ x: integer({ min: 0, max: 10 }), fan: boolean(), y: boolean() }, { requiredKeys: [] }),
    flag: constantFrom<Flag>('N', 'N', 'N', 'M'),
    delay: integer({ min: 0, max: BOUNDS.latenessMs }),
    copies: constantFrom(0, 0, 1, 2),
    copyDelay: integer({ min: 0, max: 2 * BOUNDS.latenessMs }),
    /** Ticks at this many ms after the reading came in. */
    tick: option(integer({ min: 0, max: 200_000 }), { nil: null }),
    restart: constantFrom(false, false, false, true),
  }),
  { minLength: 1, maxLength: 40 },
)

interface Arrival {
  readonly at: number
  readonly reading: Reading | null
  readonly restart: boolean
}

describe('invariant 4', () => {
  const FOREVER = START + 1e12

  test('the same readings in any order within the lateness bound give the same alarms, ids included', () => {
    assert(
      property(history, boolean(), (steps, withCopies) => {
        let ts = START
        const readings: Reading[] = []
        const arrivals: Arrival[] = []
        for (const { gap, metrics, flag, delay, copies, copyDelay, tick, restart } of steps) {
          ts += gap
          const reading: Reading = { ts, metrics, flags: { x: flag } }
          readings.push(reading)
          arrivals.push({ at: ts + delay, reading, restart })
          if (withCopies) {
            for (let copy = 1; copy <= copies; copy++) {
              arrivals.push({ at: ts + delay + copy * copyDelay, reading, restart: false })
            }
          }
          if (tick !== null) arrivals.push({ at: ts + delay + tick, reading: null, restart: false })
        }
        arrivals.sort((a, b) => a.at - b.at)

        const inOrder = new Watched(...EVERYTHING)
        for (const reading of readings) inOrder.observe([reading], reading.ts)
        inOrder.tick((FOREVER - START) / MINUTE)

        const live = new Watched(...EVERYTHING)
        for (const { at, reading, restart } of arrivals) {
          if (reading === null) live.tick((at - START) / MINUTE)
          else live.observe([reading], at)
          if (restart) live.restart()
        }
        live.tick((FOREVER - START) / MINUTE)

        expect(live.settled).toEqual(inOrder.settled)
      }),
      { numRuns: 4000 },
    )
  })

  test('the same readings in one message, in any order, give the same alarms', () => {
    assert(
      property(history, integer(), (steps, seed) => {
        let ts = START
        const readings = steps.map(({ gap, metrics }): Reading => ({ ts: (ts += gap), metrics }))
        const shuffled = readings.toSorted((a, b) => ((a.ts * 7919) ^ seed) - ((b.ts * 7919) ^ seed))
        const one = new Watched(...EVERYTHING).observe(readings, ts).tick(1e6)
        const other = new Watched(...EVERYTHING).observe(shuffled, ts).tick(1e6)
        expect(other.settled).toEqual(one.settled)
      }),
      { numRuns: 500 },
    )
  })

  test('an alarm fires at once on what is known', () => {
    expect(new Watched(rule({ red: x({ above: 2 }) })).at(0, { x: 3 }).changes).toHaveLength(1)
  })
})

describe('a changed rule', () => {
  test('keeps the running state of the devices that it still covers; a removed one has none', () => {
    const watched = new Watched(
      rule({ red: x({ above: 2 }) }, { for: '3m' }),
      rule({ red: x({ above: 1 }) }, { id: 'gone' }),
    )
    watched.at(0, { x: 3 }).at(4, { x: 3 })
    const plan = planRules([rule({ red: x({ above: 2.5 }) }, { for: '9m', version: 2 })]).get('k')!
    watched.state = underNewRules(watched.state, plan)
    expect(findings(watched.state)).toMatchObject([{ state: 'firing', startedAt: START + 3 * MINUTE }])
    expect(watched.at(5, { x: 2.2 }).changes.at(-1)).toMatchObject({ state: 'cleared', rule: { version: 2 } })
  })
})
