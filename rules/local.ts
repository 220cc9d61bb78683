import type { Device } from '../gateway/model/device.ts'
import type { Area } from './area.ts'
import { hoursOf, type Hours } from './calendar.ts'
import { millionths } from './millionths.ts'
import { targetClass } from './surface-water.ts'

export type Attributes = NonNullable<Device['attributes']>
type Attribute = Attributes[string] | undefined

/** How an attribute reads as a number; NaN when it is missing or none of that sort. */
const READINGS = {
  limit: (value: Attribute) => millionths(numberOf(value)),
  class: (value: Attribute) => millionths(targetClass(value) ?? NaN),
  'hours from': (value: Attribute) => hoursIn(value)?.start ?? NaN,
  'hours to': (value: Attribute) => hoursIn(value)?.end ?? NaN,
} as const

const EXPECTED: Readonly<Record<keyof typeof READINGS, string>> = {
  limit: 'a number without a unit',
  class: 'a class of water such as III',
  'hours from': 'hours such as 10:30-22:00',
  'hours to': 'hours such as 10:30-22:00',
}

/** Of text that is nothing but a number too: lists of devices come out of spreadsheets. */
function numberOf(value: Attribute): number {
  if (typeof value === 'string' && /^\s*[-+]?\d+(\.\d+)?\s*$/.test(value)) return Number(value)
  return typeof value === 'number' ? value : NaN
}

function hoursIn(value: Attribute): Hours | null {
  return hoursOf(typeof value === 'string' ? value.replaceAll(' ', '') : value)
}

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

/**
 * Attributes of the device that rules name and cannot read, a line each: all that these rules compare with them is
 * unknown, and says nothing.
 */
export function unreadable(
  { parameters, places }: { readonly parameters: readonly Parameter[]; readonly places: readonly Place[] },
  attributes: Attributes,
): readonly string[] {
  const lines = parameters.flatMap(({ attribute, as }) => {
    const value = attributes[attribute]
    return value === undefined || !Number.isNaN(READINGS[as](value))
      ? []
      : [lineOf(attribute, value, EXPECTED[as])]
  })
  for (const { attribute, areas } of places) {
    const value = attributes[attribute]
    if (value !== undefined && !areas.has(String(value)))
      lines.push(lineOf(attribute, value, 'the name of an area of the district'))
  }
  return [...new Set(lines)]
}

function lineOf(attribute: string, value: Attribute, expected: string): string {
  const shown = JSON.stringify(value).slice(0, 60)
  return `attributes.${attribute}: ${shown} is not understood; expected ${expected}. Rules that compare with it say nothing`
}
