import type { Device } from '../gateway/model/device.ts'
import type { Area } from './area.ts'
import { hoursOf } from './calendar.ts'
import { millionths } from './millionths.ts'
import { targetClass } from './surface-water.ts'

export type Attributes = NonNullable<Device['attributes']>
type Attribute = Attributes[string] | undefined

/** How an attribute reads as a number; NaN when it is missing or none of that sort. */
const READINGS = {
  limit: (value: Attribute) => (typeof value === 'number' ? millionths(value) : NaN),
  class: (value: Attribute) => millionths(targetClass(value) ?? NaN),
  'hours from': (value: Attribute) => hoursOf(value)?.start ?? NaN,
  'hours to': (value: Attribute) => hoursOf(value)?.end ?? NaN,
} as const

/** A number that rules take from a device's attributes. */
export interface Parameter {
  readonly attribute: string
  readonly as: keyof typeof READINGS
}

/** Areas of which an attribute names one. */
export interface Place {
  readonly attribute: string
  readonly areas: ReadonlyMap<string, Area>
}

/** What a device's attributes come to under the rules about it; index by index as the plan's parameters and places. */
export interface Local {
  readonly numbers: Float64Array
  readonly areas: readonly (Area | null)[]
}

export function localOf(
  { parameters, places }: { readonly parameters: readonly Parameter[]; readonly places: readonly Place[] },
  attributes: Attributes,
): Local {
  return {
    numbers: Float64Array.from(parameters, ({ attribute, as }) => READINGS[as](attributes[attribute])),
    areas: places.map(({ attribute, areas }) => {
      const named = attributes[attribute]
      return named === undefined ? null : (areas.get(String(named)) ?? null)
    }),
  }
}
