import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DutyCalendar, Roster } from '../model/roster.ts'
import { dateAfter, localMinute, onDuty } from './duty.ts'

const member = (id: string) => ({ id, name: `示例${id}`, phone: '13800000001' })
const members = ['a', 'b', 'c'].map(member)

function who(roster: Partial<Roster> & Pick<Roster, 'shifts'>, instant: string, calendar: DutyCalendar = {}) {
  const at = localMinute(Date.parse(instant))
  return onDuty({ members, ...roster }, calendar, at)
    .map(({ id }) => id)
    .join('')
}

test('days and minutes are those of China', () => {
  expect(localMinute(Date.parse('2026-09-30T16:00:00Z'))).toEqual({ date: '2026-10-01', minute: 0 })
  expect(localMinute(Date.parse('2026-09-30T15:59:59.999Z'))).toEqual({ date: '2026-09-30', minute: 1439 })
})

test('a shift begins with its first minute and ends before its last; midnight is 24:00', () => {
  const roster = {
    shifts: [
      { hours: '08:00-12:00', members: ['a'] },
      { hours: '12:00-24:00', members: ['b'] },
    ],
  }
  expect(who(roster, '2026-06-01T07:59:59+08:00')).toBe('')
  expect(who(roster, '2026-06-01T08:00:00+08:00')).toBe('a')
  expect(who(roster, '2026-06-01T12:00:00+08:00')).toBe('b')
  expect(who(roster, '2026-06-01T23:59:59+08:00')).toBe('b')
  expect(who(roster, '2026-06-02T00:00:00+08:00')).toBe('')
})

test('a shift over midnight belongs to the day that it begins on', () => {
  // 2026-06-05 is a Friday.
  const roster = { shifts: [{ days: ['fri' as const], hours: '20:00-08:00', members: ['a'] }] }
  expect(who(roster, '2026-06-05T07:00:00+08:00')).toBe('')
  expect(who(roster, '2026-06-05T20:00:00+08:00')).toBe('a')
  expect(who(roster, '2026-06-06T07:59:00+08:00')).toBe('a')
  expect(who(roster, '2026-06-06T08:00:00+08:00')).toBe('')
  expect(who(roster, '2026-06-06T20:00:00+08:00')).toBe('')
})

describe('the calendar decides what is a workday', () => {
  const roster = {
    shifts: [
      { days: ['workday' as const], hours: '08:00-18:00', members: ['a'] },
      { days: ['holiday' as const], hours: '08:00-18:00', members: ['b'] },
    ],
  }
  const calendar = { holidays: [{ from: '2026-10-01', to: '2026-10-07' }], workdays: ['2026-10-10'] }
  test.each([
    ['a Wednesday', '2026-09-30', 'a'],
    ['the first day of a holiday', '2026-10-01', 'b'],
    ['the last one', '2026-10-07', 'b'],
    ['the day after', '2026-10-08', 'a'],
    ['a Saturday on which people work', '2026-10-10', 'a'],
    ['a Sunday', '2026-10-11', 'b'],
  ])('%s', (_, date, expected) => {
    expect(who(roster, `${date}T12:00:00+08:00`, calendar)).toBe(expected)
  })
})

describe('exceptions', () => {
  const shifts = [{ hours: '20:00-08:00', members: ['a', 'b'] }]
  const on = (exception: NonNullable<Roster['exceptions']>[number], instant: string) =>
    who({ shifts, exceptions: [exception] }, instant)

  test('other shifts stand in for those that begin on the date', () => {
    const exception = { from: '2026-06-02', shifts: [{ hours: '20:00-24:00', members: ['c'] }] }
    expect(on(exception, '2026-06-02T01:00:00+08:00')).toBe('ab')
    expect(on(exception, '2026-06-02T21:00:00+08:00')).toBe('c')
    expect(on(exception, '2026-06-03T01:00:00+08:00')).toBe('')
    expect(on(exception, '2026-06-03T21:00:00+08:00')).toBe('ab')
  })

  test('an empty list means nobody', () => {
    expect(on({ from: '2026-06-02', to: '2026-06-03', shifts: [] }, '2026-06-03T21:00:00+08:00')).toBe('')
  })

  test('who is away is not there from midnight to midnight', () => {
    const exception = { from: '2026-06-02', away: ['a'] }
    expect(on(exception, '2026-06-01T23:59:00+08:00')).toBe('ab')
    expect(on(exception, '2026-06-02T00:00:00+08:00')).toBe('b')
    expect(on(exception, '2026-06-03T00:00:00+08:00')).toBe('ab')
  })

  test('of several the last one counts, and everybody who is away', () => {
    const exceptions = [
      { from: '2026-06-01', to: '2026-06-30', shifts: [{ hours: '00:00-24:00', members: ['a', 'b'] }] },
      { from: '2026-06-02', shifts: [{ hours: '00:00-24:00', members: ['b', 'c'] }] },
      { from: '2026-06-02', away: ['b'] },
    ]
    expect(who({ shifts, exceptions }, '2026-06-02T12:00:00+08:00')).toBe('c')
    expect(who({ shifts, exceptions }, '2026-06-03T12:00:00+08:00')).toBe('ab')
  })
})

test('two shifts that share a boundary leave no minute and double none', () => {
  const hour = fc.integer({ min: 0, max: 23 })
  fc.assert(
    fc.property(hour, hour, fc.nat(4_102_444_800_000), (first, second, now) => {
      fc.pre(first !== second)
      const [from, to] = [first, second].map((hour) => `${String(hour).padStart(2, '0')}:00`)
      const shifts = [
        { hours: `${from}-${to}`, members: ['a'] },
        { hours: `${to}-${from}`, members: ['b'] },
      ]
      expect(onDuty({ members, shifts }, {}, localMinute(now))).toHaveLength(1)
    }),
  )
})

test('dates count over months and leap years', () => {
  expect(dateAfter('2028-02-28', 1)).toBe('2028-02-29')
  expect(dateAfter('2026-01-01', -1)).toBe('2025-12-31')
})
