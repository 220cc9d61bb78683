import {
  classOfValue,
  excessMultiple,
  factorsOf,
  targetClass,
  WATER_BODIES,
  type RatedMetric,
  type TargetClass,
  type WaterBody,
  type WaterClass,
} from '../../rules/surface-water.ts'
import type { Device } from '../model/device.ts'
import { loadCompensation, tierCompensation, unmeasured, type Compensation } from './compensation.ts'
import type { Month } from './month.ts'
import { monthlyMean, type MonthlyMean, type StationMonth } from './monthly-mean.ts'
import { defaultTarget, dueEvery, type PaidMetric, type SectionSettings } from './section-settings.ts'

/** Stands on every report: nobody is billed by an automatic station's month. */
export const NOTICE = {
  en: 'Reference only: automatic stations, not the official monthly value.',
  zh: '仅供参考：自动站数据，非官方月均值。',
} as const

/** A cross-section of a river (断面): the site of one or more river stations. Boats are no sections. */
export interface Section {
  readonly id: string
  readonly title: { readonly en: string; readonly zh: string } | null
  readonly street: string
  readonly stations: readonly Device[]
  readonly water: WaterBody
  readonly target: TargetClass
  /** Who pays and is paid; null where nobody has said so. */
  readonly upstream: string | null
  readonly downstream: string | null
}

export interface FactorMonth extends MonthlyMean {
  readonly metric: RatedMetric
  readonly class: WaterClass | null
  /** The limit of the target class; for pH the two ends of its range. */
  readonly limit: number | readonly number[]
  /** (mean − limit) / limit, 0 when the limit is kept; null for pH and dissolved oxygen, and without a mean. */
  readonly excess: number | null
}

export interface FlowMonth extends MonthlyMean {
  /** m³: mean flow × length of the month, or of what has passed of it. */
  readonly volume: number | null
}

export interface SectionReport {
  readonly section: string
  readonly title: Section['title']
  readonly street: string
  readonly stations: readonly string[]
  readonly water: WaterBody
  readonly target: TargetClass
  readonly upstream: string | null
  readonly downstream: string | null
  /** Of the worst factor that was measured: the water is not better than that. Null when none was. */
  readonly class: WaterClass | null
  /**
   * Whether no factor is worse than the target. Null where none that was measured is, and one that is paid for was not:
   * what compensation leaves undecided.
   */
  readonly meetsTarget: boolean | null
  /** The factors that are worse than the target. */
  readonly worse: readonly RatedMetric[]
  /** The factors that are paid for and were not measured. */
  readonly missing: readonly PaidMetric[]
  readonly factors: readonly FactorMonth[]
  readonly flow: FlowMonth
  readonly load: Compensation
  readonly tiers: Compensation
}

/**
 * The sections that these devices make, by id. What the settings say of a site comes before what its stations say
 * of themselves by the attributes `target`, `water`, `upstream_payer`, `downstream_payer`.
 */
export function sectionsOf(devices: Iterable<Device>, settings: SectionSettings): Section[] {
  const bySite = Map.groupBy(
    [...devices].filter(({ kind }) => kind === 'river_station'),
    ({ site }) => site,
  )
  return [...bySite]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, members]) => {
      const stations = members.sort((a, b) => (a.id < b.id ? -1 : 1))
      const set = Object.hasOwn(settings.sections, id) ? settings.sections[id] : undefined
      return {
        id,
        title: set?.title ?? null,
        street: stations[0]!.street,
        stations,
        water: set?.water ?? said(stations, 'water', asWater) ?? 'river',
        target: targetClass(set?.target) ?? said(stations, 'target', targetClass) ?? defaultTarget(settings),
        upstream: set?.upstream ?? said(stations, 'upstream_payer', asName) ?? null,
        downstream: set?.downstream ?? said(stations, 'downstream_payer', asName) ?? null,
      }
    })
}

/** The first of the stations that says something understandable. */
function said<T>(
  stations: readonly Device[],
  attribute: string,
  read: (value: unknown) => T | undefined,
): T | undefined {
  for (const { attributes = {} } of stations) {
    const value = Object.hasOwn(attributes, attribute) ? read(attributes[attribute]) : undefined
    if (value !== undefined) return value
  }
  return undefined
}

function asWater(value: unknown): WaterBody | undefined {
  return WATER_BODIES.find((body) => body === value)
}

function asName(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Metrics that a section's report is made of. */
export function metricsOf(section: Section): string[] {
  return [...factorsOf(section.water).keys(), 'flow']
}

/** The report of one section from the months of its stations, by metric. `until` is now, or the month's end. */
export function reportSection(
  section: Section,
  measured: ReadonlyMap<string, readonly StationMonth[]>,
  month: Month,
  until: number,
  settings: SectionSettings,
): SectionReport {
  const { water, target } = section
  const meanOf = (metric: RatedMetric | 'flow'): MonthlyMean =>
    monthlyMean(measured.get(metric) ?? [], month, until, dueEvery(settings, metric))
  const factors = [...factorsOf(water).values()].map((factor): FactorMonth => {
    const month = meanOf(factor.metric)
    const value = month.mean ?? NaN
    return {
      metric: factor.metric,
      class: classOfValue(factor, value) || null,
      limit: factor.bound === 'between' ? factor.limits : factor.limits[target - 1]!,
      excess: excessMultiple(factor, value, target) ?? null,
      ...month,
    }
  })
  const known = factors.flatMap((factor) => factor.class ?? [])
  const worst = known.length === 0 ? null : (Math.max(...known) as WaterClass)
  const flow = meanOf('flow')
  const seconds = (Math.min(until, month.to) - month.from) / 1000
  const volume = flow.mean === null ? null : Math.round(flow.mean * seconds)
  const paid = {
    water,
    target,
    volume,
    means: Object.fromEntries(factors.map(({ metric, mean }) => [metric, mean])),
  }
  const load = loadCompensation(paid, settings)
  return {
    section: section.id,
    title: section.title,
    street: section.street,
    stations: section.stations.map(({ id }) => id),
    water,
    target,
    upstream: section.upstream,
    downstream: section.downstream,
    class: worst,
    meetsTarget: meetsTarget(worst, target, load),
    worse: factors.flatMap((factor) => ((factor.class ?? 0) > target ? factor.metric : [])),
    missing: unmeasured(paid, settings.factors),
    factors,
    flow: { ...flow, volume },
    load,
    tiers: tierCompensation(paid, settings),
  }
}

/** One factor is enough to miss a target; to meet it takes all that are paid for. */
function meetsTarget(
  worst: WaterClass | null,
  target: TargetClass,
  { direction }: Compensation,
): boolean | null {
  if (worst !== null && worst > target) return false
  return worst === null || direction === 'undecided' ? null : true
}
