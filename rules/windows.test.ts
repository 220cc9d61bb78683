import { array, assert, boolean, constantFrom, integer, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OVER_WINDOW, type OverWindow } from '../gateway/model/rule.ts'
import { MILLION } from './millionths.ts'
import type { WindowMemory } from './panes.ts'
import { emptyRings, roomier, ringsOf } from './rings.ts'
import { AGGREGATES, restoreWindow, windowNumbers, type Window } from './window.ts'

const WIDTH = 40_000
/** A thousandth of the window. */
const GRAIN = 40

/** A device with one window, as a fold keeps it, and a base that may be gone back to. */
class Watcher implements WindowMemory {
  readonly window: Window
  cells: Float64Array
  rings: Float64Array
  base: Float64Array

  constructor(aggregate: OverWindow) {
    const [ring] = ringsOf([{ pace: 'readings', recordSize: AGGREGATES[aggregate].recordSize }])
    this.window = new AGGREGATES[aggregate]({ width: WIDTH, at: 1, ring: ring! }, aggregate)
    this.cells = new Float64Array(1 + this.window.panes.numbers)
    this.window.panes.clear(this.cells)
    this.base = this.cells.slice()
    this.rings = emptyRings([this.window.panes])
  }

  makeRoom(): void {
    const { panes } = this.window
    this.rings = roomier(
      this.rings,
      [panes],
      panes,
      () => panes.first(this.base),
      () => panes.end(this.cells),
    )
  }

  restart(): void {
    const told = JSON.parse(JSON.stringify(windowNumbers(this.window, this.cells, this.rings))) as (
      number | null
    )[]
    this.window.panes.clear(this.cells)
    this.base = this.cells.slice()
    this.rings = emptyRings([this.window.panes])
    restoreWindow(
      this.window,
      this,
      told.map((number) => number ?? NaN),
    )
  }
}

interface Sample {
  readonly ts: number
  readonly value: number
}

/** The samples of one pane leave with its last one. */
function inWindow(samples: readonly Sample[]): Sample[][] {
  const until = samples.at(-1)!.ts - WIDTH
  const panes = Map.groupBy(samples, ({ ts }) => Math.floor(ts / GRAIN))
  return [...panes.values()].filter((pane) => pane.at(-1)!.ts > until)
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** What the language says, written down as simply as it can be. */
const MEANING: Record<OverWindow, (panes: readonly Sample[][], all: readonly Sample[]) => number> = {
  mean: (panes) => sum(panes.flat().map(({ value }) => value)) / panes.flat().length,
  sum: (panes) => sum(panes.flat().map(({ value }) => value)),
  count: (panes) => panes.flat().length * MILLION,
  min: (panes) => Math.min(...panes.flat().map(({ value }) => value)),
  max: (panes) => Math.max(...panes.flat().map(({ value }) => value)),
  range: (panes) => MEANING.max(panes, []) - MEANING.min(panes, []),
  p95: (panes) => {
    const means = panes.map((pane) => sum(pane.map(({ value }) => value)) / pane.length)
    return means.sort((a, b) => a - b)[Math.ceil((95 * means.length) / 100) - 1]!
  },
  changes: (_, all) => {
    const changed = all.filter(({ value }, index) => index > 0 && value !== all[index - 1]!.value)
    return changed.length === 0 ? 0 : inWindowAt(changed, all.at(-1)!.ts) * MILLION
  },
  rate: (panes) => {
    const [oldest, newest] = [panes[0]![0]!, panes.at(-1)!.at(-1)!]
    if (oldest.ts === newest.ts) return NaN
    return ((newest.value - oldest.value) * 3_600_000) / (newest.ts - oldest.ts)
  },
}

function inWindowAt(changed: readonly Sample[], now: number): number {
  const panes = Map.groupBy(changed, ({ ts }) => Math.floor(ts / GRAIN))
  return [...panes.values()].filter((pane) => pane.at(-1)!.ts > now - WIDTH).flat().length
}

const sample = record({
  gap: integer({ min: 1, max: 10 }),
  value: constantFrom(0, 1, 1, 2, 5, 8, 9),
})
const stretch = record({
  samples: array(sample, { minLength: 1, maxLength: 150, size: 'max' }),
  /** ms for each step of a gap: from many samples a pane to few a window. */
  pace: constantFrom(1, 10, 60, 60, 200, 4000),
  pause: constantFrom(0, 0, 0, 12_000, 90_000),
  /** Falls or rises all the time, which is when extremes leave one after the other. */
  slope: constantFrom(-1, 0, 0, 1),
  restarts: boolean(),
  /** So many others were there first, and are taken back. */
  former: integer({ min: 0, max: 150 }),
})

describe('a window', () => {
  test.each(OVER_WINDOW)(
    'over %s says what the language means, also after going back and after a restart',
    (aggregate) => {
      assert(
        property(array(stretch, { minLength: 1, maxLength: 6 }), (stretches) => {
          const watcher = new Watcher(aggregate)
          const all: Sample[] = []
          let [ts, level] = [1_717_200_000_000, 0]
          const push = (one: Sample) => watcher.window.push(watcher, one.ts, one.value)
          for (const { samples, pace, pause, slope, restarts, former } of stretches) {
            watcher.base = watcher.cells.slice()
            ts += pause
            const taken = samples.map(({ gap, value }): Sample => {
              ts += gap * pace
              level += slope
              return { ts, value: value + level }
            })
            for (const { ts, value } of taken.slice(0, former)) push({ ts: ts + 3, value: value + 20 })
            watcher.cells = watcher.base.slice()
            for (const one of taken) {
              const said = push(one)
              all.push(one)
              expect(said).toBe(MEANING[aggregate](inWindow(all), all))
            }
            if (restarts) watcher.restart()
          }
        }),
        { numRuns: 50 },
      )
    },
  )

  test.each(OVER_WINDOW)(
    'over %s has room for no more panes than it needs, however long it goes on',
    (aggregate) => {
      for (const value of [() => 1, (index: number) => index, (index: number) => -index]) {
        const watcher = new Watcher(aggregate)
        for (let index = 0; index < 30_000; index++) {
          watcher.window.push(watcher, index * GRAIN, value(index))
          if (index % 1000 === 0) watcher.base = watcher.cells.slice()
        }
        expect(watcher.rings.length).toBeLessThanOrEqual(4096 * watcher.window.panes.recordSize + 3)
      }
    },
  )

  test('of extremes tells no more than what may still be one', () => {
    const watcher = new Watcher('range')
    for (let index = 0; index < 500; index++)
      watcher.window.push(watcher, index * GRAIN, (index * 7919) % 997)
    const told = windowNumbers(watcher.window, watcher.cells, watcher.rings)
    expect(told.length).toBeLessThan(3 * 40)
  })
})
