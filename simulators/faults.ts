import { Type, type Static } from 'typebox'
import type { Chance } from './chance.ts'
import { HOUR, round } from './devices/model.ts'
import { DURATION_PATTERN, milliseconds, SIGNED_DURATION_PATTERN } from './duration.ts'
import { type Mark, MARKS, type Measurement } from './reading.ts'

/**
 * What goes wrong with a device and not with the world: any of these over any device, several at once. The first five
 * change what is measured, the others how it is sent ({@link Transmitter}).
 */
const Metric = Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' })
const Share = Type.Number({ minimum: 0, maximum: 1 })
const Duration = Type.String({ pattern: DURATION_PATTERN })

export const FAULT_SCHEMAS = {
  /** Its zero creeps away, so much an hour. */
  drift: Type.Object({ fault: Type.Literal('drift'), metric: Metric, perHour: Type.Number() }),
  /** Says on and on what it said when it began; all metrics when none is named. */
  stuck: Type.Object({ fault: Type.Literal('stuck'), metric: Type.Optional(Metric) }),
  /** That share of readings is so many times too high. */
  spikes: Type.Object({ fault: Type.Literal('spikes'), metric: Metric, times: Type.Number(), share: Share }),
  /** Its values are so many times what the unit of the kind says, as when µg are sent for mg. */
  units: Type.Object({ fault: Type.Literal('units'), metric: Metric, factor: Type.Number() }),
  /** Marked after HJ 212 §6.6.4: M maintenance, C calibration, D fault …; all metrics when none is named. */
  flag: Type.Object({
    fault: Type.Literal('flag'),
    mark: Type.Unsafe<Mark>({ enum: [...MARKS] }),
    metric: Type.Optional(Metric),
  }),
  /** Its clock is that far ahead; behind when negative. */
  skew: Type.Object({
    fault: Type.Literal('skew'),
    by: Type.String({ pattern: SIGNED_DURATION_PATTERN }),
  }),
  /** That share of readings is sent once more within a minute. */
  duplicates: Type.Object({ fault: Type.Literal('duplicates'), share: Share }),
  /** Readings are under way for up to that long, each for as long as it likes. */
  shuffle: Type.Object({ fault: Type.Literal('shuffle'), by: Duration }),
  /** Measures on and hands everything over when it is back; with `backlog: false` it has kept nothing. */
  offline: Type.Object({ fault: Type.Literal('offline'), backlog: Type.Optional(Type.Boolean()) }),
  /** Also sends what no device should, this often. */
  hostile: Type.Object({ fault: Type.Literal('hostile'), every: Duration }),
} as const
export type FaultName = keyof typeof FAULT_SCHEMAS
export type FaultSettings = { [N in FaultName]: Static<(typeof FAULT_SCHEMAS)[N]> }[FaultName]

/** A fault of one device. Times are those of the device's measurements, ms since the run began. */
export type Fault = FaultSettings & { readonly from: number; readonly to: number }
export type FaultOf<N extends FaultName> = Extract<Fault, { fault: N }>

export function activeOf<N extends FaultName>(
  faults: readonly Fault[],
  name: N,
  at: number,
): FaultOf<N> | undefined {
  return faults.find(
    (fault): fault is FaultOf<N> => fault.fault === name && at >= fault.from && at < fault.to,
  )
}

/** What the device says it measured at a moment, with the faults that it has then, one after the other. */
export function distorted(
  measure: (at: number) => Measurement,
  faults: readonly Fault[],
  chance: Chance,
  at: number,
): Measurement {
  let said = measure(at)
  for (const fault of faults) {
    if (at >= fault.from && at < fault.to) said = withFault(said, fault, measure, chance, at)
  }
  return said
}

function withFault(
  said: Measurement,
  fault: Fault,
  measure: (at: number) => Measurement,
  chance: Chance,
  at: number,
): Measurement {
  switch (fault.fault) {
    case 'drift':
      return changed(said, fault.metric, (value) => value + (fault.perHour * (at - fault.from)) / HOUR)
    case 'spikes':
      if (chance.at(`spike ${fault.metric}`, at) >= fault.share) return said
      return changed(said, fault.metric, (value) => value * fault.times)
    case 'units':
      return changed(said, fault.metric, (value) => value * fault.factor)
    case 'stuck': {
      const { metrics } = measure(fault.from)
      const held = fault.metric === undefined ? metrics : { [fault.metric]: metrics[fault.metric]! }
      return { ...said, metrics: { ...said.metrics, ...held } }
    }
    case 'flag': {
      const marked = fault.metric === undefined ? Object.keys(said.metrics) : [fault.metric]
      const flags = Object.fromEntries(marked.map((metric) => [metric, fault.mark]))
      return { ...said, flags: { ...said.flags, ...flags } }
    }
    case 'skew':
    case 'duplicates':
    case 'shuffle':
    case 'offline':
    case 'hostile':
      return said
    default:
      return fault satisfies never
  }
}

function changed(said: Measurement, metric: string, change: (value: number) => number): Measurement {
  const value = said.metrics[metric]
  if (typeof value !== 'number') return said
  return { ...said, metrics: { ...said.metrics, [metric]: round(change(value), 4) } }
}

/** How far ahead the device's clock is, ms. */
export function skewOf(faults: readonly Fault[], at: number): number {
  const skew = activeOf(faults, 'skew', at)
  return skew === undefined ? 0 : milliseconds(skew.by)
}
