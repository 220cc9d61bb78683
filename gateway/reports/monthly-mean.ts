import { DAY, HOUR, type Month } from './month.ts'

/** A station's month of one metric, by the hour. Times are the beginnings of hours, epoch milliseconds. */
export interface StationMonth {
  readonly means: readonly (readonly [hour: number, mean: number])[]
  /** Hours in which at least one reading of the metric was marked other than N. */
  readonly flagged: ReadonlySet<number>
  /** Hours in which at least one normal reading was none that rules believe (the kind's `plausible`). */
  readonly implausible: ReadonlySet<number>
}

export interface MonthlyMean {
  /** In the metric's unit, whole millionths of it; null when no hour of the month was valid. */
  readonly mean: number | null
  /** Days with at least one valid hour. */
  readonly days: number
  /** Hours with values that were left out because a reading in them was marked other than N. */
  readonly flaggedHours: number
  /** Of the others, hours that were left out because a reading in them was not plausible. */
  readonly implausibleHours: number
  /** Readings that were due so far … */
  readonly expected: number
  /** … and for how many of them there is at least one valid hour. */
  readonly valid: number
}

/**
 * Hourly means → daily means → monthly mean, each the plain arithmetic one, pH too. An hour counts only when all
 * of its readings were normal: HJ 212-2017 annex C.16 marks an hour of water as abnormal when any part of it
 * was. A reading that is not plausible counts as one with a mark, as it does to rules. `everyHours` is how often a
 * reading is due; a station that reports more often is not more than complete.
 * Stations of one section are taken together. `until` is the end of what can be there yet.
 */
export function monthlyMean(
  stations: readonly StationMonth[],
  month: Month,
  until: number,
  everyHours: number,
): MonthlyMean {
  const slot = everyHours * HOUR
  const expected = Math.max(0, Math.floor((Math.min(until, month.to) - month.from) / slot))
  const filled = new Set<number>()
  const days = new Map<number, { sum: number; count: number }>()
  let flaggedHours = 0
  let implausibleHours = 0
  for (const { means, flagged, implausible } of stations) {
    for (const [hour, mean] of means) {
      if (flagged.has(hour)) {
        flaggedHours++
        continue
      }
      if (implausible.has(hour)) {
        implausibleHours++
        continue
      }
      filled.add(Math.floor((hour - month.from) / slot))
      const day = Math.floor((hour - month.from) / DAY)
      const sofar = days.get(day) ?? { sum: 0, count: 0 }
      // Databases differ in the last bits of a mean; in millionths they agree.
      sofar.sum += inMillionths(mean)
      sofar.count++
      days.set(day, sofar)
    }
  }
  const daily = [...days.values()].map(({ sum, count }) => sum / count)
  return {
    mean: daily.length === 0 ? null : inMillionths(daily.reduce((sum, mean) => sum + mean, 0) / daily.length),
    days: daily.length,
    flaggedHours,
    implausibleHours,
    expected,
    valid: [...filled].filter((index) => index < expected).length,
  }
}

function inMillionths(value: number): number {
  return Math.round(value * 1e6) / 1e6
}
