import { delayOf, FLAGS, type Flag, type Reading } from '../gateway/model/reading.ts'
import { DELAY_METRIC } from '../gateway/model/rule.ts'
import type { Area } from './area.ts'
import type { Local } from './local.ts'
import { MILLION, millionths } from './millionths.ts'

/** Which of two numbers stands: the greater, the smaller, or all bits of both. */
export type Joins = 'greatest' | 'least' | 'union'

/** A number that a reading has in its row. */
export interface Column {
  /** Known by it in saved states. */
  readonly key: string
  /** What a reading says of it; NaN when it says nothing. */
  readonly read: (reading: Reading, receivedAt: number, local: Local) => number
  /** The metric whose value it is ({@link valueIn}): most columns, and a call by name costs less than one of `read`. */
  readonly metric?: string
  /** What stands of two readings of one instant; the greater number unless it says so. */
  readonly joins?: Joins
}

/** A metric's value, when its flag is N. */
export function metricColumn(metric: string): Column {
  if (metric === DELAY_METRIC) return delay
  return { key: metric, metric, read: (reading) => valueIn(reading, metric) }
}

/** Of a metric, when its flag is N; millionths, NaN where there is none. */
export function valueIn({ metrics, flags }: Reading, metric: string): number {
  const value = metrics[metric]
  if (value === undefined) return NaN
  const flag = flags?.[metric]
  return flag === undefined || flag === 'N' ? millionths(value) : NaN
}

/** Of copies of a reading the first tells how long it was under way. */
const delay: Column = {
  key: DELAY_METRIC,
  read: (reading, receivedAt) => delayOf(reading, receivedAt) * (MILLION / 1000),
  joins: 'least',
}

const NORMAL = FLAGS.indexOf('N')

/** The flag of a metric, as its place among {@link FLAGS}. */
export function flagColumn(metric: string): Column {
  return {
    key: `${metric} flag`,
    read: ({ metrics, flags }) => {
      const flag = flags === undefined ? undefined : flags[metric]
      // Nearly all: nothing is marked.
      if (flag === undefined) return metrics[metric] === undefined ? NaN : NORMAL
      return FLAGS.indexOf(flag)
    },
  }
}

/** A bit for each flag that any of the metrics has. */
export const anyFlagColumn: Column = {
  key: 'any flag',
  joins: 'union',
  read: ({ metrics, flags }) => {
    if (flags === undefined) return bitOf('N')
    let bits = 0
    for (const metric in flags) bits |= bitOf(flags[metric]!)
    for (const metric in metrics) if (flags[metric] === undefined) return bits | bitOf('N')
    return bits
  },
}

export function bitOf(flag: Flag): number {
  return 1 << FLAGS.indexOf(flag)
}

/** 1 when the position is in the area that `areaOf` finds. */
export function areaColumn(key: string, areaOf: (local: Local) => Area | null): Column {
  return {
    key,
    read: ({ position }, _, local) => {
      const area = areaOf(local)
      return position === undefined || area === null ? NaN : Number(area.holds(position))
    },
  }
}

/** There in every reading. */
export const heardColumn: Column = { key: 'heard', read: () => 1 }
