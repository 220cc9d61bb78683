import type { Device } from '../model/device.ts'
import type { Kinds } from '../model/kind.ts'
import type { Point, Query } from '../model/pipeline.ts'
import { implausibleHours } from './implausible-hours.ts'
import { HOUR, type Month } from './month.ts'
import type { StationMonth } from './monthly-mean.ts'
import { metricsOf, reportSection, sectionsOf, type SectionReport } from './section-report.ts'
import type { SectionSettings } from './section-settings.ts'

/** A month has at most so many hours. */
const HOURS = 31 * 24
/** Reports that may wait for the one that is being made. */
const WAITING = 8

export class TooManyReports extends Error {
  override readonly name = 'TooManyReports'
}

export interface ReporterParts {
  /** Any of the historians: what is made of hours is asked, and points where a kind says how far they may step. */
  readonly query: (query: Query) => Promise<readonly Point[]>
  /** Say which values are plausible. */
  readonly kinds: Kinds
  readonly settings: SectionSettings
}

/**
 * Makes section reports out of the historian, one report at a time and two questions at once, so that whoever
 * asks for a year of them leaves room for the console's curves. A station's history is taken whole, also from
 * before it was moved to its present site.
 */
export class SectionReporter {
  readonly #parts: ReporterParts
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(parts: ReporterParts) {
    this.#parts = parts
  }

  /**
   * The sections of these devices with an id above `after`, at most `limit` of them, and whether there are more.
   * Rejects with {@link TooManyReports}, with what the historian rejects with, and when `signal` aborts.
   */
  async report(
    devices: Iterable<Device>,
    month: Month,
    now: number,
    page: { readonly after: string; readonly limit: number; readonly signal: AbortSignal },
  ): Promise<{ readonly items: SectionReport[]; readonly hasMore: boolean }> {
    const { settings } = this.#parts
    const sections = sectionsOf(devices, settings).filter(({ id }) => id > page.after)
    const until = Math.min(now, month.to)
    return await this.#inTurn(async () => {
      const items: SectionReport[] = []
      for (const section of sections.slice(0, page.limit)) {
        const measured = new Map<string, StationMonth[]>()
        for (const metric of metricsOf(section)) {
          const months: StationMonth[] = []
          for (const station of section.stations) {
            page.signal.throwIfAborted()
            months.push(await this.#stationMonth(station, metric, month, page.signal))
          }
          measured.set(metric, months)
        }
        items.push(reportSection(section, measured, month, until, settings))
      }
      return { items, hasMore: sections.length > page.limit }
    })
  }

  async #stationMonth(
    { id, kind }: Device,
    metric: string,
    { from, to }: Month,
    signal: AbortSignal,
  ): Promise<StationMonth> {
    const { query, kinds } = this.#parts
    const hourly = { device: id, kind, from, to, every: HOUR, limit: HOURS }
    const [means, flags] = await Promise.all([
      query({ ...hourly, metric, agg: 'mean' }),
      // Only marks other than N are stored.
      query({ ...hourly, metric: `${metric}_flag`, agg: 'count' }),
    ])
    const plausible = kinds.get(kind)?.metrics[metric]?.plausible
    return {
      means: means.flatMap(([hour, mean]) => (typeof mean === 'number' ? [[hour, mean] as const] : [])),
      flagged: new Set(flags.map(([hour]) => hour)),
      implausible:
        plausible === undefined || means.length === 0
          ? new Set()
          : await implausibleHours(query, { device: id, kind, metric, from, to }, plausible, signal),
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING) throw new TooManyReports('too many reports are being made')
    this.#waiting++
    const turn = this.#last.then(work).finally(() => this.#waiting--)
    this.#last = turn.catch(() => {})
    return await turn
  }
}
