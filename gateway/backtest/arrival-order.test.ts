import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Replay } from '../../rules/backtest.ts'
import { DeviceState } from '../../rules/device-state.ts'
import { advance, observe, refresh } from '../../rules/engine.ts'
import { planLinkedRules } from '../../rules/plan.ts'
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

describe('rules that look at several devices', () => {
  const BOUNDS = { latenessMs: 5 * MINUTE, staleAfterMs: 60 * MINUTE }
  const above = { metric: 'x', above: 5 }
  const ATTRIBUTES = { upstream: 'u' }
  const plan = planLinkedRules([
    {
      id: 'between',
      version: 1,
      kind: 'k',
      title: { en: 'b', zh: 'b' },
      basis: 'b',
      severity: { red: { all: [above, { of: 'upstream', metric: 'x', below: 5 }] } },
      for: '30s',
    },
  ]).get('k')!

  interface Came {
    readonly source: number
    readonly at: number
    readonly reading: StoredReading
  }

  /** What came in: kept as the recorder would, and in the order in which it came. */
  function arrived(steps: readonly { wait: number; age: number; source: number; x: number }[]): Came[] {
    const arrivals = [0, 1].map(() => new Arrivals(() => []))
    let at = T
    return steps.map(({ wait, age, source, x }) => {
      at += wait
      const reading: StoredReading = { ts: at - age, metrics: { x } }
      arrivals[source]!.note({ seq: 0, origin, receivedAt: at, readings: [reading] })
      return { source, at, reading }
    })
  }

  /** Value and time of the alarms that stand. */
  function standing(changes: readonly { id: string; state: string }[]): unknown[] {
    const book = new Map(changes.map((change) => [change.id, change]))
    return [...book.values()]
      .filter(({ state }) => state !== 'withdrawn')
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  function live(came: readonly Came[]): unknown[] {
    const state = new DeviceState('d', plan, BOUNDS, ATTRIBUTES)
    const changes = came.flatMap(({ source, at, reading: { ts, metrics } }) => [
      ...observe(state, [{ ts, metrics }], at, source),
    ])
    const found = [...changes, ...advance(state, T + 1000 * MINUTE), ...refresh(state)]
    return standing(found.map(({ rule, ...rest }) => ({ ...rest, rule: rule.id })))
  }

  async function replayed(came: readonly Came[]): Promise<unknown[]> {
    const streams = [0, 1].map((source) =>
      came.flatMap((one) => (one.source === source ? one.reading : [])).toSorted((a, b) => a.ts - b.ts),
    )
    const replay = new Replay(origin, plan, BOUNDS, ATTRIBUTES)
    const sightings = await merged(...streams)
    const changes = sightings.flatMap(({ recorded, source }) => [...replay.take(recorded, source)])
    const found = [...changes, ...replay.end(T + 1000 * MINUTE)]
    return standing(
      found.map(
        ({ alarm: { id, rule, severity, state, stale = false, startedAt, clearedAt, value, peak } }) => ({
          id,
          severity,
          state,
          stale,
          startedAt,
          clearedAt,
          value,
          peak,
          rule,
        }),
      ),
    )
  }

  /** Whether what is late is late whatever came before what within the time that the history knows. */
  function isCertain(came: readonly Came[]): boolean {
    const { latenessMs, staleAfterMs } = BOUNDS
    return came.every(({ source, at, reading: { ts } }) => {
      const newest = (until: number, of: readonly Came[]) =>
        of.reduce((latest, other) => (other.at < until ? Math.max(latest, other.reading.ts) : latest), ts)
      const its = came.filter((other) => other.source === source)
      const isLate = (until: number) =>
        ts < newest(until, its) - latenessMs || ts < newest(until, came) - latenessMs - staleAfterMs
      return isLate(at - 2 * AT_ONCE_MS) === isLate(at + 2 * AT_ONCE_MS)
    })
  }

  test('say in a back-test what they said live, unless ten seconds decided what was later than the bound', async () => {
    const step = fc.record({
      wait: fc.constantFrom(1, 100, 9000, 30_000, 90_000, 20 * MINUTE),
      age: fc.constantFrom(0, 1, 4000, 9999, 60_000, 4 * MINUTE, 7 * MINUTE, 64 * MINUTE, 66 * MINUTE),
      source: fc.constantFrom(0, 1),
      x: fc.constantFrom(3, 7),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const came = arrived(steps)
        fc.pre(isCertain(came))
        expect(await replayed(came)).toEqual(live(came))
      }),
      { numRuns: 400 },
    )
  })

  test('may differ where hours are pressed into seconds: which of two came first is not kept', async () => {
    const came = arrived([
      // An hour ahead of the clock, as one of two senders is that play days in seconds.
      { source: 0, wait: 66 * MINUTE, age: -65 * MINUTE - 10_000, x: 7 },
      // Live nobody waits for it any more; that it came after the other is not kept, for it came at once.
      { source: 1, wait: 5000, age: 9000, x: 3 },
    ])
    expect(isCertain(came)).toBe(false)
    expect(live(came)).toEqual([])
    expect(await replayed(came)).toMatchObject([{ rule: 'between' }])
  })
})
