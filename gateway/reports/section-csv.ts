import { CLASS_NAMES, RATED_METRICS, type WaterClass } from '../../rules/surface-water.ts'
import { csvLine } from '../registry/csv-line.ts'
import { NOTICE, type SectionReport } from './section-report.ts'

/** Spreadsheets take a file for their own old encoding unless it begins with this. */
const BYTE_ORDER_MARK = '\uFEFF'

const HEADER = [
  'month',
  'section',
  'title_zh',
  'title_en',
  'street',
  'stations',
  'water',
  'target',
  'class',
  'meets_target',
  'worse_than_target',
  'not_measured',
  ...RATED_METRICS.flatMap((metric) => [
    metric,
    `${metric}_class`,
    `${metric}_excess`,
    `${metric}_valid`,
    `${metric}_expected`,
    `${metric}_flagged_hours`,
    `${metric}_implausible_hours`,
  ]),
  'flow_m3_per_s',
  'volume_m3',
  'flow_valid',
  'flow_expected',
  'flow_flagged_hours',
  'flow_implausible_hours',
  'upstream',
  'downstream',
  'load_direction',
  'load_yuan',
  'load_reason',
  'tiers_direction',
  'tiers_yuan',
  'tiers_reason',
  'note',
]

/** The report as a spreadsheet, a section a line; cells that come from other hands cannot be formulas. */
export function sectionCsv(month: string, items: readonly SectionReport[]): string {
  return `${BYTE_ORDER_MARK}${csvLine(HEADER)}${items.map((item) => csvLine(row(month, item))).join('')}`
}

function row(month: string, item: SectionReport): (string | number | boolean | null)[] {
  const { flow, load, tiers } = item
  return [
    month,
    item.section,
    item.title?.zh ?? null,
    item.title?.en ?? null,
    item.street,
    item.stations.join(' '),
    item.water,
    CLASS_NAMES[item.target],
    className(item.class),
    item.meetsTarget,
    item.worse.join(' '),
    item.missing.join(' '),
    ...RATED_METRICS.flatMap((metric) => {
      const factor = item.factors.find((factor) => factor.metric === metric)
      if (factor === undefined) return [null, null, null, null, null, null, null]
      const { mean, excess, valid, expected, flaggedHours, implausibleHours } = factor
      return [mean, className(factor.class), excess, valid, expected, flaggedHours, implausibleHours]
    }),
    flow.mean,
    flow.volume,
    flow.valid,
    flow.expected,
    flow.flaggedHours,
    flow.implausibleHours,
    item.upstream,
    item.downstream,
    load.direction,
    load.yuan,
    load.reason,
    tiers.direction,
    tiers.yuan,
    tiers.reason,
    `${NOTICE.zh} ${NOTICE.en}`,
  ]
}

function className(found: WaterClass | null): string | null {
  return found === null ? null : CLASS_NAMES[found]
}
