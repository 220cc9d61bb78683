import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Alarm } from '../model/alarm.ts'
import type { CloseCode } from '../model/case.ts'
import { Precisions, verdictsOf, wilson, type PrecisionBy, type PrecisionFilter } from './precision.ts'
import { admin, alarm, device, MINUTE, NOON, rule, Stage, user } from './test-stage.ts'

let stage: Stage
let alarms = 0
beforeEach(() => {
  stage = new Stage()
})
afterEach(() => stage.close())

/** Alarms of one case, which is then closed. */
function closed(code: CloseCode, ...of: Partial<Omit<Alarm, 'case'>>[]): string {
  const raised = of.map((more) => alarm({ id: `alarm-${++alarms}`, site: `site-${code}-${alarms}`, ...more }))
  for (const one of raised)
    stage.queue.record(
      { ...one, site: raised[0]!.site },
      { ...rule, id: one.rule, family: 'fume' },
      stage.clock.now(),
    )
  const id = stage.alarms.get(raised[0]!.id)!.case!
  const position = [...device.position!]
  const accepts = user('team', { team: stage.case(id).team })
  const act = (action: 'accept' | 'arrive' | 'handle' | 'verify' | 'close', more: object = {}) =>
    expect(stage.queue.act(id, action === 'accept' ? accepts : admin, { action, ...more })).toMatchObject({
      type: 'ok',
    })
  act('accept')
  act('arrive', { position })
  act('handle')
  act('verify')
  act('close', { code })
  return id
}

const EVER: PrecisionFilter = { from: 0, to: Number.MAX_SAFE_INTEGER }
const counted = (by: PrecisionBy, filter: PrecisionFilter = EVER, limit = 100, after?: string) =>
  new Precisions(stage.database).list(by, filter, limit, after)

describe('how often a call was right', () => {
  test('is confirmed / (confirmed + false_alarm + not_found), by rule, street and device', () => {
    for (const code of [
      'confirmed',
      'confirmed',
      'false_alarm',
      'not_found',
      'device_fault',
      'duplicate',
    ] as const)
      closed(code, { device: code === 'device_fault' ? 'broken' : 'fume-1' })
    const all = { confirmed: 2, false_alarm: 1, not_found: 1, device_fault: 1, duplicate: 1 }
    const numbers = { n: 4, precision: 0.5, interval: wilson(2, 4), few: true }
    expect(counted('rule')).toEqual([{ key: rule.id, ...all, ...numbers }])
    expect(counted('street')).toEqual([{ key: 'tangzhazhen', ...all, ...numbers }])
    expect(counted('device')).toMatchObject([
      { key: 'broken', device_fault: 1, n: 0, precision: null, interval: null, few: true },
      { key: 'fume-1', device_fault: 0, n: 4 },
    ])
  })

  test('counts a case once for each of its rules, however often they fired', () => {
    closed('confirmed', { rule: 'a' }, { rule: 'a', device: 'fume-2' }, { rule: 'b' })
    expect(counted('rule').map(({ key, n }) => [key, n])).toEqual([
      ['a', 1],
      ['b', 1],
    ])
    expect(counted('street')).toMatchObject([{ n: 1 }])
  })

  test('leaves out what is not closed, and what was queued outside of the period', () => {
    closed('confirmed', {})
    stage.clock.time = NOON + MINUTE
    closed('false_alarm', {})
    stage.queue.record(alarm({ id: 'open' }), rule, stage.clock.now())
    expect(counted('rule', { from: NOON, to: NOON + MINUTE })).toMatchObject([{ n: 1, confirmed: 1 }])
    expect(counted('rule', { from: NOON + MINUTE, to: NOON + 2 * MINUTE })).toMatchObject([
      { n: 1, confirmed: 0 },
    ])
    expect(counted('rule', { from: NOON + 2 * MINUTE, to: NOON + 3 * MINUTE })).toEqual([])
  })

  test('shows a street or a team no more than its own', () => {
    closed('confirmed', {})
    closed('confirmed', { street: 'hongqiao', grid: 'hongqiao-001', device: 'far' })
    expect(counted('device', { ...EVER, streets: ['tangzhazhen'] }).map(({ key }) => key)).toEqual(['fume-1'])
    expect(counted('device', { ...EVER, streets: [] })).toEqual([])
    expect(counted('device', { ...EVER, team: 'tangzhazhen-crew' })).toMatchObject([
      { key: expect.any(String) },
    ])
    expect(counted('device', { ...EVER, team: 'nobody' })).toEqual([])
  })

  test('comes in pages', () => {
    for (const id of ['c', 'a', 'b']) closed('confirmed', { device: id })
    expect(counted('device', EVER, 2).map(({ key }) => key)).toEqual(['a', 'b'])
    expect(counted('device', EVER, 2, 'b').map(({ key }) => key)).toEqual(['c'])
  })
})

test('the verdicts on a rule are those of its alarms with a number whose cases say right or wrong', () => {
  const right = closed('confirmed', { rule: 'a', peak: 3 }, { rule: 'a', peak: 5 }, { rule: 'b', peak: 9 })
  const wrong = closed('not_found', { rule: 'a', peak: 2 })
  closed('device_fault', { rule: 'a', peak: 7 })
  closed('confirmed', { rule: 'a', peak: null })
  expect(verdictsOf(stage.database.sql, 'a').toSorted((a, b) => a.peak - b.peak)).toEqual([
    { case: wrong, peak: 2, confirmed: false },
    { case: right, peak: 3, confirmed: true },
    { case: right, peak: 5, confirmed: true },
  ])
})

describe("Wilson's interval", () => {
  // The first is of Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I.
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i in %i', (hits, of, low, high) => {
    expect(wilson(hits, of)[0]).toBeCloseTo(low, 4)
    expect(wilson(hits, of)[1]).toBeCloseTo(high, 4)
  })

  test('holds the share, lies within 0 and 1, and grows narrower with more cases', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.integer({ min: 1, max: 500 }), (hits, of) => {
        fc.pre(hits <= of)
        const [low, high] = wilson(hits, of)
        const [lowOfMore, highOfMore] = wilson(hits * 4, of * 4)
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        expect(low).toBeLessThanOrEqual(hits / of + 1e-12)
        expect(high).toBeGreaterThanOrEqual(hits / of - 1e-12)
        expect(highOfMore - lowOfMore).toBeLessThan(high - low)
      }),
    )
  })
})
