import { expect, test } from 'vitest'
import { Throttle } from './throttle.ts'

function throttleOf(burst: number, everyMs: number, keys?: number) {
  const clock = { time: 1_000_000, now: () => clock.time }
  return { clock, throttle: new Throttle(burst, everyMs, clock, keys) }
}

test('a burst passes, then one in each interval', () => {
  const { clock, throttle } = throttleOf(3, 1000)
  for (let i = 0; i < 3; i++) {
    expect(throttle.allows('a')).toBe(true)
    throttle.count('a')
  }
  expect(throttle.allows('a')).toBe(false)
  expect(throttle.allows('b')).toBe(true)
  clock.time += 999
  expect(throttle.allows('a')).toBe(false)
  clock.time += 1
  expect(throttle.allows('a')).toBe(true)
})

test('what is given back was never counted', () => {
  const { throttle } = throttleOf(1, 1000)
  throttle.count('a')
  throttle.giveBack('a')
  throttle.giveBack('b')
  expect(throttle.allows('a')).toBe(true)
})

test('a clock that is set back neither fills nor empties a bucket', () => {
  const { clock, throttle } = throttleOf(1, 1000)
  throttle.count('a')
  clock.time -= 500_000
  expect(throttle.allows('a')).toBe(false)
  clock.time += 1000
  expect(throttle.allows('a')).toBe(true)
})

test('memory is bounded by the number of keys, the oldest going first', () => {
  const { throttle } = throttleOf(1, 1000, 2)
  for (const key of ['a', 'b', 'c']) throttle.count(key)
  expect(['a', 'b', 'c'].map((key) => throttle.allows(key))).toEqual([true, false, false])
})
