import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AROUND_MS, LONGEST_MS, windowsAround, type Window } from './windows.ts'

const HOUR = 3_600_000
const now = 1_700_000_000_000

test('half an hour before the start to half an hour after the end, as far as that has come', () => {
  expect(windowsAround([{ startedAt: now - 2 * HOUR, clearedAt: now - HOUR }], now)).toEqual({
    windows: [{ from: now - 2 * HOUR - AROUND_MS, to: now - HOUR + AROUND_MS }],
    leftOut: [],
  })
  expect(windowsAround([{ startedAt: now - HOUR, clearedAt: null }], now).windows).toEqual([
    { from: now - HOUR - AROUND_MS, to: now },
  ])
})

const length = (windows: readonly Window[]) => windows.reduce((sum, { from, to }) => sum + to - from, 0)

test('windows are in order, apart, never too long, and with what is left out they cover every alarm', () => {
  const alarm = fc.tuple(fc.nat(100 * HOUR), fc.option(fc.nat(50 * HOUR))).map(([ago, lasted]) => ({
    startedAt: now - ago,
    clearedAt: lasted === null ? null : Math.min(now, now - ago + lasted),
  }))
  fc.assert(
    fc.property(fc.array(alarm, { maxLength: 8 }), (alarms) => {
      const { windows, leftOut } = windowsAround(alarms, now)
      expect(length(windows)).toBeLessThanOrEqual(LONGEST_MS)
      for (let i = 1; i < windows.length; i++)
        expect(windows[i]!.from).toBeGreaterThanOrEqual(windows[i - 1]!.to)
      const all = [...windows, ...leftOut]
      for (const { startedAt, clearedAt } of alarms) {
        for (const at of [
          startedAt - AROUND_MS,
          startedAt - 1,
          Math.min(now, (clearedAt ?? now) + AROUND_MS) - 1,
        ])
          expect(all.some(({ from, to }) => at >= from && at < to)).toBe(true)
      }
    }),
  )
})
