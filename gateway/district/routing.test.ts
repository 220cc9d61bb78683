import { describe, expect, test } from 'vitest'
import type { District } from '../model/district.ts'
import { levelAbove, startLevel, streetsOf, teamFor } from './routing.ts'

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
    expect(teamFor(district, { category, street, grid }, level).id).toBe(team)
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
