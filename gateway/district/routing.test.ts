import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LEVELS, TEAM_LEVELS, type District, type Team } from '../model/district.ts'
import { dutyStrength, localMinute } from './duty.ts'
import { levelAbove, serves, startLevel, streetsOf, teamFor } from './routing.ts'

const NOON = Date.parse('2026-06-01T12:00:00+08:00')
const NIGHT = Date.parse('2026-06-01T23:00:00+08:00')
const title = { en: 'x', zh: 'x' }
const district: District = {
  id: 'small',
  title,
  centre: [120, 32],
  streets: [
    { id: 'east', title, centre: [120, 32], grids: 3 },
    { id: 'west', title, centre: [120, 32], grids: 3 },
  ],
  teams: [
    { id: 'east-all', level: 'grid', title, streets: ['east'] },
    { id: 'east-fume', level: 'grid', title, streets: ['east'], categories: ['fume'] },
    { id: 'west-2', level: 'grid', title, grids: ['west-002'] },
    { id: 'east-street', level: 'street', title, streets: ['east'] },
    { id: 'west-river', level: 'street', title, streets: ['west'], categories: ['river'] },
    { id: 'centre', level: 'district', title },
    { id: 'divers', level: 'district', title, categories: ['river'] },
  ],
  categories: { drone: { title, starts: 'district' }, river: { title, starts: 'street' }, waste: { title } },
}

describe('category × grid → crew → street → district', () => {
  test.each([
    ['fume', 'east', 'east-001', 'grid', 'east-fume'],
    ['waste', 'east', 'east-001', 'grid', 'east-all'],
    ['fume', 'west', 'west-002', 'grid', 'west-2'],
    // no crew for the grid, and the street's team does not take fume
    ['fume', 'west', 'west-001', 'grid', 'centre'],
    ['river', 'west', 'west-001', 'grid', 'west-river'],
    ['fume', 'east', 'east-001', 'street', 'east-street'],
    ['river', 'east', 'east-001', 'district', 'divers'],
    ['fume', 'east', 'east-001', 'district', 'centre'],
    // a street that is not in the file: the district's team takes it
    ['fume', 'north', 'north-001', 'grid', 'centre'],
  ] as const)('%s in %s %s from %s up goes to %s', (category, street, grid, level, team) => {
    expect(teamFor(district, { category, street, grid }, level, NOON).id).toBe(team)
  })
})

test('a category starts at the grid unless the file says otherwise', () => {
  expect(startLevel(district, 'fume')).toBe('grid')
  expect(startLevel(district, 'waste')).toBe('grid')
  expect(startLevel(district, 'river')).toBe('street')
  expect(startLevel(district, 'drone')).toBe('district')
  expect(startLevel(district, 'toString')).toBe('grid')
})

test('the way up ends at the district', () => {
  expect(levelAbove('grid')).toBe('street')
  expect(levelAbove('street')).toBe('district')
  expect(levelAbove('district')).toBe('district')
})

test('a team knows of its own streets, one without streets of all, an unknown one of none', () => {
  expect(streetsOf(district, 'east-fume')).toEqual(['east'])
  expect(streetsOf(district, 'centre')).toEqual(['east', 'west'])
  expect(streetsOf(district, 'nobody')).toEqual([])
})

/** As many people as their name says, by day. */
const byDay = (people: number, hours = '08:00-18:00'): Pick<Team, 'roster'> => {
  const members = Array.from({ length: people }, (_, index) => ({
    id: `m${index}`,
    name: `示例${index}`,
    phone: `1380000${String(index).padStart(4, '0')}`,
  }))
  return { roster: { members, shifts: [{ hours, members: members.map(({ id }) => id) }] } }
}

describe('by duty roster and load', () => {
  const place = { category: 'fume', street: 'east', grid: 'east-001' }
  const crews = (...teams: readonly (Partial<Team> & { id: string })[]): District => ({
    ...district,
    teams: [
      ...teams.map((team) => ({ level: 'grid' as const, title, ...team })),
      { id: 'street', level: 'street', title },
      { id: 'centre', level: 'district', title },
    ],
  })
  const sent = (of: District, now: number, cases: Readonly<Record<string, number>> = {}) =>
    teamFor(of, place, 'grid', now, (team) => cases[team] ?? 0).id

  test('who is on duty comes before who names the category', () => {
    const of = crews({ id: 'fume', categories: ['fume'], ...byDay(2) }, { id: 'all' })
    expect(sent(of, NOON)).toBe('fume')
    expect(sent(of, NIGHT)).toBe('all')
  })

  test('nobody on duty at a level: one level up', () => {
    expect(sent(crews({ id: 'crew', ...byDay(2) }), NIGHT)).toBe('street')
  })

  test('nobody on duty anywhere: the district answers for it', () => {
    const of: District = {
      ...district,
      teams: [
        { id: 'crew', level: 'grid', title, ...byDay(1) },
        { id: 'centre', level: 'district', title, ...byDay(1) },
      ],
    }
    expect(sent(of, NIGHT)).toBe('centre')
  })

  test('fewest cases for each person on duty; the order of the file among equals', () => {
    const of = crews({ id: 'two', ...byDay(2) }, { id: 'four', ...byDay(4) })
    expect(sent(of, NOON)).toBe('two')
    expect(sent(of, NOON, { two: 2, four: 4 })).toBe('two')
    expect(sent(of, NOON, { two: 2, four: 3 })).toBe('four')
    expect(sent(of, NOON, { two: 3, four: 7 })).toBe('two')
  })

  test('who names the category is sent however much it has to do', () => {
    const of = crews({ id: 'all' }, { id: 'fume', categories: ['fume'] })
    expect(sent(of, NOON, { fume: 99 })).toBe('fume')
  })

  test('nothing is counted where there is no choice', () => {
    const load = () => {
      throw new Error('counted')
    }
    expect(teamFor(crews({ id: 'crew' }), place, 'grid', NOON, load).id).toBe('crew')
  })
})

describe('whatever the teams, the hour and the load', () => {
  const some = <T>(values: fc.Arbitrary<T>) =>
    fc.option(fc.uniqueArray(values, { maxLength: 2 }), { nil: undefined })
  const team = fc
    .record({
      level: fc.constantFrom(...TEAM_LEVELS),
      streets: some(fc.constantFrom('east', 'west')),
      grids: some(fc.constantFrom('east-001', 'west-001')),
      categories: some(fc.constantFrom('fume', 'river')),
      people: fc.option(fc.integer({ min: 1, max: 3 })),
      hours: fc.constantFrom('00:00-24:00', '08:00-20:00', '20:00-08:00', '12:00-12:01'),
    })
    .map(({ people, hours, ...team }) => ({ ...team, title, ...(people !== null && byDay(people, hours)) }))
  const teams = fc
    .array(team, { maxLength: 8 })
    .map((made) => [
      ...made.map((team, index) => ({ id: `t${index}`, ...team }) as Team),
      { id: 'centre', level: 'district' as const, title, ...byDay(1) },
    ])
  const asked = {
    teams,
    place: fc.record({
      category: fc.constantFrom('fume', 'river', 'waste'),
      street: fc.constantFrom('east', 'west', 'north'),
      grid: fc.constantFrom('east-001', 'west-001', 'north-001'),
    }),
    level: fc.constantFrom(...LEVELS),
    now: fc.integer({ min: 0, max: 4_102_444_800_000 }),
    cases: fc.dictionary(fc.constantFrom('t0', 't1', 't2', 't3', 'centre'), fc.nat(5)),
  }

  test('there is a team, no department, at the level or above it, that serves the case; and always the same', () => {
    fc.assert(
      fc.property(fc.record(asked), ({ teams, place, level, now, cases }) => {
        const of = { ...district, teams }
        const route = () => teamFor(of, place, level, now, (id) => cases[id] ?? 0)
        const team = route()
        expect(team.level).not.toBe('department')
        expect(LEVELS.indexOf(team.level)).toBeGreaterThanOrEqual(LEVELS.indexOf(level))
        expect(serves(team, place)).toBe(true)
        expect(route()).toBe(team)
      }),
    )
  })

  test('who is off duty is sent only where nobody who could be is on', () => {
    fc.assert(
      fc.property(fc.record(asked), ({ teams, place, level, now }) => {
        const of = { ...district, teams }
        const at = localMinute(now)
        const team = teamFor(of, place, level, now)
        if (dutyStrength(team, of, at) > 0) return
        const others = teams.filter(
          (other) =>
            other.level !== 'department' &&
            LEVELS.indexOf(other.level) >= LEVELS.indexOf(level) &&
            serves(other, place),
        )
        expect(others.filter((other) => dutyStrength(other, of, at) > 0)).toEqual([])
      }),
    )
  })
})
