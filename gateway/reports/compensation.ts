import { excessMultiple, factorsOf, type TargetClass, type WaterBody } from '../../rules/surface-water.ts'
import { PAID_METRICS, type PaidMetric, type SectionSettings } from './section-settings.ts'

/** What a month of a section comes to, by one scheme. */
export interface Compensation {
  /** `undecided`: no factor is over its target, but one of them was not measured. */
  readonly direction: 'upstream_pays' | 'downstream_pays' | 'nobody_pays' | 'undecided'
  /** Null when it cannot be reckoned; `reason` says why. */
  readonly yuan: number | null
  readonly reason: 'not_measured' | 'no_flow' | 'flow_reversed' | null
  readonly factors: readonly FactorCompensation[]
}

export interface FactorCompensation {
  readonly metric: PaidMetric
  /** (c − target) / target; 0 when the target is kept. */
  readonly excess: number
  /** (c − target) × volume, negative below the target; null without a flow, and in the tier scheme. */
  readonly tonnes: number | null
  readonly yuan: number | null
}

/** A month of a section, as far as money depends on it. */
export interface SectionMonth {
  readonly water: WaterBody
  readonly target: TargetClass
  /** Monthly means, mg/L. */
  readonly means: Readonly<Partial<Record<string, number | null>>>
  /** m³ in the month; negative when more water went up than down; null when it was not measured. */
  readonly volume: number | null
}

/**
 * The load formula (太湖流域 2007): for each factor (c − target) × monthly flow × price, summed over the factors
 * that are over their target; mg/L × m³ are grams. When every factor keeps it, the downstream side pays the
 * reward for what was spared (双向补偿, 苏政办发〔2013〕195号). A section whose water flowed upstream on the whole
 * is not reckoned: who is upstream of it is not clear.
 */
export function loadCompensation(month: SectionMonth, { factors, load }: SectionSettings): Compensation {
  const measured = measuredFactors(month, factors)
  const volume = month.volume !== null && month.volume > 0 ? month.volume : null
  const isOver = measured.some(({ excess }) => excess > 0)
  const priced = measured.map(({ metric, excess, beyond }): FactorCompensation => {
    const tonnes = volume === null ? null : round((beyond * volume) / 1e6, 6)
    const price = isOver ? (excess > 0 ? load.prices[metric]! : 0) : (load.rewards[metric] ?? 0)
    return { metric, excess, tonnes, yuan: tonnes === null ? null : round(Math.abs(tonnes) * price, 2) }
  })
  const settled = settle(month, factors, priced)
  const isFree = settled.direction === 'nobody_pays' && factors.every((metric) => !load.rewards[metric])
  if (volume !== null || isFree || settled.direction === 'undecided') return settled
  return {
    ...settled,
    direction: isOver ? 'upstream_pays' : 'downstream_pays',
    yuan: null,
    reason: month.volume === null ? 'no_flow' : 'flow_reversed',
  }
}

/** The tier scheme (苏环办〔2021〕131号): for each factor over its target an amount by its excess multiple, summed. */
export function tierCompensation(month: SectionMonth, { factors, tiers }: SectionSettings): Compensation {
  const priced = measuredFactors(month, factors).map(({ metric, excess }): FactorCompensation => {
    const step = tiers.steps.find(({ upTo }) => upTo === undefined || excess <= upTo)!
    return { metric, excess, tonnes: null, yuan: excess > 0 ? step.yuan : 0 }
  })
  const settled = settle(month, factors, priced)
  if (settled.direction !== 'nobody_pays' || tiers.reward === 0) return settled
  return { ...settled, direction: 'downstream_pays', yuan: tiers.reward }
}

/** Factors that are paid for, as far as such water is rated by them, of which the month has no mean. */
export function unmeasured({ water, means }: SectionMonth, paid: readonly PaidMetric[]): PaidMetric[] {
  return ratedOf(water, paid).filter((metric) => (means[metric] ?? null) === null)
}

function ratedOf(water: WaterBody, paid: readonly PaidMetric[]): PaidMetric[] {
  return PAID_METRICS.filter((metric) => paid.includes(metric) && factorsOf(water).has(metric))
}

function settle(
  month: SectionMonth,
  factors: readonly PaidMetric[],
  priced: readonly FactorCompensation[],
): Compensation {
  const yuan = round(
    priced.reduce((sum, factor) => sum + (factor.yuan ?? 0), 0),
    2,
  )
  if (priced.some(({ excess }) => excess > 0))
    return { direction: 'upstream_pays', yuan, reason: null, factors: priced }
  if (unmeasured(month, factors).length > 0 || priced.length === 0)
    return { direction: 'undecided', yuan: null, reason: 'not_measured', factors: priced }
  return { direction: yuan > 0 ? 'downstream_pays' : 'nobody_pays', yuan, reason: null, factors: priced }
}

function measuredFactors({ water, target, means }: SectionMonth, factors: readonly PaidMetric[]) {
  return ratedOf(water, factors).flatMap((metric) => {
    const factor = factorsOf(water).get(metric)!
    const mean = means[metric] ?? null
    if (mean === null) return []
    const excess = round(excessMultiple(factor, mean, target)!, 6)
    return [{ metric, excess, beyond: mean - factor.limits[target - 1]! }]
  })
}

function round(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals
}
