import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Recorded } from '../model/pipeline.ts'
import { AT_ONCE_MS, type StoredReading } from '../model/reading.ts'
import { Arrivals } from '../historian/arrivals.ts'
import { inArrivalOrder, type Sighting } from './arrival-order.ts'

const T = 1_718_000_000_000
const MINUTE = 60_000
const origin = { device: 'd', kind: 'k', site: 's', street: 'wenfeng', grid: 'wenfeng-001' }

async function* stream(readings: readonly StoredReading[]): AsyncIterable<readonly Recorded[]> {
  const chunks = [readings.slice(0, 3), readings.slice(3)]
  for (const chunk of chunks) {
    if (chunk.length > 0) yield await Promise.resolve(chunk.map((reading) => ({ origin, reading })))
  }
}

async function merged(...streams: readonly (readonly StoredReading[])[]): Promise<readonly Sighting[]> {
  const found: Sighting[] = []
  for await (const chunk of inArrivalOrder(streams.map(stream))) found.push(...chunk)
  return found
}

const readings = fc.array(
  fc.record({
    wait: fc.integer({ min: 0, max: MINUTE }),
    age: fc.integer({ min: -4 * MINUTE, max: 60 * MINUTE }),
  }),
  { maxLength: 30 },
)

test('readings come out in the order in which they came in, as far as the history knows it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(readings, { minLength: 1, maxLength: 3 }), async (devices) => {
      const truth = new Map<StoredReading, number>()
      const streams = devices.map((steps) => {
        let now = T
        const arrivals = new Arrivals(() => [])
        const its = steps.map(({ wait, age }): StoredReading => {
          now += wait
          const reading: StoredReading = { ts: now - age, metrics: { x: 1 } }
          arrivals.note({ seq: 0, origin, receivedAt: now, readings: [reading] })
          truth.set(reading, now)
          return reading
        })
        return its.toSorted((a, b) => a.ts - b.ts)
      })
      const found = await merged(...streams)
      expect(found).toHaveLength(truth.size)
      let latest = -Infinity
      for (const { recorded } of found) {
        const at = truth.get(recorded.reading)!
        // A delay that was not kept may be that of either.
        expect(at).toBeGreaterThanOrEqual(latest - 2 * AT_ONCE_MS)
        latest = Math.max(latest, at)
      }
    }),
    { numRuns: 200 },
  )
})

test('the parts of one message come in order of their time, those that came at once behind the older ones', async () => {
  const found = await merged([
    { ts: T - 6 * MINUTE, metrics: {}, delay: 6 * MINUTE + 2 },
    { ts: T - 1000, metrics: {} },
    { ts: T, metrics: {} },
  ])
  expect(found.map(({ recorded }) => recorded.reading.ts - T)).toEqual([-6 * MINUTE, -1000, 0])
})

test('a reading that came late stands behind what had come before it', async () => {
  const found = await merged(
    [{ ts: T, metrics: {} }],
    [{ ts: T - 6 * MINUTE, metrics: {}, delay: 6 * MINUTE + 50, behind: 6 * MINUTE }],
  )
  expect(found.map(({ source }) => source)).toEqual([0, 1])
})
