import { expect, test } from 'vitest'
import { labelled } from './chart.ts'
import type { LimitLine } from './limit-lines.ts'

const limit = (value: number, severity: LimitLine['severity'] = 'yellow'): LimitLine => ({
  metric: 'fume',
  value,
  severity,
  label: `> ${value}`,
})
/** 0 at 176, 10 at 26. */
const y = (value: number) => 176 - value * 15

test.each([
  ['close to each other', [1.6, 2, 2.05, 4]],
  ['at the bottom', [0, 0.1, 0.2]],
  ['at the top', [10, 9.9, 9.95]],
  ['too many', Array.from({ length: 30 }, (_, i) => 5 + i / 1000)],
])('labels of limits do not overlap and stay in the picture: %s', (_, values) => {
  const lines = labelled(
    values.map((value) => limit(value)),
    y,
    176,
  )
  expect(lines.map(({ value }) => value)).toEqual(values.toSorted((a, b) => b - a))
  const baselines = lines.map(({ baseline }) => baseline)
  const gaps = baselines.slice(1).map((baseline, i) => baseline - baselines[i]!)
  expect(Math.min(...gaps)).toBeGreaterThan(values.length > 12 ? 4.9 : 12.9)
  expect(Math.min(...baselines)).toBeGreaterThan(20)
  expect(Math.max(...baselines)).toBeLessThan(176)
})

test('a label stands on its line where there is room, and a limit that two rules share is drawn once', () => {
  const lines = labelled([limit(2), limit(8, 'red'), limit(2)], y, 176)
  expect(lines.map(({ value, baseline }) => [value, baseline])).toEqual([
    [8, y(8) - 4],
    [2, y(2) - 4],
  ])
})
