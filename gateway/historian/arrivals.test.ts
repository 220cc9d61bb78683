import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { DeviceState } from '../../rules/device-state.ts'
import { observe } from '../../rules/engine.ts'
import { planRules } from '../../rules/plan.ts'
import type { Delivery, Reading, StoredReading } from '../model/reading.ts'
import type { Rule } from '../model/rule.ts'
import { Arrivals } from './arrivals.ts'

const T = 1_718_000_000_000
const MINUTE = 60_000
const origin = { device: 'fume-1', kind: 'cooking_fume', site: 's', street: 'wenfeng', grid: 'wenfeng-001' }
const at = (receivedAt: number, ...times: number[]): Delivery => ({
  seq: 0,
  origin,
  receivedAt,
  readings: times.map((ts): Reading => ({ ts, metrics: { fume: 1 } })),
})

function noted(deliveries: readonly Delivery[], past: readonly Delivery[] = []): StoredReading[] {
  const arrivals = new Arrivals(() => past)
  for (const delivery of deliveries) arrivals.note(delivery)
  return deliveries.flatMap(({ readings }) => readings)
}

test('a reading that comes at once and in order bears no note', () => {
  expect(noted([at(T + 3000, T), at(T + 3000, T + 5000)])).toEqual([
    { ts: T, metrics: { fume: 1 } },
    { ts: T + 5000, metrics: { fume: 1 } },
  ])
})

test('the delay is noted to the millisecond, and how far a reading is behind what came before its message', () => {
  const readings = noted([at(T, T), at(T + 1, T - 10 * MINUTE, T + 1), at(T + 2, T - MINUTE, T + 2 * MINUTE)])
  expect(readings.map(({ delay, behind }) => [delay, behind])).toEqual([
    [undefined, undefined],
    [10 * MINUTE + 1, 10 * MINUTE],
    [undefined, undefined],
    [MINUTE + 2, MINUTE + 1],
    [2 - 2 * MINUTE, undefined],
  ])
})

test('of a mean the delay is counted from the end of its period, before which nobody could send it', () => {
  const span = 60 * MINUTE
  const [punctual, late] = [5000, 20_000].map((after): Delivery => {
    const ts = after === 5000 ? T : T + span
    return { seq: 0, origin, receivedAt: ts + span + after, readings: [{ ts, metrics: { fume: 1 }, span }] }
  })
  expect(noted([punctual!, late!]).map(({ delay }) => delay)).toEqual([undefined, 20_000])
})

test('where the journal is taken up in its middle, a late reading is known by what came before', () => {
  const [late] = noted([at(T + 1, T - 10 * MINUTE)], [at(T - MINUTE, T - MINUTE), at(T, T)])
  expect(late).toMatchObject({ behind: 10 * MINUTE })
})

test('the readings that are noted as behind by more than the bound are those that the engine judges nothing by', () => {
  const bounds = { latenessMs: 5 * MINUTE, staleAfterMs: 60 * MINUTE }
  const severity = { yellow: { metric: 'fume', above: 2 } }
  const rule = {
    id: 'r',
    version: 1,
    kind: 'cooking_fume',
    title: { en: 'r', zh: 'r' },
    basis: 'b',
    severity,
  }
  const plan = planRules([rule satisfies Rule]).get('cooking_fume')!
  const message = fc.record({
    wait: fc.integer({ min: 0, max: 2 * MINUTE }),
    ages: fc.array(fc.integer({ min: -4 * MINUTE, max: 20 * MINUTE }), { minLength: 1, maxLength: 4 }),
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 50 }), (messages) => {
      let now = T
      const deliveries = messages.map(({ wait, ages }) => {
        now += wait
        return at(now, ...ages.map((age) => now - age))
      })
      const state = new DeviceState('fume-1', plan, bounds)
      for (const { readings, receivedAt } of deliveries) observe(state, readings, receivedAt)
      const late = noted(deliveries).filter(({ behind = 0 }) => behind > bounds.latenessMs)
      expect(late).toHaveLength(state.late)
    }),
    { numRuns: 500 },
  )
})
