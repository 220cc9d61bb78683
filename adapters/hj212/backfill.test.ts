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
  ['never heard before', [], null],
  ['away for five minutes', every(10 * MINUTE, -HOUR, -15 * MINUTE), null],
  ['away for an hour', every(10 * MINUTE, -3 * HOUR, -HOUR), { from: BACK - HOUR, period: 'minute' }],
  [
    'away for two days',
    every(10 * MINUTE, -60 * HOUR, -48 * HOUR),
    { from: BACK - 48 * HOUR, period: 'hour' },
  ],
  ['hourly, between two values', every(HOUR, -24 * HOUR, -30 * MINUTE), null],
  [
    'hourly, three values missing',
    every(HOUR, -24 * HOUR, -3 * HOUR),
    { from: BACK - 4 * HOUR + 10 * MINUTE, period: 'hour' },
  ],
  ['every four hours, one value missing', every(4 * HOUR, -48 * HOUR, -6 * HOUR), null],
  ['heard once, two hours ago', [BACK - 2 * HOUR], { from: BACK - 2 * HOUR + 10 * MINUTE, period: 'minute' }],
])('a device %s', (_, starts, gap) => {
  expect(gapBefore(starts, BACK)).toEqual(gap)
})
