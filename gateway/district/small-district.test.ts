import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { alarm, MINUTE, rule, Stage, user } from '../dispatch/test-stage.ts'
import { loadDistrict } from './district.ts'

/** Dispatch as it runs in any district, in one that has nothing in common with the built-in one. */
const harbour = loadDistrict(fileURLToPath(new URL('districts/harbour.yaml', import.meta.url)))
const HOUR = 60 * MINUTE
/** A Tuesday. */
const NOON = Date.parse('2026-09-15T12:00:00+08:00')

let stage: Stage
beforeEach(() => {
  stage = new Stage(undefined, false, harbour)
  stage.clock.time = NOON
})
afterEach(async () => stage.close())

/** The case of an alarm at a site in a grid, now. */
function opened(site: string, grid: string, category = 'cooking-fume'): string {
  const street = grid.startsWith('quayside') ? 'quayside' : 'oldtown'
  const found = alarm({ id: `a-${site}`, site, street, grid, startedAt: stage.clock.time })
  stage.queue.record(found, { ...rule, dispatch: { ...rule.dispatch!, category } }, stage.clock.time)
  return stage.alarms.get(found.id)!.case!
}
const teamOf = (id: string) => stage.case(id).team
const act = (id: string, action: 'accept' | 'return' | 'assign', more: object = {}) =>
  stage.queue.act(id, user('admin'), { action, ...more })

test('a crew of its own grid, a street that is a level, a category that starts at the top', () => {
  expect(teamOf(opened('lamp', 'lighthouse'))).toBe('lighthouse-keeper')
  expect(teamOf(opened('well', 'temple'))).toBe('temple-crew')
  expect(teamOf(opened('creek', 'lighthouse', 'river-quality'))).toBe('oldtown-street')
  expect(teamOf(opened('tide', 'quayside-001', 'flood'))).toBe('harbour-master')
})

test('cases are shared by what each crew has to do for each of its people', () => {
  // One person on duty in the east, two in the west.
  const teams = ['a', 'b', 'c', 'd', 'e', 'f'].map((site) => teamOf(opened(site, 'quayside-001')))
  expect(teams).toEqual(['quay-east', 'quay-west', 'quay-west', 'quay-east', 'quay-west', 'quay-west'])
})

test('what a crew has handed up is no work of it any more; what it has accepted stays its work', () => {
  const first = opened('a', 'quayside-001')
  expect(teamOf(first)).toBe('quay-east')
  act(first, 'return', { note: 'not ours' })
  expect(teamOf(first)).toBe('quayside-street')
  const second = opened('b', 'quayside-001')
  expect(teamOf(second)).toBe('quay-east')
  expect(act(second, 'accept')).toMatchObject({ type: 'ok' })
  stage.clock.time += HOUR
  stage.queue.checkDeadlines()
  expect(teamOf(second)).not.toBe('quay-east')
  expect(teamOf(opened('c', 'quayside-001'))).toBe('quay-west')
})

test('on a day with other shifts the others stand in; with nobody there the street does', () => {
  stage.clock.time = Date.parse('2026-10-01T12:00:00+08:00')
  expect(teamOf(opened('a', 'quayside-001'))).toBe('quay-west')
  expect(teamOf(opened('b', 'quayside-001'))).toBe('quay-west')
})

test('a deadline sends it up to whoever is there', () => {
  const id = opened('a', 'quayside-002')
  const way = [teamOf(id)]
  for (const minute of [8, 10]) {
    stage.clock.time = NOON + minute * MINUTE
    stage.queue.checkDeadlines()
    way.push(teamOf(id))
  }
  expect(way).toEqual(['quay-east', 'quayside-street', 'harbour-master'])
})

test('no case is assigned to a department: it is whistled for', () => {
  const id = opened('a', 'quayside-001')
  act(id, 'return', { note: 'not ours' })
  expect(act(id, 'assign', { team: 'inspectorate' })).toMatchObject({ type: 'invalid', field: 'team' })
  expect(act(id, 'assign', { team: 'quay-west' })).toMatchObject({ type: 'ok' })
})
