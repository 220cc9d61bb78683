import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ACTIONS } from '../model/case.ts'
import { Supervision, type SupervisionPlace } from './supervision.ts'
import { admin, alarm, device, MINUTE, NOON, rule, Stage } from './test-stage.ts'

let stage: Stage
let supervision: Supervision
beforeEach(() => {
  stage = new Stage()
  supervision = new Supervision(stage.database)
})
afterEach(async () => stage.close())

/** Cases of the sites, queued so many minutes after noon, as they are 21 minutes after it. */
function queued(...minutes: number[]): string[] {
  const ids = minutes.map((minute) => {
    const at = NOON + minute * MINUTE
    stage.clock.time = at
    stage.queue.record(alarm({ id: `a${minute}`, site: `s${minute}`, startedAt: at }), rule, at)
    return stage.alarms.get(`a${minute}`)!.case!
  })
  stage.clock.time = NOON + 21 * MINUTE
  stage.queue.checkDeadlines()
  return ids
}
const sites = (filter = {}) => supervision.list(filter, stage.clock.now(), 100).items.map((one) => one.site)

test('supervised ones come first, then red, yellow, blue, each the longest overdue first; the rest not at all', () => {
  const [, , , fresh, freshToo] = queued(0, 10, 13, 20, 19, 11)
  expect(sites()).toEqual(['s0', 's10', 's11', 's13'])
  stage.queue.act(fresh!, admin, { action: 'supervise' })
  expect(sites()).toEqual(['s0', 's20', 's10', 's11', 's13'])
  expect(supervision.counts({})).toEqual({ supervised: 2, red: 1, yellow: 2, blue: 1 })
  const items = supervision.list({}, stage.clock.now(), 100).items
  expect(items[0]).toMatchObject({
    supervised: true,
    deadlineColour: 'red',
    level: 'district',
    team: 'fume-team',
    clock: 'respond',
    dueAt: NOON + 10 * MINUTE,
    overdueMs: 11 * MINUTE,
  })
  expect(items.at(-1)).toMatchObject({ deadlineColour: 'blue', overdueMs: -2 * MINUTE, level: 'street' })
  expect(sites({ deadlineColour: 'yellow' })).toEqual(['s10', 's11'])
  expect(sites({ level: 'street' })).toEqual(['s13'])
  expect(sites({ streets: ['xingfu'] })).toEqual([])
  expect(supervision.counts({ streets: [] })).toEqual({ supervised: 0, red: 0, yellow: 0, blue: 0 })
  expect(stage.cases.get(freshToo!)!.deadlineColour).toBe('none')
})

test('what is done, or over, is on the list no more', () => {
  const [id] = queued(10)
  expect(sites()).toEqual(['s10'])
  for (const action of ['accept', 'arrive', 'handle'] as const)
    stage.queue.act(id!, admin, { action, position: device.position! })
  expect(sites()).toEqual([])
  stage.queue.act(id!, admin, { action: 'supervise' })
  expect(supervision.list({}, stage.clock.now(), 1).items).toMatchObject([{ clock: null, overdueMs: null }])
  stage.queue.act(id!, admin, { action: 'void' })
  expect(sites()).toEqual([])
})

test('the list is kept by the database itself, whatever changes a case and in whatever order', () => {
  const ids = queued(0, 10, 13, 20)
  const kept = () => stage.database.sql.prepare('SELECT * FROM case_supervision').all()
  const due = () =>
    stage.database.sql
      .prepare(
        `SELECT listed, due_at, id AS case_id, street, team, crew, level FROM cases WHERE listed IS NOT NULL
          ORDER BY listed, due_at, id`,
      )
      .all()
  const position = device.position!
  const until = NOON + 100 * MINUTE
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...ACTIONS), fc.nat(9 * MINUTE)), {
        minLength: 20,
        maxLength: 20,
      }),
      (steps) => {
        for (const [id, action, later] of steps) {
          stage.clock.time += later
          stage.queue.act(id, admin, { action, position, note: 'x', code: 'confirmed', until })
          stage.queue.checkDeadlines()
          expect(kept()).toEqual(due())
        }
      },
    ),
    { numRuns: 5 },
  )
})

test('pages hold every case once', () => {
  queued(0, 1, 2, 10, 13, 14)
  const seen: string[] = []
  let after: SupervisionPlace | undefined
  do {
    const { items, next } = supervision.list({}, stage.clock.now(), 2, after)
    seen.push(...items.map((item) => item.site))
    after = next
  } while (after !== undefined)
  expect(seen).toEqual(sites())
  expect(seen).toHaveLength(5)
})
