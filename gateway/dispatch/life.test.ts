import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { DEADLINE_COLOURS, type Action, type TimelineEntry } from '../model/case.ts'
import type { CaseRecord } from './case-record.ts'
import { clockOf, deadlines } from './clocks.ts'
import { loadDistrict } from '../district/district.ts'
import { teamFor, type Route } from '../district/routing.ts'
import { raised, takeStep } from './life.ts'
import { admin, device, MINUTE, NOON, Stage } from './test-stage.ts'
import { nextState } from './transitions.ts'

const district = loadDistrict()
const route: Route = (place, from) => teamFor(district, place, from, NOON)
const stage = new Stage()
const fresh = stage.cases.record(stage.opened())!
void stage.close()

const ACTIONS = [
  'accept',
  'arrive',
  'handle',
  'return',
  'assign',
  'rework',
  'suspend',
  'resume',
  'extend',
] as const
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constantFrom<Action>(...ACTIONS),
      more: fc.integer({ min: 1, max: 90 }),
    }),
  },
  // The wall clock goes on, or jumps, either way.
  {
    weight: 3,
    arbitrary: fc.record({ what: fc.constant('clock'), more: fc.integer({ min: -240, max: 300 }) }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('look'), more: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('restart'), more: fc.constant(0) }) },
)

test('whatever is done and however the clock jumps: deadlines never move back, a colour of a clock never falls but by an extension, and is told once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let now = NOON
      let record: CaseRecord = fresh
      let told: TimelineEntry[] = []
      const move = (after: CaseRecord, entries: readonly TimelineEntry[], isExtended: boolean) => {
        const [was, is] = [deadlines(record), deadlines(after)]
        for (const by of ['respondBy', 'arriveBy', 'resolveBy'] as const)
          expect(is[by]).toBeGreaterThanOrEqual(was[by])
        const isSame = clockOf(after) === clockOf(record)
        const rank = (of: CaseRecord) => DEADLINE_COLOURS.indexOf(of.deadlineColour)
        if (isSame && !isExtended) expect(rank(after)).toBeGreaterThanOrEqual(rank(record))
        if (!isSame || isExtended) told = []
        const colours = entries.filter((entry) => entry.action.startsWith('deadline_'))
        for (const entry of colours) {
          expect(entry.clock).toBe(clockOf(after))
          expect(told.map((one) => one.action)).not.toContain(entry.action)
          told.push(entry)
        }
        // At red it is under supervision, for good.
        if (record.supervised || colours.some((entry) => entry.action === 'deadline_red'))
          expect(after.supervised).toBe(true)
        record = after
      }
      for (const { what, more } of steps) {
        if (what === 'clock') now += more * MINUTE
        else if (what === 'restart') record = JSON.parse(JSON.stringify(record)) as CaseRecord
        else if (what === 'look') {
          const { record: after, entries } = raised(record, now, route)
          move(after, entries, false)
          // Looking again at once finds nothing.
          expect(raised(record, now, route).entries).toEqual([])
        } else {
          const action = what
          const next = nextState(record.state, action, record.suspendedFrom)
          if (next === undefined) continue
          const until = Math.max(now, ...Object.values(deadlines(record))) + more * MINUTE
          const request = { action, position: device.position!, note: 'because', until }
          const done = takeStep({ record, request, user: admin, district, route, now }, next)
          if ('type' in done) continue
          const { record: after, entries } = raised(done.record, now, route)
          move(after, entries, action === 'extend')
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('the wall clock set back takes no colour away, so nobody is told twice', () => {
  const late = raised(fresh, NOON + 21 * MINUTE, route).record
  const wish = {
    record: late,
    request: { action: 'supervise' },
    user: admin,
    district,
    route,
    now: NOON,
  } as const
  const done = takeStep(wish, 'dispatched')
  expect(done).toMatchObject({ record: { deadlineColour: 'red' } })
})

test('a clock that is late when it begins is late at once, with all its colours', () => {
  const late = raised(fresh, NOON + 21 * MINUTE, route).record
  const accept = {
    record: late,
    request: { action: 'accept' },
    user: admin,
    district,
    route,
    now: NOON + 21 * MINUTE,
  } as const
  const done = takeStep(accept, 'accepted')
  if ('type' in done) throw new Error('refused')
  expect(done.record.deadlineColour).toBe('none')
  const { record, entries } = raised(done.record, NOON + 21 * MINUTE, route)
  expect(record.deadlineColour).toBe('yellow')
  expect(entries.map(({ action, clock }) => [action, clock])).toEqual([
    ['deadline_blue', 'arrive'],
    ['deadline_yellow', 'arrive'],
  ])
})
