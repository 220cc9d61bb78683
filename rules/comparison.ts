import type { Comparison } from '../gateway/model/rule.ts'
import type { Facts, Subject, Test } from './facts.ts'
import type { Layout } from './layout.ts'
import { limitOf } from './limit.ts'
import type { Parameter } from './local.ts'
import { millionths } from './millionths.ts'

/** What a leaf compares with: one of them. */
export type Comparing = {
  readonly [key in Exclude<Comparison, 'inside' | 'outside' | 'is'>]?: number | string
} & {
  readonly inside?: readonly (number | string)[]
  readonly outside?: readonly (number | string)[]
  readonly is?: boolean | number | string
}

interface Compared {
  readonly test: Test
  /** null where no value is worse than another. */
  readonly badness: Subject['badness'] | null
}

const OPPOSITE = { above: 'atMost', atMost: 'above', below: 'atLeast', atLeast: 'below' } as const

const high = (value: number): number => value
const low = (value: number): number => -value

/** The comparison that the leaf makes with the cell `at`, or its opposite. Attributes are read `as` said. */
export function comparison(
  leaf: Comparing,
  at: number,
  layout: Layout,
  negated: boolean,
  as: Parameter['as'] = 'limit',
): Compared {
  const number = (written: number | string): Operand => operand(written, layout, as)
  for (const key of ['above', 'atLeast', 'below', 'atMost'] as const) {
    const written = leaf[key]
    if (written !== undefined) return oneSided(negated ? OPPOSITE[key] : key, at, number(written))
  }
  const range = leaf.outside ?? leaf.inside
  if (range === undefined) return equality(leaf.is ?? true, at, number, negated)
  const isInside = (leaf.inside !== undefined) !== negated
  return twoSided(isInside, at, number(range[0]!), number(range[1]!))
}

/** A number that the rule fixes, in millionths, or one of the device's. */
type Operand = { readonly fixed: number } | { readonly parameter: number }

function operand(written: number | string, layout: Layout, as: Parameter['as']): Operand {
  const limit = limitOf(written)
  if ('attribute' in limit) return { parameter: layout.parameter(limit.attribute, as) }
  return { fixed: millionths(limit.number) }
}

/** NaN, for what is not known, is neither above nor below nor equal to anything. */
function oneSided(key: keyof typeof OPPOSITE, at: number, limit: Operand): Compared {
  const badness = key === 'above' || key === 'atLeast' ? high : low
  if ('fixed' in limit) {
    const { fixed } = limit
    switch (key) {
      case 'above':
        return { test: ({ cells }) => cells[at]! > fixed, badness }
      case 'atLeast':
        return { test: ({ cells }) => cells[at]! >= fixed, badness }
      case 'below':
        return { test: ({ cells }) => cells[at]! < fixed, badness }
      case 'atMost':
        return { test: ({ cells }) => cells[at]! <= fixed, badness }
      default:
        return key satisfies never
    }
  }
  const { parameter } = limit
  switch (key) {
    case 'above':
      return { test: ({ cells, numbers }) => cells[at]! > numbers[parameter]!, badness }
    case 'atLeast':
      return { test: ({ cells, numbers }) => cells[at]! >= numbers[parameter]!, badness }
    case 'below':
      return { test: ({ cells, numbers }) => cells[at]! < numbers[parameter]!, badness }
    case 'atMost':
      return { test: ({ cells, numbers }) => cells[at]! <= numbers[parameter]!, badness }
    default:
      return key satisfies never
  }
}

function twoSided(isInside: boolean, at: number, from: Operand, to: Operand): Compared {
  const [lower, upper] = [valueOf(from), valueOf(to)]
  const fromMiddle = (value: number, facts: Facts): number =>
    Math.abs(value - (lower(facts) + upper(facts)) / 2)
  if (isInside) {
    const test: Test = (facts) => facts.cells[at]! >= lower(facts) && facts.cells[at]! <= upper(facts)
    return { test, badness: (value, facts) => -fromMiddle(value, facts) }
  }
  const test: Test = (facts) => {
    const a = lower(facts)
    const b = upper(facts)
    // With one end not known, nothing is known.
    return !Number.isNaN(a + b) && (facts.cells[at]! < a || facts.cells[at]! > b)
  }
  return { test, badness: fromMiddle }
}

function equality(
  is: boolean | number | string,
  at: number,
  number: (written: number | string) => Operand,
  negated: boolean,
): Compared {
  const wanted = valueOf(number(typeof is === 'boolean' ? Number(is) : is))
  const test: Test = negated
    ? (facts) => facts.cells[at]! < wanted(facts) || facts.cells[at]! > wanted(facts)
    : (facts) => facts.cells[at] === wanted(facts)
  return { test, badness: null }
}

function valueOf(limit: Operand): (facts: Facts) => number {
  if ('fixed' in limit) return () => limit.fixed
  return ({ numbers }) => numbers[limit.parameter]!
}
