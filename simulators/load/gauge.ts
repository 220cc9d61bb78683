import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** Milliseconds, to the microsecond. */
export interface Latency {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** Latencies in constant memory, three significant digits (HDR histogram). */
export class LatencyGauge {
  readonly #histogram: RecordableHistogram = createHistogram({ figures: 3 })

  /** Milliseconds. */
  record(latency: number): void {
    this.#histogram.record(Math.max(1, Math.round(latency * 1e6)))
  }

  read(): Latency | null {
    const histogram = this.#histogram
    if (histogram.count === 0) return null
    const ms = (nanoseconds: number): number => Math.round(nanoseconds / 1e3) / 1e3
    return {
      count: histogram.count,
      mean: ms(histogram.mean),
      p50: ms(histogram.percentile(50)),
      p90: ms(histogram.percentile(90)),
      p99: ms(histogram.percentile(99)),
      p999: ms(histogram.percentile(99.9)),
      max: ms(histogram.max),
    }
  }
}
