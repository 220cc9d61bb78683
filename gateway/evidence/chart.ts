import type { Alarm } from '../model/alarm.ts'
import { html, localTime, px, type Html } from './html.ts'
import type { LimitLine } from './limit-lines.ts'
import { COLUMNS, type Series } from './series.ts'
import type { Window } from './windows.ts'

export interface ChartRequest {
  readonly series: Series
  readonly title: string
  readonly unit: string
  readonly span: Window
  readonly windows: readonly Window[]
  readonly limits: readonly LimitLine[]
  /** Of the device. */
  readonly alarms: readonly Pick<Alarm, 'startedAt' | 'clearedAt' | 'severity'>[]
}

const WIDTH = 760
const LEFT = 52
const RIGHT = 12
const TOP = 26
const BOTTOM = 24
/** Of a line's label, so that two do not touch. */
const LABEL_HEIGHT = 13
const PLOT = WIDTH - LEFT - RIGHT

/** Readings over time with the limits of the rule, the alarms behind them, and what was marked, as SVG. */
export function chart({ series, title, unit, span, windows, limits, alarms }: ChartRequest): Html {
  const plot = series.isBoolean ? 34 : 150
  const height = TOP + plot + BOTTOM
  const columns = [...series.columns].toSorted(([one], [other]) => one - other)
  const values = columns.flatMap(([, { least, greatest }]) => [least, greatest])
  const scale = series.isBoolean
    ? { low: 0, high: 1, ticks: [0, 1] }
    : niceScale([...values, ...series.marks.map(({ value }) => value), ...limits.map(({ value }) => value)])
  const x = (ts: number) =>
    LEFT +
    (Math.min(Math.max(ts, span.from), span.to) - span.from) * (PLOT / Math.max(1, span.to - span.from))
  const y = (value: number) => TOP + plot - ((value - scale.low) / (scale.high - scale.low)) * plot
  const columnX = (at: number) => LEFT + ((at + 0.5) / COLUMNS) * PLOT
  const runs = runsOf(columns, windows, span)
  const lines = labelled(limits, y, TOP + plot)
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">
    <text x="${LEFT}" y="14" class="name">${title}${unit === '' ? '' : ` (${unit})`}</text>
    ${alarms.map(({ startedAt, clearedAt, severity }) => {
      const from = x(startedAt)
      return html`<rect
        class="alarm ${severity}"
        x="${px(from)}"
        y="${TOP}"
        width="${px(Math.max(1, x(clearedAt ?? span.to) - from))}"
        height="${plot}"
      />`
    })}
    ${scale.ticks.map(
      (tick) =>
        html`<line
            class="grid"
            x1="${LEFT}"
            x2="${WIDTH - RIGHT}"
            y1="${px(y(tick))}"
            y2="${px(y(tick))}"
          /><text class="tick" text-anchor="end" x="${LEFT - 6}" y="${px(y(tick) + 4)}"
            >${series.isBoolean ? (tick === 1 ? '开 on' : '关 off') : tick}</text
          >`,
    )}
    ${timeTicks(span).map(
      ({ at, label }) =>
        html`<line class="grid" x1="${px(x(at))}" x2="${px(x(at))}" y1="${TOP}" y2="${TOP + plot}" /><text
            class="tick"
            text-anchor="middle"
            x="${px(x(at))}"
            y="${height - 8}"
            >${label}</text
          >`,
    )}
    ${runs.map((run) => {
      const upper = run.map(([at, { greatest }]) => `${px(columnX(at))},${px(y(greatest))}`)
      const lower = run.toReversed().map(([at, { least }]) => `${px(columnX(at))},${px(y(least))}`)
      const mean = run.map(([at, { sum, count }]) => `${px(columnX(at))},${px(y(sum / count))}`)
      // A single point has no line to be seen by.
      const dots =
        run.length === 1 &&
        html`<circle
          class="dot"
          cx="${px(columnX(run[0]![0]))}"
          cy="${px(y(run[0]![1].sum / run[0]![1].count))}"
          r="2"
        />`
      return html`<polygon class="band" points="${[...upper, ...lower].join(' ')}" /><polyline
          class="line"
          points="${mean.join(' ')}"
        />${dots}`
    })}
    ${series.marks.map(
      ({ ts, value, flag }) =>
        html`<text class="mark" text-anchor="middle" x="${px(x(ts))}" y="${px(y(value) + 4)}">${flag}</text>`,
    )}
    ${lines.map(
      ({ value, severity }) =>
        html`<line
          class="limit ${severity}"
          x1="${LEFT}"
          x2="${WIDTH - RIGHT}"
          y1="${px(y(value))}"
          y2="${px(y(value))}"
        />`,
    )}
    ${
      // After all lines: none of them strikes a label through.
      lines.map(
        ({ severity, label, baseline }) =>
          html`<text class="limit ${severity}" text-anchor="end" x="${WIDTH - RIGHT - 2}" y="${px(baseline)}"
            >${label}</text
          >`,
      )
    }
  </svg>`
}

/** Lines from the uppermost on, each with the baseline of its label: above the line, or as near as others leave room. */
export function labelled(
  limits: readonly LimitLine[],
  y: (value: number) => number,
  bottom: number,
): readonly (LimitLine & { readonly baseline: number })[] {
  const different = new Map(limits.map((limit) => [`${limit.severity} ${limit.label}`, limit]))
  const lines = [...different.values()].toSorted((one, other) => y(one.value) - y(other.value))
  const lowest = bottom - 3
  const height = Math.min(LABEL_HEIGHT, (lowest - TOP) / Math.max(1, lines.length - 1))
  let free = TOP - 4
  const baselines = lines.map(({ value }) => {
    const baseline = Math.max(y(value) - 4, free)
    free = baseline + height
    return baseline
  })
  // What that has pushed out at the bottom pushes back.
  let limit = lowest
  for (let i = baselines.length - 1; i >= 0; i--) {
    baselines[i] = Math.min(baselines[i]!, limit)
    limit = baselines[i]! - height
  }
  return lines.map((line, i) => ({ ...line, baseline: baselines[i]! }))
}

/** Columns that are joined by a line: those of one window, and no further apart than a device that is silent for a while. */
function runsOf(
  columns: readonly [number, Series['columns'] extends ReadonlyMap<number, infer C> ? C : never][],
  windows: readonly Window[],
  span: Window,
) {
  const runs: (typeof columns)[number][][] = []
  const windowOf = (at: number) => {
    const ts = span.from + ((at + 0.5) / COLUMNS) * (span.to - span.from)
    return windows.findIndex(({ from, to }) => ts >= from && ts < to)
  }
  const usual = usualGap(columns.map(([at]) => at))
  let last = -Infinity
  for (const column of columns) {
    const [at] = column
    const joins = at - last <= usual * 4 && windowOf(at) === windowOf(last)
    if (joins) runs.at(-1)!.push(column)
    else runs.push([column])
    last = at
  }
  return runs
}

function usualGap(places: readonly number[]): number {
  const gaps = places.slice(1).map((place, i) => place - places[i]!)
  return gaps.toSorted((one, other) => one - other)[Math.floor(gaps.length / 2)] ?? 1
}

/** Round numbers around the values, at most six of them. */
function niceScale(values: readonly number[]): { low: number; high: number; ticks: number[] } {
  const least = values.reduce((one, other) => Math.min(one, other), Infinity)
  const greatest = values.reduce((one, other) => Math.max(one, other), -Infinity)
  if (!Number.isFinite(least)) return { low: 0, high: 1, ticks: [0, 1] }
  // From zero, unless that would press everything to the upper edge.
  const floor = least >= 0 && least < greatest * 0.7 ? 0 : least
  const range = greatest - floor || Math.abs(greatest) || 1
  const rough = range / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!
  const low = Math.floor(floor / step) * step
  const high = Math.max(low + step, Math.ceil((greatest * 1.02) / step) * step)
  const count = Math.round((high - low) / step)
  return {
    low,
    high,
    ticks: Array.from({ length: count + 1 }, (_, i) => Number((low + i * step).toPrecision(6))),
  }
}

const MINUTE = 60_000
const STEPS = [5, 10, 15, 30, 60, 120, 240, 480, 720, 1440, 2880, 7200, 14_400, 43_200].map(
  (minutes) => minutes * MINUTE,
)

function timeTicks({ from, to }: Window): { at: number; label: string }[] {
  const step = STEPS.find((size) => (to - from) / size <= 8) ?? STEPS.at(-1)!
  const format = step >= 1440 * MINUTE ? 'LL-dd' : to - from > 1440 * MINUTE ? 'LL-dd HH:mm' : 'HH:mm'
  // Whole hours of Asia/Shanghai are whole hours of UTC; whole days are not.
  const offset = step >= 480 * MINUTE ? 8 * 60 * MINUTE : 0
  const ticks = []
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) {
    ticks.push({ at, label: localTime(at, format) })
  }
  return ticks.slice(0, 12)
}
