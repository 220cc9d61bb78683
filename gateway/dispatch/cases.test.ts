import { afterEach, beforeEach, expect, test } from 'vitest'
import { admin, alarm, NOON, rule, Stage } from './test-stage.ts'
import { noted } from './life.ts'

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
  [{}, 'cases_by_time'],
])('a list by %j goes through %s, in its order, and sorts nothing', (filter, index) => {
  const asked: string[] = []
  const { sql } = stage.database
  const prepare = sql.prepare.bind(sql)
  sql.prepare = (text) => (asked.push(text), prepare(text))
  stage.cases.list(filter, 10)
  const text = asked.find((each) => each.includes('ORDER BY'))!
  const count = text.split('?').length - 1
  const plan = prepare(`EXPLAIN QUERY PLAN ${text}`).all(...Array.from({ length: count }, () => 'x'))
  const steps = plan.map((row) => row['detail'] as string).join('; ')
  expect(steps).toContain(index)
  expect(steps).not.toContain('TEMP B-TREE')
})
