import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Case, CaseState } from '../model/case.ts'
import { noted } from './life.ts'
import type { Page, Place } from './selection.ts'
import { admin, alarm, crew, MINUTE, NOON, rule, Stage, user } from './test-stage.ts'

let stage: Stage
beforeEach(() => void (stage = new Stage()))
afterEach(() => stage.close())

function opens(number: number): string {
  stage.queue.record(alarm({ id: `a-${number}`, site: `site-${number}` }), rule, NOON + number)
  return stage.alarms.get(`a-${number}`)!.case!
}

test('a page shows each case as it is by itself, and of a long story the end', () => {
  const ids = [1, 2, 3].map(opens)
  stage.queue.record(alarm({ id: 'joins', device: 'fume-2', site: 'site-2' }), rule, NOON + 9)
  stage.queue.act(ids[0]!, admin, { action: 'accept' })
  for (let i = 0; i < 60; i++) stage.queue.annotate(ids[2]!, noted(NOON + i, `note_${i}`))
  const { items } = stage.cases.list({}, 10)
  expect(items.slice(1)).toEqual([stage.case(ids[1]!), stage.case(ids[0]!)])
  const whole = stage.case(ids[2]!)
  expect(items[0]).toEqual({ ...whole, timeline: whole.timeline.slice(-50), earlier: 12 })
  expect(stage.cases.list({ site: 'nowhere' }, 10)).toEqual({ items: [] })
})

test.each([
  [{ site: 'x' }, 'cases_by_site'],
  [{ category: 'x' }, 'cases_by_category'],
  [{ family: 'x' }, 'cases_by_family'],
  [{ states: ['suspended'] as const }, 'cases_by_state'],
  [{ open: true, streets: ['x'] }, 'cases_open_by_street'],
  [{ streets: ['x'] }, 'cases_by_street'],
  [{ team: 'x' }, 'case_readers USING PRIMARY KEY'],
  [{ open: true, reader: 'x' }, 'case_readers_open'],
  [{ proposal: 'verify' as const }, 'cases_open'],
  [{ severity: 'red' as const, supervised: true }, 'cases_by_time'],
  [{}, 'cases_by_time'],
])('a list by %j goes through %s, in its order, and sorts nothing', (filter, index) => {
  const asked: string[] = []
  const { sql } = stage.database
  const prepare = sql.prepare.bind(sql)
  sql.prepare = (text) => (asked.push(text), prepare(text))
  stage.cases.list(filter, 10)
  const text = asked.find((each) => each.includes('CROSS JOIN cases'))!
  const count = text.split('?').length - 1
  const plan = prepare(`EXPLAIN QUERY PLAN ${text}`).all(...Array.from({ length: count }, () => 'x'))
  const steps = plan.map((row) => row['detail'] as string).join('; ')
  expect(steps).toContain(index)
  expect(steps).not.toContain('TEMP B-TREE')
  // What does not fit is passed over without being looked up.
  expect(steps).toMatch(/COVERING INDEX|case_readers USING PRIMARY KEY/)
})

test('whatever a list is asked for, its pages together are what fits, newest first', async () => {
  const ids: string[] = []
  const crews = [admin, user('team', { name: 'w', team: 'wenfeng-crew' }), crew]
  for (let number = 0; number < 60; number++) {
    stage.clock.time = NOON + number * 1000 * (1 + (number % 2))
    const street = number % 3 === 0 ? 'wenfeng' : 'tangzhazhen'
    const severity = number % 4 === 0 ? 'red' : 'orange'
    const more = { severity, street, grid: `${street}-001`, site: `site-${number % 50}` } as const
    stage.queue.record(
      alarm({ id: `a-${number}`, ...more }),
      { ...rule, ...(number % 5 === 0 && { family: 'f' }) },
      stage.clock.time,
    )
    const id = stage.alarms.get(`a-${number}`)!.case!
    if (!ids.includes(id)) ids.push(id)
    const by = crews[number % 3]!
    const steps = ['accept', 'arrive', 'handle', 'verify', 'close'] as const
    for (const action of steps.slice(0, number % 7))
      stage.queue.act(id, action === 'verify' || action === 'close' ? admin : by, {
        action,
        position: [120.82, 32.06],
        code: 'confirmed',
      })
    if (number % 6 === 0) stage.queue.act(id, admin, { action: 'supervise' })
    if (number % 8 === 0) stage.queue.act(id, admin, { action: 'void', note: '' })
    if (number % 10 === 1)
      stage.queue.record(
        alarm({ id: `a-${number}`, ...more, state: 'cleared', clearedAt: stage.clock.time }),
        rule,
        stage.clock.time,
      )
  }
  stage.clock.time += 9 * MINUTE
  stage.queue.settle()
  const all = ids
    .map((id) => stage.case(id))
    .sort((a, b) => b.queuedAt - a.queuedAt || (a.id < b.id ? 1 : -1))
  const isOpen = ({ state }: Case) => state !== 'closed' && state !== 'void'
  const optional = <T>(...values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined })
  const wanted = fc.record({
    open: optional(true, false),
    states: optional<readonly CaseState[]>(['dispatched'], ['void'], ['accepted', 'closed'], ['handled']),
    severity: optional('red' as const, 'orange' as const, 'blue' as const),
    deadlineColour: optional('none' as const, 'blue' as const),
    supervised: optional(true, false),
    proposal: optional('verify' as const, 'normal' as const),
    family: optional('fume-over-limit', 'f'),
    category: optional('cooking-fume', 'air'),
    site: optional('site-3', 'site-20'),
    streets: optional(['wenfeng'], ['wenfeng', 'tangzhazhen'], []),
    team: optional('wenfeng-crew', 'tangzhazhen-crew', 'wenfeng-street'),
    reader: optional('wenfeng-crew', 'tangzhazhen-street'),
    from: optional(NOON + 9000),
    to: optional(NOON + 40_000),
  })
  await fc.assert(
    fc.asyncProperty(wanted, fc.constantFrom(1, 7, 100), async (filter, limit) => {
      const fits = all.filter(
        (found) =>
          (filter.open === undefined || isOpen(found) === filter.open) &&
          filter.states?.includes(found.state) !== false &&
          (filter.severity ?? found.severity) === found.severity &&
          (filter.deadlineColour ?? found.deadlineColour) === found.deadlineColour &&
          (filter.supervised ?? found.supervised) === found.supervised &&
          (filter.proposal ?? found.proposal) === found.proposal &&
          (filter.family ?? found.family) === found.family &&
          (filter.category ?? found.category) === found.category &&
          (filter.site ?? found.site) === found.site &&
          filter.streets?.includes(found.street) !== false &&
          (filter.team === undefined || [found.team, found.crew].includes(filter.team)) &&
          (filter.reader === undefined || found.teams.includes(filter.reader)) &&
          found.queuedAt >= (filter.from ?? 0) &&
          found.queuedAt < (filter.to ?? Infinity),
      )
      const seen: string[] = []
      for (let next: Place | undefined, pages = 0; pages < 100; pages++) {
        const page = stage.cases.list(filter, limit, next)
        seen.push(...page.items.map(({ id }) => id))
        next = page.next
        if (next === undefined) break
      }
      expect(seen).toEqual(fits.map(({ id }) => id))
    }),
    { numRuns: 300 },
  )
})

test('a list that finds little among very many goes on with the next page', () => {
  const id = opens(1)
  stage.queue.act(id, admin, { action: 'supervise' })
  const { sql } = stage.database
  sql.exec('PRAGMA foreign_keys = OFF')
  const columns = sql
    .prepare('PRAGMA table_info(cases)')
    .all()
    .map((row) => row['name'] as string)
  const changed: Record<string, string> = {
    id: `'x-' || value`,
    site: `'x-' || value`,
    queued_at: `queued_at + value`,
    supervised: '0',
    facets: `facets & ~256`,
  }
  sql.exec(`WITH RECURSIVE series (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM series WHERE value < 21000)
    INSERT INTO cases (${columns.join(', ')})
    SELECT ${columns.map((column) => changed[column] ?? column).join(', ')}
    FROM cases, series`)
  const pages: Page<Case>[] = []
  do pages.push(stage.cases.list({ open: true, supervised: true }, 10, pages.at(-1)?.next))
  while (pages.at(-1)!.next !== undefined)
  expect(pages.map(({ items }) => items.map((found) => found.id))).toEqual([[], [id]])
  // Of two columns the narrower one leads: the rare street at once, among as many of its category.
  sql.exec(`UPDATE cases SET street = 'rare' WHERE id = '${id}'`)
  expect(stage.cases.list({ category: 'cooking-fume', streets: ['rare'] }, 10).items).toHaveLength(1)
})
