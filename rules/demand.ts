import { durationMs } from '../gateway/model/duration.ts'
import { FLAGS } from '../gateway/model/reading.ts'
import type { CalendarLeaf, DeviceLeaf, Leaf, Threshold } from '../gateway/model/rule.ts'
import { boundsOf, type Bound, type Interval } from './interval.ts'
import { attributeOf } from './limit.ts'
import { millionths } from './millionths.ts'
import type { Numbers } from './numbers.ts'
import { targetClass } from './surface-water.ts'
import { weekOf, type Week } from './week.ts'

/** What has to be so for a leaf to hold. */
export interface Demand {
  /** Points of the line: `low` is not behind `high`, or, strictly, before it. */
  readonly before: readonly Before[]
  /** When in a week it is; any time when it is not given. */
  readonly week?: Week
}

type Before = readonly [low: string, high: string, isStrict: boolean]

/** Each of the ways in which a leaf, or its opposite, can hold. Of what is not known neither does. */
export function demandsOf(
  leaf: Leaf,
  negated: boolean,
  rangeOfLeaf: (leaf: Threshold) => Interval,
  numbers: Numbers,
): readonly Demand[] {
  if ('days' in leaf || 'hours' in leaf) return [calendar(leaf, negated, numbers)]
  return new LeafDemand(numbers, rangeOfLeaf, negated).of(leaf as DeviceLeaf)
}

/** Hours that are each device's own are one thing that is so or is not. */
function calendar(leaf: CalendarLeaf, negated: boolean, numbers: Numbers): Demand {
  const week = weekOf(leaf, negated)
  const { days = [], hours = '' } = leaf
  if (attributeOf(hours) === null) return { before: [], week }
  const name = `${hours} on ${[...days].sort().join(' ')}`
  return { before: isOrNot(name, !negated, numbers), week }
}

function isOrNot(name: string, is: boolean, numbers: Numbers): readonly Before[] {
  return exactly(name, Number(is), numbers)
}

function exactly(name: string, value: number, numbers: Numbers): readonly Before[] {
  const number = numbers.number(value)
  return [
    [name, number, false],
    [number, name, false],
  ]
}

class LeafDemand {
  readonly #numbers: Numbers
  readonly #rangeOf: (leaf: Threshold) => Interval
  readonly #negated: boolean

  constructor(numbers: Numbers, rangeOfLeaf: (leaf: Threshold) => Interval, negated: boolean) {
    this.#numbers = numbers
    this.#rangeOf = rangeOfLeaf
    this.#negated = negated
  }

  of(leaf: DeviceLeaf): readonly Demand[] {
    const negated = this.#negated
    const whose = leaf.of ?? ''
    if ('absent' in leaf) return this.#atLeast(`${whose}/silence`, durationMs(leaf.absent))
    if ('flat' in leaf) return this.#atLeast(`${whose}/${leaf.metric} unchanged`, durationMs(leaf.flat))
    if ('implausible' in leaf)
      return this.#isOrNot(`${whose}/${leaf.metric} implausible`, leaf.implausible !== negated)
    if ('insideArea' in leaf) return this.#isOrNot(`${whose}/in ${leaf.insideArea}`, !negated)
    if ('outsideArea' in leaf) return this.#isOrNot(`${whose}/in ${leaf.outsideArea}`, negated)
    if ('worseThan' in leaf) return this.#worseThan(leaf.worseThan, whose)
    if (!('flag' in leaf)) return this.#threshold(leaf, whose)
    const { metric, flag } = leaf
    if (metric !== undefined) {
      const allowed = FLAGS.filter((known) => flag.includes(known) !== negated)
      return allowed.map((one) => ({
        before: exactly(`${whose}/${metric} flag`, FLAGS.indexOf(one), this.#numbers),
      }))
    }
    const each = flag.map((one) => isOrNot(`${whose}/any ${one}`, !negated, this.#numbers))
    return negated ? [{ before: each.flat() }] : each.map((before) => ({ before }))
  }

  #isOrNot(name: string, is: boolean): readonly Demand[] {
    return [{ before: isOrNot(name, is, this.#numbers) }]
  }

  #atLeast(name: string, least: number): readonly Demand[] {
    const number = this.#numbers.number(least)
    const zero = this.#numbers.number(0)
    return [
      this.#negated
        ? {
            before: [
              [zero, name, false],
              [name, number, true],
            ],
          }
        : { before: [[number, name, false]] },
    ]
  }

  /** Classes are whole numbers, 1 to 6: worse than the third is at least the fourth. */
  #worseThan(written: string, whose: string): readonly Demand[] {
    const name = `${whose}/class`
    const target = targetClass(written)
    const within: readonly Before[] = [
      [this.#numbers.number(1), name, false],
      [name, this.#numbers.number(6), false],
    ]
    const limit = target === undefined ? this.#numbers.target() : this.#numbers.number(target)
    if (this.#negated) return [{ before: [...within, [name, limit, false]] }]
    if (target === undefined) return [{ before: [...within, [limit, name, true]] }]
    return [{ before: [...within, [this.#numbers.number(target + 1), name, false]] }]
  }

  #threshold(leaf: Threshold, whose: string): readonly Demand[] {
    const range = this.#rangeOf(leaf)
    const point = this.#numbers.made(leaf, whose, range)
    // Of a switch the opposite of on is off.
    if (typeof leaf.is === 'boolean' && this.#negated && range.low === 0 && range.high === 1)
      return [{ before: exactly(point, millionths(!leaf.is), this.#numbers) }]
    return boundsOf(leaf, this.#negated).map((bounds) => ({
      before: bounds.map((bound) => this.#bound(point, bound)),
    }))
  }

  /** An attribute's number is not known here, but it is the same in every leaf that names it. */
  #bound(point: string, { limit, isLower, isIncluded }: Bound): Before {
    const end = 'attribute' in limit ? `$${limit.attribute}` : this.#numbers.number(millionths(limit.number))
    return isLower ? [end, point, !isIncluded] : [point, end, !isIncluded]
  }
}
