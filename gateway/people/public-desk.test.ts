import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { addressKey } from './address-key.ts'
import { BadReport } from './report.ts'
import { NotNow, NotThere } from './public-desk.ts'
import { admin, DAY, Desk, eastCrew, MINUTE } from './people.fixture.ts'
import { TooMany } from './stranger-limits.ts'
import { newTicketNumber, shownNumber } from './ticket-number.ts'

let desk: Desk
beforeEach(() => {
  desk = new Desk()
})
afterEach(async () => desk.close())

let count = 0
const client = () => `client-of-the-tests-${++count}`
const HOME = '203.0.113.7'
const view = (number: string, address = HOME) => desk.people.strangers.ticket(number, address)
const rate = (number: string, score: number, comment?: string) =>
  desk.people.strangers.rate(number, { score, ...(comment !== undefined && { comment }) }, HOME)

describe('a report at a place', () => {
  test('opens a case there, and the same client id is the same ticket', () => {
    const id = client()
    const first = desk.stranger({ client: id, text: '油烟' })
    expect(desk.case(first)).toMatchObject({
      site: 'noodle-house',
      street: 'east',
      grid: 'east-003',
      reports: 1,
    })
    expect(desk.case(first).timeline[0]).toMatchObject({
      actor: `ticket:${first.ticket.number.slice(-4)}`,
      report: 'page',
      note: '油烟',
    })
    const again = desk.stranger({ client: id, text: 'something else' })
    expect(again).toMatchObject({ outcome: 'known', ticket: { number: first.ticket.number } })
    expect(desk.stranger({ client: client() })).toMatchObject({
      outcome: 'joined',
      ticket: { caseId: first.ticket.caseId },
    })
  })

  test('knows where the phone is only where the place is', () => {
    const at = (position: number[]) =>
      desk.people.strangers.report(
        { place: desk.people.places.codeOf('quay'), client: client(), category: 'litter', position },
        HOME,
      )
    expect(desk.case(at([120.8405, 32.0005])).timeline[0]!.position).toEqual([120.8405, 32.0005])
    const other = desk.case(at([116.4, 39.9]))
    expect(other.position).toEqual([120.8402, 32.0003])
    expect(JSON.stringify(other)).not.toContain('116.4')
  })

  test('is refused for what cannot be reported there, and for what fills in hidden fields', () => {
    const place = desk.people.places.codeOf('quay')
    const report = (more: object) => () =>
      desk.people.strangers.report({ place, client: client(), category: 'litter', ...more }, HOME)
    expect(report({ category: 'cooking-fume' })).toThrow(BadReport)
    expect(report({ website: 'http://spam.example' })).toThrow(BadReport)
    expect(report({ phone: '1' })).toThrow(BadReport)
    for (const made of ['quay', 'quay~', 'quay~000000000000', desk.people.places.codeOf('gauge')])
      expect(report({ place: made })).toThrow(NotThere)
    expect(desk.cases.list({}, 10).items).toEqual([])
  })
})

describe('limits', () => {
  test('stop a loop from one address, let it on a little later, and leave others alone', () => {
    let taken = 0
    const flood = (address: string) => {
      try {
        for (;;) {
          desk.stranger({ client: client() }, address)
          taken++
        }
      } catch (error) {
        expect(error).toBeInstanceOf(TooMany)
      }
    }
    flood(HOME)
    expect(taken).toBe(10)
    expect(desk.people.desk.tickets.list({}, 500).items).toHaveLength(10)
    desk.clock.time += 30_000
    flood(HOME)
    expect(taken).toBe(11)
    expect(
      desk.stranger({ client: client(), place: 'quay', category: 'litter' }, '198.51.100.9').outcome,
    ).toBe('opened')
  })

  test('stop a place, a phone, and whoever changes addresses within one network', () => {
    const until = (next: (i: number) => void) => {
      for (let i = 0; ; i++) {
        try {
          next(i)
        } catch (error) {
          expect(error).toBeInstanceOf(TooMany)
          return i
        }
      }
    }
    expect(until((i) => desk.stranger({ client: client() }, `198.51.100.${i}`))).toBe(20)
    desk.clock.time += DAY
    const phone = '13812345678'
    const places = ['noodle-house', 'quay'] as const
    const report = (i: number) => ({ client: client(), place: places[i % 2]!, category: 'litter', phone })
    expect(until((i) => desk.stranger(report(i), `192.0.2.${i}`))).toBe(5)
    desk.clock.time += DAY
    expect(until((i) => desk.stranger({ client: client() }, `2001:db8:1:2::${i.toString(16)}`))).toBe(10)
  })

  test('do not count what was sent again', () => {
    const id = client()
    for (let i = 0; i < 50; i++) desk.stranger({ client: id })
    expect(desk.people.desk.tickets.list({}, 500).items).toHaveLength(1)
  })

  test('stop whoever tries numbers and codes', () => {
    const { number } = desk.stranger({ client: client() }).ticket
    for (let i = 0; i < 20; i++) expect(() => view(shownNumber(newTicketNumber()))).toThrow(NotThere)
    expect(() => view(number)).toThrow(TooMany)
    expect(() => desk.people.strangers.place('quay~1', HOME)).toThrow(TooMany)
    expect(view(number, '198.51.100.9').state).toBe('sent')
  })

  test('stop a loop that looks at a ticket, and let other people look', () => {
    const { number } = desk.stranger({ client: client() }).ticket
    for (let i = 0; i < 120; i++) view(number)
    expect(() => view(number)).toThrow(TooMany)
    expect(view(number, '198.51.100.9').state).toBe('sent')
    desk.clock.time += 200
    expect(view(number).state).toBe('sent')
  })

  test('do not let whoever makes up codes from everywhere keep others from reporting', () => {
    const { number } = desk.stranger({ client: client() }).ticket
    for (let i = 0; i < 1100; i++)
      expect(() => view(shownNumber(newTicketNumber()), `2001:db8:${i.toString(16)}::1`)).toThrow(NotThere)
    expect(view(number, '198.51.100.9').state).toBe('sent')
    expect(desk.stranger({ client: client() }, '198.51.100.9').outcome).toBe('joined')
    // Who has made a mistake himself waits a little, then.
    expect(() => view(shownNumber(newTicketNumber()), '198.51.100.9')).toThrow(NotThere)
    expect(() => view(number, '198.51.100.9')).toThrow(TooMany)
    desk.clock.time += 30_000
    expect(view(number, '198.51.100.9').state).toBe('sent')
  })

  test('stop whoever has many networks of IPv6, long before everybody is stopped', () => {
    let taken = 0
    const places = ['noodle-house', 'quay'] as const
    try {
      for (; ; taken++) {
        // Slow enough for each place.
        desk.clock.time += 1500
        desk.stranger(
          { client: client(), place: places[taken % 2]!, category: 'litter' },
          `2001:db8:1:${taken.toString(16)}::1`,
        )
      }
    } catch (error) {
      expect(error).toBeInstanceOf(TooMany)
    }
    expect(taken).toBeLessThan(300)
    expect(desk.stranger({ client: client() }, '2001:db8:2:1::1').outcome).toBe('opened')
  })

  test('count an IPv6 network as one, and the two ways to write an IPv4 address as one', () => {
    expect(addressKey('2001:db8:0:2::1')).toBe(addressKey('2001:0DB8:0000:0002:ffff::9'))
    expect(addressKey('2001:db8:0:3::1')).not.toBe(addressKey('2001:db8:0:2::1'))
    expect(addressKey('::1')).toBe('0:0:0:0')
    expect(addressKey('fe80::1%eth0')).toBe('fe80:0:0:0')
    expect(addressKey('::ffff:192.0.2.1')).toBe(addressKey('192.0.2.1'))
  })
})

describe('a ticket', () => {
  test('tells the promise, who took it on, and each step in order, with what was written for people and nothing else', () => {
    const { ticket } = desk.stranger({ client: client(), phone: '13812345678' })
    expect(view(ticket.number)).toMatchObject({
      state: 'sent',
      answerBy: ticket.reportedAt + 10 * MINUTE,
      answeredAt: null,
      place: { zh: '老街面馆' },
      rateUntil: null,
    })
    desk.finish(ticket.caseId, '已清洗')
    const seen = view(ticket.number)
    expect(seen).toMatchObject({
      state: 'closed',
      answeredAt: ticket.reportedAt + MINUTE,
      answeredBy: { zh: '东街巡查组' },
      result: { code: 'confirmed', note: '已清洗' },
    })
    expect(seen.steps.map(({ step }) => step)).toEqual([
      'reported',
      'accepted',
      'arrived',
      'handled',
      'verified',
      'closed',
    ])
    expect(JSON.stringify(seen)).not.toMatch(/wang|admin|13812345678|120\.88/)
  })

  test('of a case that hundreds have reported is looked at without reading all that they said', () => {
    const { ticket } = desk.stranger({ client: client(), text: '"action":"report_joined"' })
    for (let i = 0; i < 30; i++) {
      desk.clock.time += 20_000
      desk.stranger({ client: client(), text: 'x'.repeat(500) }, `198.51.100.${i}`)
    }
    desk.finish(ticket.caseId, '已清洗')
    const story = desk.cases.story(ticket.caseId)!
    expect(story.timeline.map(({ action }) => action)).toEqual(
      desk.cases
        .get(ticket.caseId)!
        .timeline.map(({ action }) => action)
        .filter((action) => action !== 'report_joined'),
    )
    expect(view(ticket.number)).toMatchObject({ state: 'closed', result: { note: '已清洗' } })
  })

  test('of one who joined later tells of no report but their own', () => {
    desk.stranger({ client: client(), text: 'the first one' })
    desk.clock.time += MINUTE
    const { ticket } = desk.stranger({ client: client() })
    const seen = view(ticket.number)
    expect(seen.steps.map(({ step }) => step)).toEqual(['reported', 'joined'])
    expect(JSON.stringify(seen)).not.toContain('the first one')
  })

  test('follows what is returned, and what is void', () => {
    const { ticket } = desk.stranger({ client: client() })
    desk.clock.time += MINUTE
    desk.queue.act(ticket.caseId, eastCrew, { action: 'return', note: 'not ours' })
    expect(view(ticket.number)).toMatchObject({ state: 'received', updatedAt: desk.clock.time })
    desk.clock.time += MINUTE
    desk.queue.act(ticket.caseId, admin, { action: 'void', publicNote: '不属于本区' })
    expect(view(ticket.number)).toMatchObject({
      state: 'ended',
      updatedAt: desk.clock.time,
      result: { code: null, note: '不属于本区' },
    })
  })
})

describe('satisfaction', () => {
  test('is asked once the case is closed, kept once for each ticket, and may be changed for 7 days', () => {
    const { ticket } = desk.stranger({ client: client() })
    expect(() => rate(ticket.number, 5)).toThrow(NotNow)
    desk.finish(ticket.caseId)
    const first = desk.clock.time
    expect(rate(ticket.number, 2, ' 太慢\u0000 ').satisfaction).toEqual({ score: 2, comment: '太慢' })
    desk.clock.time += 7 * DAY - 1
    expect(rate(ticket.number, 5).satisfaction).toEqual({ score: 5, comment: null })
    desk.clock.time += 1
    expect(() => rate(ticket.number, 1)).toThrow(NotNow)
    expect(view(ticket.number).rateUntil).toBeNull()
    expect(desk.people.desk.tickets.get(ticket.number)).toMatchObject({
      satisfaction: 5,
      firstSatisfiedAt: first,
      satisfiedAt: first + 7 * DAY - 1,
    })
  })

  test('shows nobody a phone that is written into its comment', () => {
    const { ticket } = desk.stranger({ client: client() })
    desk.finish(ticket.caseId)
    expect(rate(ticket.number, 5, '请回电 +8613812345678').satisfaction?.comment).toBe(
      '请回电 +86138****5678',
    )
  })

  test('may be given late, for nobody is hurried', () => {
    const { ticket } = desk.stranger({ client: client() })
    desk.finish(ticket.caseId)
    desk.clock.time += 100 * DAY
    expect(rate(ticket.number, 3).satisfaction).toMatchObject({ score: 3 })
  })
})
