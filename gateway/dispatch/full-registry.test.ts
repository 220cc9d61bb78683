/** The registry's disk is full at any moment: SQLite itself says so, for the file may grow no further. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { admin, alarm, MINUTE, NOON, rule, Stage } from './test-stage.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(async () => stage.close())

/** So many more pages and no further. */
function allow(pages: number): void {
  const { page_count: count } = stage.database.sql.prepare('PRAGMA page_count').get() as {
    page_count: number
  }
  stage.database.sql.exec(`PRAGMA max_page_count = ${count + pages}`)
}

const heal = () => stage.database.sql.exec('PRAGMA max_page_count = 1000000')
const full = /database or disk is full/
const note = 'x'.repeat(1500)
/** All that the tables hold, to see that nothing of a failed change is left. */
const everything = () =>
  ['alarms', 'alarm_changes', 'cases', 'case_timeline', 'case_alarms', 'case_actions', 'case_orders'].map(
    (table) => stage.database.sql.prepare(`SELECT * FROM ${table}`).all(),
  )

test.each([0, 1, 2, 3, 4, 5])(
  'an alarm that cannot be recorded, %d pages before the end, leaves nothing and is told to nobody',
  async (pages) => {
    allow(pages)
    let recorded = 0
    const failing = vi.fn<() => void>()
    for (let i = 0; failing.mock.calls.length === 0 && i < 2000; i++) {
      const before = everything()
      const told = stage.publisher.told.length
      try {
        stage.queue.record(alarm({ id: `a${i}`, site: `s${i}` }), rule, NOON)
        recorded++
      } catch (error) {
        expect(String(error)).toMatch(full)
        failing()
        expect(everything()).toEqual(before)
        expect(stage.publisher.told).toHaveLength(told)
        heal()
        stage.queue.record(alarm({ id: `a${i}`, site: `s${i}` }), rule, NOON)
        recorded++
      }
    }
    expect(failing).toHaveBeenCalledOnce()
    const cases = stage.cases.list({}, 5000).items
    expect(cases.map(({ site }) => site).sort()).toEqual(
      Array.from({ length: recorded }, (_, i) => `s${i}`).sort(),
    )
    await vi.waitFor(() => expect(stage.publisher.retained().size).toBe(recorded))
  },
)

test('an action that cannot be stored has not happened, and can be sent again', () => {
  const id = stage.opened()
  allow(0)
  const act = (number: number) =>
    stage.queue.act(id, admin, { action: 'supervise', actionId: `a${number}`, note })
  let done = 0
  expect(() => {
    for (; done < 100; done++) act(done)
  }).toThrow(full)
  expect(stage.case(id).timeline).toHaveLength(2 + done)
  heal()
  expect(act(done).type).toBe('ok')
  expect(act(done).type).toBe('ok')
  expect(stage.case(id).timeline).toHaveLength(3 + done)
})

test('deadlines that cannot be stored are checked again until they are, and the stage is not well meanwhile', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    for (let i = 0; i < 60; i++) stage.queue.record(alarm({ id: `a${i}`, site: `s${i}` }), rule, NOON)
    await stage.queue.start()
    expect(stage.queue.health().ready).toBe(true)
    stage.clock.time += 16 * MINUTE
    allow(0)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(stage.queue.health()).toEqual({ ready: false, detail: expect.stringMatching(full) })
    expect(stage.cases.list({}, 100).items.map((found) => found.deadlineColour)).not.toContain('blue')
    heal()
    // Some at a time, one after the other.
    await vi.advanceTimersByTimeAsync(10_100)
    expect(stage.cases.list({}, 100).items.map((found) => found.deadlineColour)).not.toContain('none')
    expect(stage.queue.health().ready).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})
