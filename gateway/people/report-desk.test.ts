import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { noticesOf, type Notice } from '../dispatch/announce/notice.ts'
import { distanceMetres } from '../dispatch/distance.ts'
import { BadReport } from './report.ts'
import { admin, DAY, Desk, eastCrew, hotline, MINUTE, NOON } from './people.fixture.ts'

let desk: Desk
beforeEach(() => {
  desk = new Desk()
})
afterEach(async () => desk.close())

/** Some metres north of a position. */
const north = ([longitude, latitude]: readonly number[], metres: number): [number, number] => [
  longitude!,
  latitude! + metres / 111_195,
]
const FAR: [number, number] = [120.885, 32.01]

describe('a report opens a case', () => {
  test('with the clocks of its category, the crew of its street, and a ticket', () => {
    const receipt = desk.report({ category: 'riverbank', place: 'quay', text: '有人倒垃圾' })
    expect(receipt.outcome).toBe('opened')
    expect(receipt.ticket).toMatchObject({
      source: 'report',
      reporter: 'admin',
      joined: false,
      reportedAt: NOON,
    })
    expect(desk.case(receipt)).toMatchObject({
      state: 'dispatched',
      family: 'report-riverbank',
      site: 'quay',
      street: 'west',
      grid: 'west-002',
      team: 'west-crew',
      category: 'riverbank',
      title: '河岸秩序 River bank · 码头',
      position: [120.8402, 32.0003],
      respondBy: NOON + 15 * MINUTE,
      arriveBy: NOON + 60 * MINUTE,
      resolveBy: NOON + DAY,
      reports: 1,
    })
    expect(desk.case(receipt).timeline[0]).toMatchObject({
      actor: 'admin',
      action: 'opened',
      note: '有人倒垃圾',
      report: 'report',
    })
  })

  test('with the promise of 10 and 20 minutes where the category says nothing', () => {
    const receipt = desk.report({ category: 'litter', position: FAR })
    expect(desk.case(receipt)).toMatchObject({
      respondBy: NOON + 10 * MINUTE,
      arriveBy: NOON + 20 * MINUTE,
      resolveBy: NOON + 240 * MINUTE,
    })
  })

  test('finds street and grid by the position, and takes what is said before that', () => {
    const spot = (body: object) => {
      const { site, street, grid } = desk.case(desk.report({ category: 'litter', ...body }))
      return { site, street, grid }
    }
    expect(spot({ position: [120.8439, 32.0035] })).toEqual({
      site: 'E120.8439-N32.0035',
      street: 'west',
      // the gauge is nearer than the quay
      grid: 'west-004',
    })
    expect(spot({ position: [120.8601, 32.01] }).street).toBe('east')
    expect(spot({ position: [120.8602, 32.02], street: 'west', grid: 'west-009' })).toMatchObject({
      street: 'west',
      grid: 'west-009',
    })
    expect(spot({ site: 'hotpot' })).toEqual({ site: 'hotpot', street: 'east', grid: 'east-005' })
    expect(spot({ site: 'newcomer', street: 'west' })).toEqual({
      site: 'newcomer',
      street: 'west',
      grid: 'west-000',
    })
  })

  test.each([
    [{ category: 'weather', place: 'quay' }, 'category', /cooking-fume, riverbank, litter/],
    [{ place: 'nowhere' }, 'place', /nowhere/],
    [{ street: 'north' }, 'street', /north/],
    [{ street: 'east', grid: 'west-001' }, 'grid', /west-001/],
    [{ street: 'east', grid: 'east-010' }, 'grid', /east-010/],
    [{}, 'position', /say where/],
    [{ site: 'newcomer' }, 'position', /say where/],
    [{ position: [116.4, 39.9] as number[] }, 'position', /\d+ km/],
    [{ position: [1200, 39.9] as number[] }, 'position', /degrees/],
    [{ place: 'quay', text: '\u0000 \u202e ' }, 'text', /nothing/],
    [{ place: 'quay', phone: '12345' }, 'phone', /13812345678/],
  ])('%j is refused, and says what is wrong with %s', (body, field, message) => {
    const fault = (() => {
      try {
        desk.report(body)
      } catch (error) {
        return error as BadReport
      }
      return undefined
    })()
    expect(fault).toBeInstanceOf(BadReport)
    expect(fault?.field).toBe(field)
    expect(fault?.message).toMatch(message)
    expect(desk.cases.list({}, 10).items).toEqual([])
  })

  test('is a change that the audit knows of', () => {
    const receipt = desk.report({ place: 'quay', category: 'litter' }, eastCrew)
    expect(desk.audit.list({ limit: 1 }).items[0]).toMatchObject({
      actor: 'wang',
      action: 'case.report',
      subject: receipt.ticket.caseId,
    })
  })
})

describe('a report joins', () => {
  test("the sensor's case when the neighbour complains about the same kitchen", () => {
    const caseId = desk.alarm()
    desk.clock.time += 5 * MINUTE
    const receipt = desk.report({ position: north([120.89, 32.005], 60), severity: 'red' })
    expect(receipt).toMatchObject({ outcome: 'joined', ticket: { caseId, joined: true } })
    const found = desk.case(receipt)
    expect(found).toMatchObject({ severity: 'red', reports: 1, queuedAt: NOON, site: 'hotpot' })
    expect(found.timeline.at(-1)).toMatchObject({
      action: 'report_joined',
      report: 'report',
      note: '油烟很大',
    })
    expect(desk.people.desk.tickets.ofCase(caseId, 10)).toHaveLength(1)
  })

  test('the nearest of its category within the metres, and opens one beyond them', () => {
    const first = desk.report({ position: FAR })
    const second = desk.report({ position: north(FAR, 150) })
    expect(second.outcome).toBe('opened')
    expect(desk.report({ position: north(FAR, 90) }).ticket.caseId).toBe(second.ticket.caseId)
    expect(desk.report({ position: north(FAR, 60) }).ticket.caseId).toBe(first.ticket.caseId)
    expect(desk.report({ position: north(FAR, -99) }).ticket.caseId).toBe(first.ticket.caseId)
    expect(desk.report({ position: north(FAR, -101) }).outcome).toBe('opened')
    expect(desk.report({ position: FAR, category: 'litter' }).outcome).toBe('opened')
    expect(desk.case(first).reports).toBe(3)
  })

  test('no case that is closed, and none that was queued too long ago', () => {
    const first = desk.report({ position: FAR })
    desk.finish(first.ticket.caseId)
    const second = desk.report({ position: FAR })
    expect(second.outcome).toBe('opened')
    desk.clock.time += 8 * DAY
    expect(desk.report({ position: north(FAR, 50) }).outcome).toBe('opened')
    // At one site there is one open case of a family, however old.
    expect(desk.report({ position: FAR }).outcome).toBe('joined')
  })

  test('a case at the same site without any position', () => {
    const first = desk.report({ site: 'newcomer', street: 'west' })
    expect(desk.report({ site: 'newcomer', street: 'west' }).ticket.caseId).toBe(first.ticket.caseId)
  })

  test('nothing when it says neither place nor position: two calls about a street are two matters', () => {
    const first = desk.report({ street: 'west' })
    expect(desk.report({ street: 'west' }).outcome).toBe('opened')
    expect(desk.case(first).title).toBe('餐饮油烟 Cooking fume · 西街')
  })

  test('with a ticket always, and with a timeline entry as long as a crew could still read them', () => {
    const first = desk.report({ position: FAR })
    for (let i = 0; i < 250; i++) desk.report({ position: FAR })
    expect(desk.people.desk.tickets.ofCase(first.ticket.caseId, 1000)).toHaveLength(251)
    expect(desk.case(first).timeline.length).toBeLessThanOrEqual(200)
  })

  test('a case of the same family and site, at most one of which is ever open', () => {
    const near = fc.record({
      metres: fc.integer({ min: 0, max: 300 }),
      category: fc.constantFrom('litter', 'riverbank'),
      wait: fc.constantFrom(0, MINUTE, 8 * DAY),
    })
    fc.assert(
      fc.property(fc.array(near, { maxLength: 12 }), (reports) => {
        for (const { metres, category, wait } of reports) {
          desk.clock.time += wait
          const receipt = desk.report({ category, position: north(FAR, metres) })
          const found = desk.case(receipt)
          expect(found.category).toBe(category)
          const away = distanceMetres(found.position!, north(FAR, metres))
          if (receipt.outcome === 'joined') expect(away).toBeLessThanOrEqual(100)
        }
        const open = desk.cases.list({ open: true }, 1000).items
        expect(new Set(open.map(({ family, site }) => `${family} ${site}`)).size).toBe(open.length)
      }),
      { numRuns: 20 },
    )
  })
})

describe('the same report sent again', () => {
  test('is the same ticket, whatever has become of its case', () => {
    const first = desk.report(
      { place: 'quay', category: 'litter', source: 'hotline', externalId: 'NT-1' },
      hotline,
    )
    desk.queue.act(first.ticket.caseId, admin, { action: 'void' })
    const again = desk.report(
      { place: 'noodle-house', category: 'litter', source: 'hotline', externalId: 'NT-1' },
      hotline,
    )
    expect(again).toMatchObject({ outcome: 'known', ticket: { number: first.ticket.number } })
    expect(desk.cases.list({}, 10).items).toHaveLength(1)
  })

  test('from another source is another report', () => {
    desk.report({ place: 'quay', category: 'litter', source: 'hotline', externalId: '1' })
    expect(
      desk.report({ place: 'quay', category: 'litter', source: 'patrol', externalId: '1' }).outcome,
    ).toBe('joined')
  })

  test('is never two, in whatever order and however often reports come', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd')
    fc.assert(
      fc.property(fc.array(id, { maxLength: 20 }), (ids) => {
        const numbers = new Map<string, string>()
        for (const externalId of ids) {
          const { number } = desk.report({ position: FAR, source: 'hotline', externalId }).ticket
          expect(numbers.get(externalId) ?? number).toBe(number)
          numbers.set(externalId, number)
        }
        expect(new Set(numbers.values()).size).toBe(numbers.size)
      }),
      { numRuns: 20 },
    )
  })
})

test('what is told to those who reported goes out with the notice of its step, for a hotline that listens', () => {
  const notices: Notice[] = []
  desk.queue.onChange((change) => notices.push(...noticesOf(change, desk.clock.time)))
  const { ticket } = desk.report({ position: FAR, source: 'hotline', externalId: 'NT-9' })
  desk.finish(ticket.caseId, '已清洗净化器')
  expect(notices.map(({ event, publicNote }) => [event, publicNote])).toEqual([
    ['opened', undefined],
    ['closed', '已清洗净化器'],
  ])
})

test('the search for a case nearby reads an index, whatever the number of cases', () => {
  const plan = desk.database.sql
    .prepare(
      `EXPLAIN QUERY PLAN SELECT id FROM cases WHERE category = ? AND json_extract(position, '$[1]') BETWEEN ? AND ?
        AND state NOT IN ('closed', 'void') AND position IS NOT NULL AND queued_at >= ?`,
    )
    .all('litter', 31, 32, 0)
  expect(JSON.stringify(plan)).toContain('cases_open_by_latitude')
})

test('a report that cannot be put down whole leaves nothing: no case without its ticket', () => {
  desk.database.sql.exec(
    "CREATE TRIGGER full BEFORE INSERT ON tickets BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
  )
  expect(() => desk.report({ position: FAR })).toThrow('the disk is full')
  expect(desk.cases.list({}, 10).items).toEqual([])
  desk.database.sql.exec('DROP TRIGGER full')
  expect(desk.report({ position: FAR }).outcome).toBe('opened')
})

describe('personal data', () => {
  test('is in the ticket and nowhere else, and gone after its time', () => {
    const text = '油烟大，请联系 13812345678，身份证 32061119900101123X'
    const receipt = desk.report({ position: FAR, text, name: '王小明' })
    expect(receipt.ticket).toMatchObject({ name: '王小明', phone: '13812345678' })
    const other = desk.report({ position: FAR, phone: '+86 139 1234 5678' })
    const elsewhere = JSON.stringify([desk.case(receipt), receipt.ticket.text])
    expect(elsewhere).toContain('138****5678')
    for (const secret of ['13812345678', '13912345678', '32061119900101123X', '王小明'])
      expect(elsewhere).not.toContain(secret)

    desk.clock.time += 180 * DAY - 1
    desk.people.sweep.sweep()
    expect(desk.people.desk.tickets.get(other.ticket.number)).toMatchObject({ phone: '13912345678' })
    desk.clock.time += 1
    desk.people.sweep.sweep()
    for (const { ticket } of [receipt, other])
      expect(desk.people.desk.tickets.get(ticket.number)).toMatchObject({ name: null, phone: null })
  })

  test('leaves no bytes in the database file', () => {
    const file = () => {
      desk.database.sql.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      return readFileSync(join(desk.folder, 'registry.db')).includes('13700001111')
    }
    desk.report({ position: FAR, phone: '13700001111' })
    expect(file()).toBe(true)
    desk.clock.time += 181 * DAY
    desk.people.sweep.sweep()
    expect(file()).toBe(false)
  })
})
