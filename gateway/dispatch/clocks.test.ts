import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CASE_STATES, DEADLINE_COLOURS, type CaseState, type DeadlineColour } from '../model/case.ts'
import {
  colourBegins,
  deadlineColour,
  deadlines,
  extended,
  nextColour,
  resumed,
  runningClock,
  suspended,
  type Clocks,
} from './clocks.ts'

const base: Clocks = {
  state: 'dispatched',
  queuedAt: 1_000_000,
  respondMs: 600_000,
  arriveMs: 1_200_000,
  resolveMs: 14_400_000,
  suspendedAt: null,
  suspendedMs: 0,
  respondedAt: null,
  arrivedAt: null,
}

const span = fc.integer({ min: 1, max: 10 * 86_400_000 })
const instant = fc.integer({ min: 0, max: 4e12 })
const anyState = fc.constantFrom<CaseState>(...CASE_STATES)
const anyClocks: fc.Arbitrary<Clocks> = fc.record({
  state: anyState,
  queuedAt: instant,
  respondMs: span,
  arriveMs: span,
  resolveMs: span,
  suspendedAt: fc.constant(null),
  suspendedMs: fc.nat(86_400_000),
  respondedAt: fc.option(instant),
  arrivedAt: fc.option(instant),
})
const running = anyClocks.filter((clocks) => runningClock(clocks) !== null)
const rank = (colour: DeadlineColour | null) => DEADLINE_COLOURS.indexOf(colour!)

test('deadlines count from the moment the case was queued', () => {
  expect(deadlines(base)).toEqual({ respondBy: 1_600_000, arriveBy: 2_200_000, resolveBy: 15_400_000 })
})

describe('which clock runs', () => {
  test.each([
    ['dispatched', null, null, 'respond'],
    ['accepted', 1, null, 'arrive'],
    ['on_site', 1, 2, 'resolve'],
    ['queued', 1, null, 'arrive'],
    ['dispatched', 1, 2, 'resolve'],
    ['suspended', null, null, null],
    ['handled', 1, 2, null],
    ['verified', 1, 2, null],
    ['closed', 1, 2, null],
    ['void', null, null, null],
  ] as const)('%s, responded %s, arrived %s: %s', (state, respondedAt, arrivedAt, clock) => {
    expect(runningClock({ ...base, state, respondedAt, arrivedAt })).toBe(clock)
  })
})

test.each([
  [-5_000_000, 'none'],
  [0, 'none'],
  [449_999, 'none'],
  [450_000, 'blue'],
  [599_999, 'blue'],
  [600_000, 'yellow'],
  [1_199_999, 'yellow'],
  [1_200_000, 'red'],
  [9e12, 'red'],
])('%i ms after it was queued a case with 10 minutes to respond is %s', (after, colour) => {
  expect(deadlineColour(base, base.queuedAt + after)).toBe(colour)
})

test('a colour never falls while its clock runs', () => {
  fc.assert(
    fc.property(running, instant, span, (clocks, now, later) => {
      expect(rank(deadlineColour(clocks, now + later))).toBeGreaterThanOrEqual(
        rank(deadlineColour(clocks, now)),
      )
    }),
  )
})

test('a colour holds from the instant it is due, and not a millisecond before', () => {
  fc.assert(
    fc.property(running, (clocks) => {
      for (const colour of ['blue', 'yellow', 'red'] as const) {
        const at = colourBegins(clocks, colour)!
        expect(rank(deadlineColour(clocks, at))).toBeGreaterThanOrEqual(rank(colour))
        expect(rank(deadlineColour(clocks, at - 1))).toBeLessThan(rank(colour))
      }
    }),
  )
})

test('however often one looks, the same colours are passed and the last is the same', () => {
  fc.assert(
    fc.property(running, fc.array(span, { maxLength: 20 }), (clocks, waits) => {
      let now = clocks.queuedAt
      let shown: DeadlineColour = 'none'
      for (const wait of waits) {
        now += wait
        for (let next = nextColour(clocks, shown); next !== null && next.at <= now;) {
          shown = next.colour
          next = nextColour(clocks, shown)
        }
      }
      expect(shown).toBe(deadlineColour(clocks, now))
    }),
  )
})

test('clocks survive storage: they are plain values', () => {
  fc.assert(
    fc.property(anyClocks, instant, (clocks, now) => {
      const reread = JSON.parse(JSON.stringify(clocks)) as Clocks
      expect(deadlineColour(reread, now)).toBe(deadlineColour(clocks, now))
      expect(deadlines(reread)).toEqual(deadlines(clocks))
    }),
  )
})

test('a suspension of any length moves every deadline and colour by exactly that length', () => {
  fc.assert(
    fc.property(running, instant, span, (clocks, now, stood) => {
      const stopped = suspended<Clocks>({ ...clocks, state: 'suspended' }, now)
      expect(deadlineColour(stopped, now + stood)).toBeNull()
      expect(nextColour(stopped, 'none')).toBeNull()
      const again = { ...resumed(stopped, now + stood), state: clocks.state }
      const [before, after] = [deadlines(clocks), deadlines(again)]
      expect(after.respondBy).toBe(before.respondBy + stood)
      expect(after.arriveBy).toBe(before.arriveBy + stood)
      expect(after.resolveBy).toBe(before.resolveBy + stood)
      for (const at of [now - 1, now, now + stood]) {
        expect(deadlineColour(again, at + stood)).toBe(deadlineColour(clocks, at))
      }
    }),
  )
})

test('a wall clock that was set back during a suspension takes no time away', () => {
  const stopped = suspended<Clocks>({ ...base, state: 'suspended' }, 1_300_000)
  expect(deadlines(resumed(stopped, 1_200_000))).toEqual(deadlines(base))
})

test('an extension moves the running clock to the new deadline, later ones by as much, kept ones not at all', () => {
  const clocks: Clocks = { ...base, state: 'accepted', respondedAt: 1_100_000, suspendedMs: 5_000 }
  const before = deadlines(clocks)
  const after = deadlines(extended(clocks, before.arriveBy + 60_000))
  expect(after).toEqual({
    respondBy: before.respondBy,
    arriveBy: before.arriveBy + 60_000,
    resolveBy: before.resolveBy + 60_000,
  })
})
