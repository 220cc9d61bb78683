import { expect, test } from 'vitest'
import { gapBefore } from './backfill.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const BACK = Date.UTC(2024, 5, 1, 4)
const every = (step: number, from: number, to: number) => {
  const starts: number[] = []
  for (let at = BACK + from; at < BACK + to; at += step) starts.push(at)
  return starts
}

test.each([
  ['never heard before', MINUTE, [], null],
  ['away for four minutes', MINUTE, every(MINUTE, -HOUR, -4 * MINUTE), null],
  [
    'away for a quarter of an hour',
    MINUTE,
    every(MINUTE, -HOUR, -15 * MINUTE),
    { from: BACK - 15 * MINUTE, period: 'minute' },
  ],
  ['that reports every ten minutes, one missing', MINUTE, every(10 * MINUTE, -3 * HOUR, -10 * MINUTE), null],
  [
    'that reports every ten minutes, away for an hour',
    MINUTE,
    every(10 * MINUTE, -3 * HOUR, -HOUR),
    { from: BACK - 69 * MINUTE, period: 'minute' },
  ],
  [
    'away for two days',
    10 * MINUTE,
    every(10 * MINUTE, -60 * HOUR, -48 * HOUR),
    { from: BACK - 48 * HOUR, period: 'hour' },
  ],
  ['hourly, between two values', MINUTE, every(HOUR, -24 * HOUR, -30 * MINUTE), null],
  [
    'hourly, three values missing',
    MINUTE,
    every(HOUR, -24 * HOUR, -3 * HOUR),
    { from: BACK - 4 * HOUR + MINUTE, period: 'hour' },
  ],
  ['every four hours, one value missing', 10 * MINUTE, every(4 * HOUR, -48 * HOUR, -6 * HOUR), null],
  [
    'heard once, two hours ago',
    MINUTE,
    [BACK - 2 * HOUR],
    { from: BACK - 2 * HOUR + MINUTE, period: 'minute' },
  ],
])('a device %s', (_, window, starts, gap) => {
  expect(gapBefore(starts, BACK, window)).toEqual(gap)
})
