import { DAYS, type CalendarLeaf } from '../gateway/model/rule.ts'
import { attributeOf } from './limit.ts'
import { daysOf, hoursOf, WHOLE_DAY } from './calendar.ts'

const DAY = WHOLE_DAY.end
const END = DAYS.length * DAY

/** Stretches of a week that begins on Monday, ms from there, ends excluded; in order, and none touches another. */
export type Week = readonly (readonly [from: number, to: number])[]

export const WHOLE_WEEK: Week = [[0, END]]

/**
 * When in a week a leaf can hold, or its opposite. Of hours that are each device's own only the days are known, to the
 * end of the next one: hours may go over midnight.
 */
export function weekOf({ days, hours = '00:00-24:00' }: CalendarLeaf, negated: boolean): Week {
  const isOwn = attributeOf(hours) !== null
  if (isOwn && negated) return WHOLE_WEEK
  const { start, end } = isOwn ? { start: 0, end: 2 * DAY } : hoursOf(hours)!
  const length = end > start ? end - start : end - start + DAY
  const open = daysOf(days).flatMap((isAmong, day) => {
    const from = day * DAY + start
    const to = from + length
    if (!isAmong) return []
    // What goes beyond Sunday is of the next week, which is the same again.
    return to <= END ? [[from, to] as const] : [[from, END] as const, [0, to - END] as const]
  })
  const week = joined(open)
  return negated ? without(week) : week
}

/** What is of both. */
export function meetWeeks(a: Week, b: Week): Week {
  return a.flatMap(([from, to]) =>
    b.flatMap(([start, end]) => {
      const [low, high] = [Math.max(from, start), Math.min(to, end)]
      return low < high ? [[low, high] as const] : []
    }),
  )
}

function joined(stretches: Week): Week {
  const week: [number, number][] = []
  for (const [from, to] of stretches.toSorted(([a], [b]) => a - b)) {
    const last = week.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to)
    else week.push([from, to])
  }
  return week
}

/** The rest of the week. */
function without(week: Week): Week {
  const ends = [0, ...week.flat(), END]
  return ends.flatMap((from, index) => {
    const to = ends[index + 1]!
    return index % 2 === 0 && from < to ? [[from, to] as const] : []
  })
}
