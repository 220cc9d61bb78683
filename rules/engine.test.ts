import { describe, expect, test } from 'vitest'
import { findings, nextDue } from './engine.ts'
import { planRules } from './plan.ts'
import { underNewRules } from './snapshot.ts'
import { MINUTE, rule, START, Watched, WORLD, x } from './watched.fixture.ts'

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

describe('a duration of a rule that waits for silence too', () => {
  const either = rule({ red: { any: [{ absent: '6h' }, x({ above: 2 })] } }, { for: '10m' })
  const heard = rule({ red: { all: [{ not: { absent: '1h' } }, x({ above: 2 })] } }, { for: '10m' })

  test.each([
    ['or silence', either],
    ['and no silence', heard],
  ])('is not satisfied by one sample of the other thing: a value %s', (_, one) => {
    expect(new Watched(one).at(0, { x: 3 }).tick(50).alarms).toEqual([])
    expect(new Watched(one).at(0, { x: 3 }).at(9, { x: 3 }).tick(50).alarms).toEqual([['r', 'red', 10, null]])
  })

  test('is satisfied by the silence', () => {
    expect(new Watched(either).at(0, { x: 1 }).tick(600).alarms).toEqual([['r', 'red', 370, null]])
  })
})

test('an alarm ends with the force of its rule, whether or not its device speaks, and waits for nothing', () => {
  const brief = rule(
    { red: x({ above: 2 }) },
    { effective: { to: '2024-06-01T08:20:00+08:00' }, clear: { for: '30m' } },
  )
  const silent = new Watched(brief).at(0, { x: 3 }).tick(60)
  const speaking = new Watched(brief).at(0, { x: 3 }).at(40, { x: 3 })
  for (const watched of [silent, speaking]) expect(watched.alarms).toEqual([['r', 'red', 0, 20]])
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

  test('comes between two parts of one instant, and they are judged together all the same', () => {
    const kept = rule({ red: { any: [x({ above: 2 }), { metric: 'y', is: true }] } })
    const edited = (version: number) => rule({ red: x({ above: 9 }) }, { id: 'edited', version })
    const watched = new Watched(kept, edited(1)).at(0, { x: 3 }).at(1, { x: 1 })
    expect(watched.alarms).toEqual([['r', 'red', 0, 1]])
    watched.state = underNewRules(watched.state, planRules([kept, edited(2)]).get('k')!)
    expect(watched.at(1, { y: true }).alarms).toEqual([['r', 'red', 0, null]])
  })

  test('is judged at the next reading, though that says nothing new', () => {
    const watched = new Watched(rule({ red: x({ above: 5 }) }))
    watched.at(0, { x: 3 }).at(1, { x: 3 })
    const plan = planRules([rule({ red: x({ above: 2 }) }, { version: 2 })]).get('k')!
    watched.state = underNewRules(watched.state, plan)
    expect(watched.at(2, { x: 3 }).alarms).toEqual([['r', 'red', 2, null]])
  })
})

test('a rule judges the first reading in its force, though that says nothing new', () => {
  const watched = new Watched(
    rule({ red: x({ above: 2 }) }, { effective: { from: '2024-06-01T08:02:00+08:00' } }),
  )
  for (const minute of [0, 1, 2, 3]) watched.at(minute, { x: 3 })
  expect(watched.alarms).toEqual([['r', 'red', 2, null]])
})

test('a metric that stays the same wakes a rule whose device was silent', () => {
  const back = rule({ red: { all: [{ not: { absent: '10m' } }, x({ above: 2 })] } })
  const watched = new Watched(back).at(0, { x: 3 }).tick(20).at(30, { x: 3 })
  expect(watched.alarms).toEqual([
    ['r', 'red', 0, 10],
    ['r', 'red', 30, null],
  ])
})

describe('a device whose clock was at 1970', () => {
  const offline = rule({ red: { all: [{ absent: '15m' }, { hours: '10:00-22:00' }] } }, { id: 'offline' })
  const closed = rule({ red: { all: [x({ above: 2 }), { hours: '10:00-22:00' }] } }, { id: 'closed' })
  const DAY = 24 * 60

  test('has a month of silence behind it, not fifty years', () => {
    const watched = new Watched(offline, closed)
    watched.at(-20_000 * DAY, { x: 1 }).at(0, { x: 1 })
    const { settled } = watched
    expect(settled.length).toBeGreaterThan(25)
    expect(settled.length).toBeLessThan(40)
    expect(settled.filter(({ state }) => state === 'firing')).toEqual([])
    // Its timers run again as those of any other.
    const before = settled.length
    expect(watched.tick(3 * DAY).settled.length).toBe(before + 3)
  })

  test('is asked for no timer before it speaks again', () => {
    const watched = new Watched(offline, closed).at(0, { x: 1 }).tick(100 * DAY)
    expect(nextDue(watched.state)).toBe(Infinity)
    expect(nextDue(watched.state, START + 200 * DAY * MINUTE)).toBe(Infinity)
    watched.at(100 * DAY, { y: true })
    expect(nextDue(watched.state)).toBeLessThan(START + 101 * DAY * MINUTE)
  })

  test('an alarm that the long silence left open is judged by the next reading, whatever that is about', () => {
    // 2024-06-01 08:00 in China; the month ends at 12:00.
    const watched = new Watched(closed).at(4 * 60, { x: 3 }).tick(100 * DAY)
    expect(watched.alarms.at(-1)).toEqual(['closed', 'red', 31 * DAY + 2 * 60, null])
    // 04:00 in China.
    expect(watched.at(100 * DAY + 20 * 60, { y: true }).alarms.at(-1)![3]).toBe(100 * DAY + 20 * 60)
  })
})

test('a rule that is the first to ask for the class of a water knows it from readings that stay as they are', () => {
  const metric = rule({ red: { metric: 'nh3n', above: 9 } }, { id: 'metric' })
  const rated = rule({ red: { worseThan: 'III' } }, { id: 'rated' })
  const water = Watched.of([metric]).at(0, { nh3n: 1.2 })
  water.state = underNewRules(water.state, planRules([metric, rated], WORLD).get('k')!)
  expect(water.at(1, { nh3n: 1.2 }).alarms).toEqual([['rated', 'red', 1, null]])
})
