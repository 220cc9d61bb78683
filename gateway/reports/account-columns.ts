import type { Figures, Grouping } from './accountability.ts'
import { PROMISES, type Promised } from './case-account.ts'
import { TERMS, type Term } from '../dispatch/terms.ts'

/** The figures of accountability as columns, with what people call them: the same in the spreadsheet and in print. */
export interface Column {
  /** For programs. */
  readonly name: string
  readonly term: Term
  readonly unit: 'count' | 'share' | 'minutes'
  /** Counts; shares from 0 to 1; milliseconds, which are shown as minutes. */
  readonly of: (figures: Figures) => number | null
}

export const GROUPING_TERMS: Readonly<Record<Grouping, Term>> = {
  street: { zh: '街道', en: 'Street' },
  team: { zh: '队伍', en: 'Team' },
  category: { zh: '类别', en: 'Category' },
  rule: { zh: '规则', en: 'Rule' },
  day: { zh: '日期', en: 'Day' },
}

export const PROMISE_TERMS: Readonly<Record<Promised, Term>> = {
  response: TERMS.clock.respond,
  arrival: TERMS.clock.arrive,
  resolution: TERMS.clock.resolve,
}

const count = (name: string, zh: string, en: string, of: Column['of']): Column => {
  return { name, term: { zh, en }, unit: 'count', of }
}
const share = (name: string, zh: string, en: string, of: Column['of']): Column => {
  return { name, term: { zh, en }, unit: 'share', of }
}

function promiseColumns(promise: Promised): Column[] {
  const { zh, en } = PROMISE_TERMS[promise]
  const minutes = (key: 'p50' | 'p90' | 'p95'): Column => ({
    name: `${promise}_${key}_min`,
    term: { zh: `${zh}用时${key.toUpperCase()}（分钟）`, en: `${en} ${key}, min` },
    unit: 'minutes',
    of: (figures) => figures[promise][key],
  })
  return [
    count(`${promise}_in_time`, `按时${zh}`, `${en} in time`, (figures) => figures[promise].inTime),
    count(`${promise}_late`, `超时${zh}`, `${en} late`, (figures) => figures[promise].late),
    count(`${promise}_pending`, `${zh}时限未到`, `${en} pending`, (figures) => figures[promise].pending),
    share(`${promise}_share`, `按时${zh}率`, `${en} in time, share`, (figures) => figures[promise].share),
    minutes('p50'),
    minutes('p90'),
    minutes('p95'),
  ]
}

export const COLUMNS: readonly Column[] = [
  count('received', '受理', 'Received', (figures) => figures.received),
  count('open', '在办', 'Open', (figures) => figures.open),
  count('closed', '结案', 'Closed', (figures) => figures.closed),
  count('void', '作废', 'Void', (figures) => figures.void),
  share('closed_share', '结案率', 'Closed, share', (figures) => figures.closedShare),
  ...PROMISES.flatMap(promiseColumns),
  count('reworked', '返工', 'Reworked', (figures) => figures.reworked),
  share('rework_share', '返工率', 'Rework share', (figures) => figures.reworkShare),
  count('returned', '退回', 'Returned', (figures) => figures.returned),
  count('supervised', '督办', 'Supervised', (figures) => figures.supervised),
  count('confirmed', '属实', 'Confirmed', (figures) => figures.codes.confirmed),
  count('false_alarm', '误报', 'False alarm', (figures) => figures.codes.false_alarm),
  count('not_found', '未发现', 'Not found', (figures) => figures.codes.not_found),
  count('device_fault', '设备故障', 'Device fault', (figures) => figures.codes.device_fault),
  count('duplicate', '重复', 'Duplicate', (figures) => figures.codes.duplicate),
  share('false_alarm_share', '误报率', 'False-alarm share', (figures) => figures.falseAlarmShare),
  share('precision', '准确率', 'Precision', (figures) => figures.precision),
  share('precision_low', '准确率下限', 'Precision, low', (figures) => figures.interval?.[0] ?? null),
  share('precision_high', '准确率上限', 'Precision, high', (figures) => figures.interval?.[1] ?? null),
  count('answered', '已评价', 'Answered', (figures) => figures.satisfaction.answered),
  count('satisfied', '满意', 'Satisfied', (figures) => figures.satisfaction.satisfied),
  share('satisfied_share', '满意率', 'Satisfied, share', (figures) => figures.satisfaction.share),
  count('whistles', '吹哨', 'Whistles', (figures) => figures.whistles.blown),
  count('whistles_in_time', '按时报到', 'Reported in in time', (figures) => figures.whistles.inTime),
  count('whistles_late', '超时报到', 'Reported in late', (figures) => figures.whistles.late),
  share('whistles_share', '按时报到率', 'Reported in in time, share', (figures) => figures.whistles.share),
]

/** The columns of that name, in this order. */
export function columnsNamed(...names: readonly string[]): readonly Column[] {
  return names.map((name) => COLUMNS.find((column) => column.name === name)!)
}
