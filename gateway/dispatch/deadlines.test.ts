import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { admin, alarm, crew, device, MINUTE, NOON, rule, Stage } from './test-stage.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(async () => stage.close())

function look(minutes: number): void {
  stage.clock.time = NOON + minutes * MINUTE
  stage.queue.checkDeadlines()
}
const notes = (id: string) =>
  stage
    .case(id)
    .timeline.slice(2)
    .map((entry) => [entry.at, entry.action, entry.team])

test('at each deadline colour a case that nobody accepts goes one level up', () => {
  const id = stage.opened()
  look(7)
  expect(stage.case(id)).toMatchObject({ deadlineColour: 'none', team: 'tangzhazhen-crew', version: 1 })
  look(7.5)
  expect(stage.case(id)).toMatchObject({ deadlineColour: 'blue', team: 'tangzhazhen-team', version: 2 })
  look(10)
  expect(stage.case(id)).toMatchObject({ deadlineColour: 'yellow', team: 'fume-team', version: 3 })
  look(20)
  expect(stage.case(id)).toMatchObject({ deadlineColour: 'red', team: 'fume-team', state: 'dispatched' })
  expect(notes(id)).toEqual([
    [NOON + 7.5 * MINUTE, 'deadline_blue', 'tangzhazhen-team'],
    [NOON + 10 * MINUTE, 'deadline_yellow', 'fume-team'],
    [NOON + 20 * MINUTE, 'deadline_red', undefined],
    [NOON + 20 * MINUTE, 'supervise', undefined],
  ])
  expect(stage.case(id)).toMatchObject({ supervised: true })
  expect(stage.case(id).timeline[2]).toMatchObject({ clock: 'respond' })
})

test('looking twice, or looking while nothing is due, changes nothing', () => {
  const id = stage.opened()
  look(8)
  const before = stage.case(id)
  look(8)
  look(9)
  // the wall clock is set back
  look(1)
  expect(stage.case(id)).toEqual(before)
})

test('after a long pause each colour that passed is noted, once', async () => {
  const id = stage.opened()
  const heir = stage.afterCrash()
  heir.clock.time = NOON + 60 * MINUTE
  heir.queue.checkDeadlines()
  heir.queue.checkDeadlines()
  expect(heir.case(id)).toMatchObject({ deadlineColour: 'red', team: 'fume-team' })
  expect(
    heir
      .case(id)
      .timeline.map((entry) => entry.action)
      .slice(2),
  ).toEqual(['deadline_blue', 'deadline_yellow', 'deadline_red', 'supervise'])
  await heir.close()
})

test('the crew that accepted stays on the case while it goes up', () => {
  const id = stage.opened()
  look(8)
  const street = { ...crew, team: 'tangzhazhen-team' }
  expect(stage.queue.act(id, street, { action: 'accept' })).toMatchObject({ type: 'ok' })
  // the clock to arrive runs now: 20 minutes from the start
  expect(stage.case(id).deadlineColour).toBe('none')
  look(15)
  expect(stage.case(id)).toMatchObject({
    deadlineColour: 'blue',
    state: 'accepted',
    team: 'fume-team',
    crew: 'tangzhazhen-team',
  })
  const arrive = { action: 'arrive', position: device.position! } as const
  expect(stage.queue.act(id, street, arrive)).toMatchObject({ type: 'ok' })
})

test('a case that waits to be assigned is assigned by its next deadline', () => {
  const id = stage.opened()
  stage.queue.act(id, crew, { action: 'return', note: 'not ours' })
  look(8)
  expect(stage.case(id)).toMatchObject({ state: 'dispatched', team: 'fume-team' })
})

test('an action that is late does not hide the colour that is due', () => {
  const id = stage.opened()
  stage.clock.time = NOON + 11 * MINUTE
  stage.queue.act(id, admin, { action: 'supervise' })
  stage.queue.checkDeadlines()
  expect(stage.case(id).deadlineColour).toBe('yellow')
})

test('an extension takes the colour back', () => {
  const id = stage.opened()
  look(12)
  expect(stage.case(id).deadlineColour).toBe('yellow')
  stage.queue.act(id, admin, { action: 'extend', until: NOON + 100 * MINUTE })
  expect(stage.case(id)).toMatchObject({ deadlineColour: 'none', respondBy: NOON + 100 * MINUTE })
  look(75)
  expect(stage.case(id).deadlineColour).toBe('blue')
})

test('a handled case has no clock left and keeps its colour', () => {
  const id = stage.opened()
  for (const action of ['accept', 'arrive', 'handle'] as const) {
    stage.queue.act(id, admin, { action, position: device.position! })
  }
  look(100_000)
  expect(stage.case(id)).toMatchObject({ state: 'handled', deadlineColour: 'none' })
})

test('many cases that are due at once are all dealt with, some at a time', () => {
  for (let i = 0; i < 50; i++) stage.queue.record(alarm({ id: `a${i}`, site: `s${i}` }), rule, NOON)
  const due = () => stage.cases.due(stage.clock.now(), 1_000).length
  stage.clock.time = NOON + 8 * MINUTE
  const left = [due()]
  while (due() > 0) {
    stage.queue.checkDeadlines()
    left.push(due())
  }
  expect(left).toEqual([50, 30, 10, 0])
})

describe('the timer', () => {
  const quick = { ...rule, dispatch: { ...rule.dispatch!, respond: '40ms', arrive: '10s', resolve: '10s' } }

  test('needs nobody to look: the colours come up on their own, also after a restart', async () => {
    stage.clock.now = () => Date.now()
    const heir = stage.afterCrash()
    heir.clock.now = () => Date.now()
    await stage.queue.start()
    stage.queue.record(alarm({ startedAt: Date.now() }), quick, Date.now())
    const colour = (of: Stage) => of.cases.list({}, 1).items[0]?.deadlineColour
    await vi.waitUntil(() => colour(stage) === 'red', { timeout: 10_000, interval: 5 })

    heir.queue.record(alarm({ startedAt: Date.now() }), quick, Date.now() - 10_000)
    expect(colour(heir)).toBe('none')
    await heir.queue.start()
    await vi.waitUntil(() => colour(heir) === 'red', { timeout: 10_000, interval: 5 })
    await heir.close()
  })

  test('notices within seconds that the wall clock has jumped', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const id = stage.opened()
      await stage.queue.start()
      stage.clock.time += 60 * MINUTE
      vi.advanceTimersByTime(10_000)
      expect(stage.case(id).deadlineColour).toBe('red')
    } finally {
      vi.useRealTimers()
    }
  })

  test('goes on after a disk that failed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const id = stage.opened()
      await stage.queue.start()
      stage.clock.time += 60 * MINUTE
      const broken = vi.spyOn(stage.cases, 'save').mockImplementation(() => {
        throw new Error('disk full')
      })
      vi.advanceTimersByTime(10_000)
      expect(stage.case(id).deadlineColour).toBe('none')
      broken.mockRestore()
      vi.advanceTimersByTime(10_000)
      expect(stage.case(id).deadlineColour).toBe('red')
    } finally {
      vi.useRealTimers()
    }
  })

  test('rests after a stop', async () => {
    stage.clock.now = () => Date.now()
    const id = stage.opened()
    await stage.queue.start()
    await stage.queue.stop()
    await stage.queue.stop()
    expect(stage.case(id).version).toBe(1)
  })
})
