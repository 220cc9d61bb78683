/**
 * GB 3838-2002 table 1 (地表水环境质量标准 基本项目标准限值), as far as our kinds measure it, and the single-factor
 * rating by it: a water is of the class of its worst factor. Pure data and arithmetic.
 *
 * Not rated here: water temperature (the table limits what people add to it, ℃ per week, not the value), the
 * metals, and coliforms, which no kind of ours carries.
 */

/** 1 to 5 are the classes Ⅰ to Ⅴ of GB 3838-2002 clause 3; 6 is worse than Ⅴ (劣Ⅴ类). A higher one is worse. */
export type WaterClass = 1 | 2 | 3 | 4 | 5 | 6
/** What a section can be held to: worse than Ⅴ is nobody's target. */
export type TargetClass = Exclude<WaterClass, 6>

/** Table 1 has two rows for phosphorus, and rates nitrogen in lakes and reservoirs (湖、库) only. */
export const WATER_BODIES = ['river', 'lake'] as const
export type WaterBody = (typeof WATER_BODIES)[number]

export const RATED_METRICS = ['ph', 'do', 'codmn', 'cod', 'bod5', 'nh3n', 'tp', 'tn'] as const
export type RatedMetric = (typeof RATED_METRICS)[number]

export interface Factor {
  readonly metric: RatedMetric
  /** `most` (≤) and `least` (≥) have a limit per class; `between` has one range for all of them. */
  readonly bound: 'most' | 'least' | 'between'
  /** Limits of the classes Ⅰ to Ⅴ, or the two ends of the range; mg/L, pH without unit. All are inclusive. */
  readonly limits: readonly number[]
  /** The same in whole millionths, in which values are compared: 0.2 is 0.2, also as the mean of many. */
  readonly millionths: readonly number[]
}

function factor(metric: RatedMetric, bound: Factor['bound'], limits: readonly number[]): Factor {
  return { metric, bound, limits, millionths: limits.map((limit) => Math.round(limit * MILLION)) }
}

const MILLION = 1e6

/**
 * Item 3: class Ⅰ is also met at 90 % saturation; that takes temperature and air pressure, divides Ⅰ from Ⅱ
 * only, and is left out. Items 5 and 6: Ⅰ and Ⅱ have the same limit; a value within it is of the better one.
 */
const COMMON: readonly Factor[] = [
  factor('ph', 'between', [6, 9]), // item 2
  factor('do', 'least', [7.5, 6, 5, 3, 2]), // item 3
  factor('codmn', 'most', [2, 4, 6, 10, 15]), // item 4
  factor('cod', 'most', [15, 15, 20, 30, 40]), // item 5
  factor('bod5', 'most', [3, 3, 4, 6, 10]), // item 6
  factor('nh3n', 'most', [0.15, 0.5, 1.0, 1.5, 2.0]), // item 7
]

/** Factors of a river (and canal), and of a lake (and reservoir). */
const TABLE: Readonly<Record<WaterBody, ReadonlyMap<string, Factor>>> = {
  river: byMetric([
    ...COMMON,
    factor('tp', 'most', [0.02, 0.1, 0.2, 0.3, 0.4]), // item 8
  ]),
  lake: byMetric([
    ...COMMON,
    factor('tp', 'most', [0.01, 0.025, 0.05, 0.1, 0.2]), // item 8, 湖、库
    factor('tn', 'most', [0.2, 0.5, 1.0, 1.5, 2.0]), // item 9, 湖、库
  ]),
}

function byMetric(factors: readonly Factor[]): ReadonlyMap<string, Factor> {
  return new Map(factors.map((factor) => [factor.metric, factor]))
}

/** The factors that a body of water is rated by, by metric. */
export function factorsOf(body: WaterBody = 'river'): ReadonlyMap<string, Factor> {
  return TABLE[body]
}

/** The class of one value; 0 when it is not known (NaN). Allocates nothing: the rules ask it for every reading. */
export function classOfValue(factor: Factor, value: number): WaterClass | 0 {
  return classOfMillionths(factor, Math.round(value * MILLION))
}

/** The same for a value in whole millionths, as the rules count. */
export function classOfMillionths({ bound, millionths }: Factor, value: number): WaterClass | 0 {
  if (Number.isNaN(value)) return 0
  switch (bound) {
    case 'most':
      for (let i = 0; i < millionths.length; i++) if (value <= millionths[i]!) return (i + 1) as WaterClass
      return 6
    case 'least':
      for (let i = 0; i < millionths.length; i++) if (value >= millionths[i]!) return (i + 1) as WaterClass
      return 6
    case 'between':
      return value >= millionths[0]! && value <= millionths[1]! ? 1 : 6
    default:
      return bound satisfies never
  }
}

/** Whether its class is worse than one that is known, which takes one comparison where it is not. */
export function isWorse(factor: Factor, value: number, than: WaterClass): boolean {
  const { bound, millionths } = factor
  if (than === 6) return false
  if (bound === 'most') return value > millionths[than - 1]!
  if (bound === 'least') return value < millionths[than - 1]!
  return classOfMillionths(factor, value) > than
}

export interface Rating {
  /** Of the worst factor. */
  readonly overall: WaterClass
  readonly factors: Readonly<Partial<Record<RatedMetric, WaterClass>>>
}

/** Single-factor rating of what is known of a water; undefined when none of it is a rated factor. */
export function classOf(
  values: Readonly<Record<string, number | undefined>>,
  body: WaterBody = 'river',
): Rating | undefined {
  const factors: Partial<Record<RatedMetric, WaterClass>> = {}
  let overall: WaterClass | 0 = 0
  for (const factor of TABLE[body].values()) {
    const found = classOfValue(factor, values[factor.metric] ?? NaN)
    if (found === 0) continue
    factors[factor.metric] = found
    if (found > overall) overall = found
  }
  return overall === 0 ? undefined : { overall, factors }
}

/**
 * By how many times a value exceeds the limit of the target class: (c − limit) / limit, 0 when it does not.
 * Undefined for pH and dissolved oxygen, of which the excess says nothing, and for a value that is not known.
 */
export function excessMultiple(factor: Factor, value: number, target: TargetClass): number | undefined {
  if (factor.bound !== 'most' || Number.isNaN(value)) return undefined
  const limit = factor.millionths[target - 1]!
  return Math.max(0, (Math.round(value * MILLION) - limit) / limit)
}

/** As people write them, in Chinese standards and bulletins. */
export const CLASS_NAMES: Readonly<Record<WaterClass, string>> = {
  1: 'Ⅰ',
  2: 'Ⅱ',
  3: 'Ⅲ',
  4: 'Ⅳ',
  5: 'Ⅴ',
  6: '劣Ⅴ',
}

const WRITTEN = new Map<unknown, TargetClass>(
  (['I', 'II', 'III', 'IV', 'V'] as const).flatMap((latin, i) => {
    const target = (i + 1) as TargetClass
    return [
      [latin, target],
      [CLASS_NAMES[target], target],
      [target, target],
    ]
  }),
)

/** The class that a rule (`worseThan: III`) or a device's attribute `target` names: III, Ⅲ or 3. */
export function targetClass(written: unknown): TargetClass | undefined {
  return WRITTEN.get(written)
}
