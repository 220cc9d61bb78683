import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Delivery, Flag, Position, Reading } from '../model/reading.ts'
import { Duplicates } from './duplicates.ts'

const T = 1_718_000_000_000

/** What makes a reading the same, written out the slow way: the oracle. */
function canonical(device: string, { ts, metrics, flags = {}, position }: Reading): string {
  const sorted = (record: object) => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
  const marks = sorted(flags).filter(([, flag]) => flag !== 'N')
  return JSON.stringify([device, ts, sorted(metrics), marks, position])
}

const reading: fc.Arbitrary<Reading> = fc
  .record(
    {
      ts: fc.oneof(fc.integer({ min: T, max: T + 5 }), fc.integer({ min: 0, max: 4_133_980_799_999 })),
      metrics: fc.dictionary(
        fc.constantFrom('fume', 'pm', 'fan'),
        fc.oneof(fc.constantFrom(0, -0, 1, 2.35, true, false), fc.double({ noNaN: true })),
        { minKeys: 1 },
      ),
      flags: fc.dictionary(fc.constantFrom('fume', 'pm'), fc.constantFrom<Flag>('N', 'F', 'M')),
      position: fc.constantFrom<Position>([120.857, 32.01], [120.857, 32.01, 12], [32.01, 120.857]),
    },
    { requiredKeys: ['ts', 'metrics'] },
  )
  .map((drawn) => drawn as Reading)

/** The kinds fix each metric's type, so a number never meets a boolean under one name; here it may not either. */
const typed = (one: Reading): Reading => ({
  ...one,
  metrics: Object.fromEntries(Object.entries(one.metrics).map(([name, value]) => [name, Number(value)])),
})

test('a reading is a duplicate exactly when device, time, metrics, flags and position are the same', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b'), reading.map(typed)), { maxLength: 60 }),
      (arrivals) => {
        const duplicates = new Duplicates(100)
        const seen = new Set<string>()
        for (const [device, one] of arrivals) {
          const key = canonical(device, one)
          expect(duplicates.add(device, one), key).toBe(!seen.has(key))
          seen.add(key)
        }
      },
    ),
  )
})

test('the order of the keys does not matter', () => {
  const duplicates = new Duplicates(10)
  duplicates.add('a', { ts: T, metrics: { fume: 1, pm: 2, fan: true } })
  expect(duplicates.add('a', { ts: T, metrics: { fan: true, pm: 2, fume: 1 } })).toBe(false)
})

test.each<[string, Reading]>([
  ['other metrics', { ts: T, metrics: { fume: 2 } }],
  ['values that changed places', { ts: T, metrics: { fume: 2, pm: 1 } }],
  ['another mark', { ts: T, metrics: { fume: 1, pm: 2 }, flags: { fume: 'M' } }],
  ['another place', { ts: T, metrics: { fume: 1, pm: 2 }, position: [120, 32] }],
  ['another time', { ts: T + 1, metrics: { fume: 1, pm: 2 } }],
])('with %s it is another reading', (_, other) => {
  const duplicates = new Duplicates(10)
  duplicates.add('a', { ts: T, metrics: { fume: 1, pm: 2 } })
  expect(duplicates.add('a', other)).toBe(true)
})

test('forgetting any of them, in any order, leaves exactly the others known', () => {
  const distinct = fc.uniqueArray(reading.map(typed), {
    selector: (one) => canonical('a', one),
    maxLength: 60,
  })
  fc.assert(
    fc.property(distinct, fc.infiniteStream(fc.boolean()), (readings, coin) => {
      // Small, so that entries crowd together and gaps must be closed.
      const duplicates = new Duplicates(64)
      for (const one of readings) duplicates.add('a', one)
      const kept: Reading[] = []
      for (const one of readings) {
        if (coin.next().value === true) kept.push(one)
        else duplicates.forget('a', one)
      }
      for (const one of kept) expect(duplicates.add('a', one)).toBe(false)
      for (const one of readings) expect(duplicates.add('a', one)).toBe(!kept.includes(one))
    }),
  )
})

test('the newest readings of a full generation are known, whatever came before', () => {
  const capacity = 50
  const duplicates = new Duplicates(capacity)
  for (let i = 0; i < 1000; i++) {
    expect(duplicates.add('a', { ts: T + i, metrics: { fume: 1 } })).toBe(true)
    const age = Math.min(i, capacity - 1)
    expect(duplicates.add('a', { ts: T + i - age, metrics: { fume: 1 } })).toBe(false)
  }
})

test('a failing disk that adds and forgets for ever does not push out what is known', () => {
  const duplicates = new Duplicates(50)
  duplicates.add('a', { ts: T, metrics: { fume: 1 } })
  for (let i = 1; i < 10_000; i++) {
    duplicates.add('a', { ts: T + i, metrics: { fume: 1 } })
    duplicates.forget('a', { ts: T + i, metrics: { fume: 1 } })
  }
  expect(duplicates.add('a', { ts: T, metrics: { fume: 1 } })).toBe(false)
})

const origin = { device: 'a', kind: 'cooking_fume', site: 's', street: 'wenfeng', grid: 'wenfeng-001' }

/** A journal of `count` deliveries with three readings each. */
function journalOf(count: number) {
  const deliveries: Delivery[] = Array.from({ length: count }, (_, i) => ({
    seq: 3 * i,
    origin,
    receivedAt: T,
    readings: [0, 1, 2].map((j) => ({ ts: T + 3 * i + j, metrics: { fume: 1 } })),
  }))
  return {
    head: () => 3 * count,
    tail: () => 0,
    read(from: number, limit: number) {
      const first = Math.floor(from / 3)
      const last = Math.min(count, Math.ceil((from + limit) / 3))
      return { deliveries: deliveries.slice(first, last), next: 3 * last }
    },
  }
}

test('after a start the newest readings of the journal are known again', () => {
  const duplicates = new Duplicates(200)
  duplicates.restore(journalOf(500))
  for (let i = 0; i < 150; i++) {
    expect(duplicates.add('a', { ts: T + 1499 - i, metrics: { fume: 1 } })).toBe(false)
  }
  expect(duplicates.add('a', { ts: T, metrics: { fume: 1 } })).toBe(true)
})

test('learning the journal again stops at its time bound', () => {
  expect(new Duplicates(200).restore(journalOf(500), 0)).toBe(0)
})

test('a reading without a time of its own is never remembered', () => {
  const duplicates = new Duplicates(10)
  const stamped: Reading = { ts: T, metrics: { fume: 1 }, clock: 'gateway' }
  duplicates.remember({ seq: 0, origin, receivedAt: T, readings: [stamped] })
  expect(duplicates.add('a', { ts: T, metrics: { fume: 1 } })).toBe(true)
})
