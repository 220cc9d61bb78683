import { PERIOD_MS, PERIODS, type Period } from './readings.ts'

/** From when to when values have come without a longer pause than {@link PAUSE_MS}; epoch milliseconds. */
type Run = [from: number, to: number]

/** Values that lie no further apart than this make one run: a period between two of them is covered. */
const PAUSE_MS = 10 * 60_000
/** Runs kept of a metric, newest last. */
const RUNS = 32

/**
 * A monitor says the same several times: every half minute, then as the mean of ten minutes, of the hour, of the day.
 * Each bears the start of its period as its time, so a mean would overwrite the instant of that moment, and would be
 * judged beside the values that it is made of. So the finest counts: a mean is taken for a metric's value only where
 * nothing finer of that metric has come for its period. It then fills a gap, or is all that the station sends.
 *
 * What came before the gateway's start is not known here.
 */
export class Coverage {
  /** By device and metric, the runs of each period, in the order of {@link PERIODS}. */
  readonly #devices = new Map<string, Map<string, Run[][]>>()

  /** Values of that time have come for the metrics that the object has. */
  note(device: string, metrics: object, period: Period, ts: number): void {
    let known = this.#devices.get(device)
    if (known === undefined) this.#devices.set(device, (known = new Map<string, Run[][]>()))
    const index = PERIODS.indexOf(period)
    for (const metric in metrics) {
      let periods = known.get(metric)
      if (periods === undefined) known.set(metric, (periods = PERIODS.map(() => [])))
      extend(periods[index]!, ts)
    }
  }

  /** Whether finer values than these of `period` have come for the period that begins at `ts`. */
  has(device: string, metric: string, period: Period, ts: number): boolean {
    if (period === 'instant') return false
    const periods = this.#devices.get(device)?.get(metric) ?? []
    // Of minute data its first minute tells.
    const end = ts + PERIOD_MS[period]
    return periods
      .slice(0, PERIODS.indexOf(period))
      .some((runs) => runs.some(([from, to]) => from < end && to >= ts))
  }

  forget(device: string): void {
    this.#devices.delete(device)
  }
}

function extend(runs: Run[], ts: number): void {
  const last = runs.at(-1)
  if (last !== undefined && ts >= last[0] && ts <= last[1] + PAUSE_MS) {
    if (ts > last[1]) last[1] = ts
    return
  }
  runs.push([ts, ts])
  runs.sort((a, b) => a[0] - b[0])
  const joined: Run[] = []
  for (const run of runs) {
    const before = joined.at(-1)
    if (before !== undefined && run[0] <= before[1] + PAUSE_MS) before[1] = Math.max(before[1], run[1])
    else joined.push(run)
  }
  runs.splice(0, runs.length, ...joined.slice(-RUNS))
}
