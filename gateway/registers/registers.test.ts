import * as fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { admin, crew, MINUTE, NOON, Stage, user } from '../dispatch/test-stage.ts'
import { loadDistrict } from '../district/district.ts'
import type { Position } from '../model/reading.ts'
import { Audit } from '../registry/audit.ts'
import { Registers } from './registers.ts'
import { CLEANING } from './purifiers.ts'

const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const HERE: Position = [120.8239, 32.0616]
/** 1° of latitude is 111.2 km: some 445 m to the north. */
const AWAY: Position = [120.8239, 32.0656]
const PLACE = { street: 'tangzhazhen', grid: 'tangzhazhen-001' }
const KITCHEN = { ...PLACE, site: 'kitchen-1', title: '一号厨房', position: HERE, everyMs: 30 * DAY }

let stage: Stage
let registers: Registers
let reminders: string[]
beforeEach(() => {
  stage = new Stage()
  registers = over(stage)
})
afterEach(async () => {
  await registers.stop()
  await stage.close()
})

function over({ database, cases, queue, clock }: Stage): Registers {
  const audit = new Audit(database, clock)
  audit.load()
  const log = pino({ level: 'silent' })
  const made = new Registers({
    database,
    cases,
    queue,
    audit,
    clock,
    log,
    district: loadDistrict(),
    keepTracksMs: 90 * DAY,
  })
  reminders = []
  made.publishThrough({ publish: async (topic) => void reminders.push(topic) })
  return made
}

const cleaningCases = () => stage.cases.list({ family: CLEANING }, 1000).items

describe('the register of purifiers', () => {
  test('reminds before a cleaning is due, once, and opens a case when it is overdue, once', () => {
    registers.purifiers.put(KITCHEN, 'li')
    registers.settle()
    expect(registers.purifiers.get('kitchen-1')).toMatchObject({ state: 'ok', dueAt: NOON + 30 * DAY })
    stage.clock.time += 28 * DAY
    registers.settle()
    registers.settle()
    expect(registers.purifiers.get('kitchen-1')!.state).toBe('due')
    expect(reminders).toEqual(['dispatch/tangzhazhen-crew/reminders/kitchen-1'])
    stage.clock.time += 3 * DAY
    registers.settle()
    registers.settle()
    const [found, ...others] = cleaningCases()
    expect(others).toEqual([])
    expect(found).toMatchObject({ site: 'kitchen-1', category: CLEANING, state: 'dispatched' })
    expect(registers.purifiers.get('kitchen-1')).toMatchObject({ state: 'overdue', case: found!.id })
  })

  test('begins anew with a cleaning, which its open case is told of', () => {
    registers.purifiers.put(KITCHEN, 'li')
    stage.clock.time += 31 * DAY
    registers.settle()
    const cleaning = { at: stage.clock.time - HOUR, actor: 'wang', note: '已清洗', files: ['f1'] }
    registers.purifiers.clean('kitchen-1', cleaning)
    expect(registers.purifiers.get('kitchen-1')).toMatchObject({
      state: 'ok',
      dueAt: stage.clock.time - HOUR + 30 * DAY,
    })
    expect(stage.case(cleaningCases()[0]!.id).timeline.at(-1)).toMatchObject({
      action: 'purifier_cleaned',
      actor: 'wang',
      files: ['f1'],
    })
    expect(registers.purifiers.cleanings('kitchen-1')).toEqual([
      { ...cleaning, case: cleaningCases()[0]!.id },
    ])
    // One that was long ago changes nothing of when the next is due.
    registers.purifiers.clean('kitchen-1', { ...cleaning, at: NOON - 100 * DAY })
    expect(registers.purifiers.get('kitchen-1')!.dueAt).toBe(stage.clock.time - HOUR + 30 * DAY)
  })

  test.each([
    ['confirmed', 'ok'],
    ['not_found', 'overdue'],
  ] as const)('a case that is closed as %s leaves its purifier %s', (code, state) => {
    registers.purifiers.put(KITCHEN, 'li')
    stage.clock.time += 31 * DAY
    registers.settle()
    const { id } = cleaningCases()[0]!
    for (const action of ['accept', 'arrive', 'handle', 'verify', 'close'] as const)
      expect(stage.queue.act(id, admin, { action, code, position: [...HERE] }).type).toBe('ok')
    registers.settle()
    expect(registers.purifiers.get('kitchen-1')!.state).toBe(state)
    expect(cleaningCases()).toHaveLength(1)
    // Nor in the days after: one of the same period has been opened.
    stage.clock.time += 2 * DAY
    registers.settle()
    expect(cleaningCases()).toHaveLength(1)
    // The next period that passes without a cleaning is another matter.
    stage.clock.time += 31 * DAY
    registers.settle()
    expect(cleaningCases()).toHaveLength(2)
  })

  test('opens one case for each period at most, whatever the clock does and however often it starts', async () => {
    const deed = fc.record({
      what: fc.constantFrom('wait', 'back', 'clean', 'close', 'restart'),
      days: fc.integer({ min: 1, max: 50 }),
    })
    registers.purifiers.put(KITCHEN, 'li')
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { maxLength: 12 }), async (deeds) => {
        for (const { what, days } of deeds) {
          if (what === 'back') stage.clock.time -= days * DAY
          else stage.clock.time += days * DAY
          if (what === 'clean')
            registers.purifiers.clean('kitchen-1', {
              at: stage.clock.time,
              actor: 'wang',
              note: null,
              files: [],
            })
          if (what === 'restart') {
            const again = stage.afterCrash()
            await stage.close()
            stage = again
            registers = over(stage)
          }
          registers.settle()
          const open = cleaningCases().filter(({ state }) => state !== 'closed' && state !== 'void')
          expect(open.length).toBeLessThanOrEqual(1)
          if (what === 'close' && open.length > 0) stage.queue.act(open[0]!.id, admin, { action: 'void' })
          const before = cleaningCases().length
          registers.settle()
          expect(cleaningCases().length).toBe(before)
        }
      }),
      { numRuns: 8 },
    )
  })
})

describe('night inspections', () => {
  const plan = () =>
    registers.inspections.plan(
      {
        title: '夜查',
        street: 'tangzhazhen',
        team: 'tangzhazhen-crew',
        from: NOON + 8 * HOUR,
        to: NOON + 12 * HOUR,
        sites: ['a', 'b', 'c'].map((site) => ({ site, grid: PLACE.grid, position: HERE })),
      },
      'li',
    ).id
  const checkIn = (id: string, site: string, more: object = {}) =>
    registers.inspections.checkIn(id, { site, position: HERE, note: null, files: [], ...more }, 'wang')

  test('show who was where in time, late and not at all, by the clock alone', () => {
    const id = plan()
    expect(() => checkIn(id, 'a')).toThrow('has not begun')
    stage.clock.time = NOON + 9 * HOUR
    checkIn(id, 'a')
    stage.clock.time = NOON + 13 * HOUR
    const states = () => registers.inspections.get(id)!.sites.map(({ state }) => state)
    expect(states()).toEqual(['done', 'missed', 'missed'])
    checkIn(id, 'b', { position: AWAY })
    expect(states()).toEqual(['done', 'late', 'missed'])
    expect(registers.inspections.get(id)).toMatchObject({ state: 'missed' })
    expect(registers.inspections.get(id)!.sites[1]!.offSite).toBeGreaterThan(440)
    expect(registers.inspections.get(id)!.sites[0]!.offSite).toBeNull()
  })

  test('count the first check-in of a site, and a finding opens one case', () => {
    const id = plan()
    stage.clock.time = NOON + 9 * HOUR
    const finding = { category: 'cooking-fume', title: '无证烧烤', severity: 'yellow' }
    const first = checkIn(id, 'a', { finding, note: '摊位' })
    expect(checkIn(id, 'a', { finding })).toEqual(first)
    expect(() => registers.inspections.checkIn(id, { ...first.sites[0]!, site: 'a' }, 'zhou')).toThrow(
      'by wang',
    )
    const found = stage.case(first.sites[0]!.case!)
    expect(found).toMatchObject({ family: 'inspection-cooking-fume', site: 'a', title: '无证烧烤' })
    expect(found.timeline[0]).toMatchObject({ actor: 'wang', note: '摊位', action: 'opened' })
    registers.inspections.cancel(id, 'li')
    expect(() => checkIn(id, 'b')).toThrow('cancelled')
  })
})

describe('river patrols', () => {
  const start = (actor = 'wang') =>
    registers.patrols.start({ ...PLACE, section: 'river-1', team: 'tangzhazhen-crew' }, actor).id
  /** A place every 10 s, some 11 m further north. */
  const walk = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      at: stage.clock.time + (from + i) * 10_000,
      position: [120.8, 32 + (from + i) * 0.0001] as Position,
    }))

  test('say how far they went and how much of the section they saw, in whatever batches the track came', () => {
    const north = (share: number): Position => [120.8, 32 + share * 0.02]
    registers.patrols.putCourse(
      { ...PLACE, section: 'river-1', title: '通扬运河', course: [north(0), north(0.5), north(1)] },
      'li',
    )
    const begin = stage.clock.time
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), (order) => {
        stage.clock.time = begin
        const id = start()
        const points = walk(0, 100)
        stage.clock.time += HOUR
        for (const part of order) {
          const batch = points.slice(part * 20, part * 20 + 20)
          registers.patrols.track(id, batch)
          expect(registers.patrols.track(id, batch)).toBe(0)
        }
        const { metres, coverage, points: count } = registers.patrols.stop(id, 'wang')
        expect(count).toBe(100)
        expect(metres).toBe(1101)
        expect(coverage).toBeCloseTo(0.52, 1)
      }),
      { numRuns: 5 },
    )
  })

  test('a phone that jumps across the district or does not know where it is adds nothing', () => {
    const id = start()
    const points = walk(0, 10)
    stage.clock.time += HOUR
    registers.patrols.track(id, points)
    registers.patrols.track(id, [
      { at: points[4]!.at + 1000, position: [120.9, 32.1] },
      { at: points[6]!.at + 1000, position: AWAY, accuracy: 900 },
    ])
    expect(registers.patrols.stop(id, 'wang').metres).toBe(100)
  })

  test('a finding opens a case once, however often it is sent, and names it', () => {
    const id = start()
    const found = {
      finding: 'n1',
      position: HERE,
      category: 'riverbank',
      title: '倾倒垃圾',
      note: null,
      severity: 'yellow' as const,
      files: [],
    }
    const first = registers.patrols.find(id, found, 'wang')
    expect(registers.patrols.find(id, found, 'wang')).toEqual(first)
    expect(stage.case(first.case)).toMatchObject({ site: 'river-1', family: 'patrol-riverbank' })
    const second = registers.patrols.find(id, { ...found, finding: 'n2' }, 'wang')
    expect(second.case).toBe(first.case)
    registers.patrols.stop(id, 'wang')
    expect(() => registers.patrols.find(id, { ...found, finding: 'n3' }, 'wang')).toThrow('has ended')
  })

  test('one at a time for each person; one that is forgotten ends, and a track is erased in time', () => {
    const id = start()
    expect(() => start()).toThrow(`stop patrol ${id} first`)
    registers.patrols.track(id, walk(0, 5))
    stage.clock.time += 7 * HOUR
    registers.settle()
    expect(registers.patrols.get(id)).toMatchObject({
      stoppedAt: stage.clock.time,
      metres: 44,
      erasedAt: null,
    })
    stage.clock.time += 91 * DAY
    registers.settle()
    expect(registers.patrols.trackOf(id)).toEqual([])
    expect(registers.patrols.get(id)).toMatchObject({ metres: 44, points: 5, erasedAt: stage.clock.time })
  })
})

test('what a street and a team have nothing to do with is not in their cases', () => {
  registers.purifiers.put({ ...KITCHEN, street: 'wenfeng', grid: 'wenfeng-001' }, 'li')
  stage.clock.time += 31 * DAY
  registers.settle()
  const { id } = cleaningCases()[0]!
  expect(stage.queue.act(id, crew, { action: 'accept' }).type).toBe('not_found')
  expect(stage.queue.act(id, user('street', { street: 'wenfeng' }), { action: 'accept' }).type).toBe('ok')
})
