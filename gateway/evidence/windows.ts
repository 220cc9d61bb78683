import type { Alarm } from '../model/alarm.ts'

/** Epoch milliseconds, `from` inclusive, `to` exclusive. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** Frozen before an alarm's start and after its end, ms. */
export const AROUND_MS = 30 * 60_000
/** Frozen of one case at most, ms: the first half of it and the last half. */
export const LONGEST_MS = 24 * 3_600_000

/** The time around alarms, without overlaps and in order, and what of it is beyond {@link LONGEST_MS}. */
export function windowsAround(
  alarms: readonly Pick<Alarm, 'startedAt' | 'clearedAt'>[],
  now: number,
): { readonly windows: readonly Window[]; readonly leftOut: readonly Window[] } {
  const merged: { from: number; to: number }[] = []
  const wanted = alarms
    .map(({ startedAt, clearedAt }) => ({
      from: startedAt - AROUND_MS,
      to: Math.max(startedAt, Math.min(now, (clearedAt ?? now) + AROUND_MS)),
    }))
    .toSorted((one, other) => one.from - other.from)
  for (const window of wanted) {
    const last = merged.at(-1)
    if (last !== undefined && window.from <= last.to) last.to = Math.max(last.to, window.to)
    else merged.push(window)
  }
  const total = merged.reduce((sum, { from, to }) => sum + to - from, 0)
  if (total <= LONGEST_MS) return { windows: merged, leftOut: [] }
  const [first, rest] = split(merged, LONGEST_MS / 2)
  const [leftOut, last] = split(rest, total - LONGEST_MS)
  return { windows: [...first, ...last], leftOut }
}

/** The first `length` ms of them, and the rest. */
function split(windows: readonly Window[], length: number): [Window[], Window[]] {
  const first: Window[] = []
  const rest: Window[] = []
  let room = length
  for (const { from, to } of windows) {
    const cut = Math.min(to, from + room)
    if (cut > from) first.push({ from, to: cut })
    if (to > cut) rest.push({ from: cut, to })
    room -= cut - from
  }
  return [first, rest]
}
