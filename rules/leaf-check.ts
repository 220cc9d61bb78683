import { durationMs } from '../gateway/model/duration.ts'
import type { Kind, Kinds, Metric } from '../gateway/model/kind.ts'
import {
  ANY_KIND,
  COMPARISONS,
  DELAY_METRIC,
  OVER_WINDOW,
  type CalendarLeaf,
  type DeviceLeaf,
  type Leaf,
  type OverWindow,
  type Threshold,
} from '../gateway/model/rule.ts'
import { hoursOf } from './calendar.ts'
import { listed, type Found } from './explain.ts'
import { intervalsOf, isEmpty, rangeOf } from './interval.ts'
import { attributeOf, isSameUnit, limitOf } from './limit.ts'
import { factorsOf } from './surface-water.ts'

/** What the rules of a file may speak of. */
export interface Vocabulary {
  readonly kinds: Kinds
  /** Names of the areas that the rule may speak of. */
  readonly areas: ReadonlySet<string>
}

/** `delay` is every device's, and nobody sends it. */
const DELAY: Metric = { type: 'number', unit: 's', title: { en: 'Delay', zh: '传输时延' } }

/** Holds a leaf of a rule about `kind` against what there is to speak of. */
export function checkLeaf(leaf: Leaf, path: string, kind: string, vocabulary: Vocabulary): Found[] {
  if ('days' in leaf || 'hours' in leaf) return checkHours(leaf, path)
  return new LeafCheck(leaf as DeviceLeaf, path, kind, vocabulary).found()
}

/** Windows beyond seven days are a matter for the historian. */
export function checkLength(path: string, text: string, least: number, most = '7d'): Found[] {
  const length = durationMs(text)
  if (length >= least && length <= durationMs(most)) return []
  return [{ path, message: `"${text}" is out of reach; expected ${least === 0 ? '0s' : '1ms'} to ${most}` }]
}

function checkHours({ hours }: CalendarLeaf, path: string): Found[] {
  if (hours === undefined || attributeOf(hours) !== null || hoursOf(hours) !== null) return []
  return [
    { path: `${path}.hours`, message: `"${hours}" end when they begin; expected 00:00-24:00 for all day` },
  ]
}

class LeafCheck {
  readonly #leaf: DeviceLeaf
  readonly #path: string
  readonly #kind: string
  readonly #vocabulary: Vocabulary
  /** Whose reading it may be: nobody knows of what kind another device will be. */
  readonly #kinds: readonly Kind[]

  constructor(leaf: DeviceLeaf, path: string, kind: string, vocabulary: Vocabulary) {
    const { kinds } = vocabulary
    const isOwn = leaf.of === undefined && kind !== ANY_KIND
    this.#leaf = leaf
    this.#path = path
    this.#kind = kind
    this.#vocabulary = vocabulary
    this.#kinds = isOwn ? [kinds.get(kind)!] : [...kinds.values()]
  }

  found(): Found[] {
    const leaf = this.#leaf
    if ('absent' in leaf) return checkLength(`${this.#path}.absent`, leaf.absent, 1)
    if ('worseThan' in leaf) return this.#worseThan()
    if ('insideArea' in leaf) return this.#area('insideArea', leaf.insideArea)
    if ('outsideArea' in leaf) return this.#area('outsideArea', leaf.outsideArea)
    if ('flat' in leaf) {
      return [...this.#metric(leaf.metric), ...checkLength(`${this.#path}.flat`, leaf.flat, 1)]
    }
    if ('implausible' in leaf) return this.#implausible(leaf.metric)
    if ('flag' in leaf) return leaf.metric === undefined ? [] : this.#metric(leaf.metric)
    const unknown = this.#metric(leaf.metric)
    return unknown.length > 0 ? unknown : this.#threshold(leaf, this.#metricNamed(leaf.metric)!)
  }

  #at(key: string, message: string): Found {
    return { path: `${this.#path}.${key}`, message }
  }

  #metricNamed(name: string): Metric | undefined {
    if (name === DELAY_METRIC) return DELAY
    const own = this.#vocabulary.kinds.get(this.#kind)
    // Of its own: `constructor` is a name that a metric may not have, and that every object has.
    return [...(own === undefined ? [] : [own]), ...this.#kinds].find(({ metrics }) =>
      Object.hasOwn(metrics, name),
    )?.metrics[name]
  }

  #metric(name: string): Found[] {
    const isForAll = this.#kind === ANY_KIND && this.#leaf.of === undefined
    if (isForAll && name !== DELAY_METRIC) {
      return [this.#at('metric', `"${name}" is not a metric of every kind; expected ${DELAY_METRIC}`)]
    }
    if (this.#metricNamed(name) !== undefined) return []
    const names = new Set(this.#kinds.flatMap(({ metrics }) => Object.keys(metrics)))
    const whose = this.#leaf.of === undefined ? this.#kind : 'any kind'
    const message = `"${name}" is no metric of ${whose}; expected one of ${listed([...names, DELAY_METRIC])}`
    return [this.#at('metric', message)]
  }

  #implausible(name: string): Found[] {
    const unknown = this.#metric(name)
    if (unknown.length > 0 || this.#metricNamed(name)!.plausible !== undefined) return unknown
    return [this.#at('metric', `no value of ${name} is implausible: its kind does not say what is plausible`)]
  }

  #worseThan(): Found[] {
    const rated = [...factorsOf().keys()]
    const isForAll = this.#kind === ANY_KIND && this.#leaf.of === undefined
    if (!isForAll && this.#kinds.some(({ metrics }) => rated.some((name) => metrics[name] !== undefined)))
      return []
    const message = `${this.#kind} measures none of ${listed(rated)}, so its water has no class`
    return [this.#at('worseThan', message)]
  }

  #area(key: string, name: string): Found[] {
    const isForAll = this.#kind === ANY_KIND && this.#leaf.of === undefined
    if (isForAll || !this.#kinds.some(({ moving }) => moving === true)) {
      return [this.#at(key, `${this.#kind} does not move; expected a kind that does`)]
    }
    const { areas } = this.#vocabulary
    if (attributeOf(name) !== null || areas.has(name)) return []
    const expected = areas.size === 0 ? 'there are none' : `expected one of ${listed(areas)}`
    return [this.#at(key, `"${name}" is no area of this file or of the district; ${expected}`)]
  }

  #threshold(leaf: Threshold, metric: Metric): Found[] {
    const [over, second] = OVER_WINDOW.filter((key) => leaf[key] !== undefined)
    const comparison = COMPARISONS.find((key) => leaf[key] !== undefined)!
    if (second !== undefined) return [this.#at(second, `stands beside ${over}; expected one of them`)]
    const found = over === undefined ? [] : checkLength(`${this.#path}.${over}`, leaf[over]!, 1)
    const isBoolean = metric.type === 'boolean' && over !== 'count' && over !== 'changes'
    if (isBoolean && over !== undefined) {
      const expected = 'expected "is: true" or "is: false" without it, or changes or count'
      return [this.#at(over, `${leaf.metric} is true or false; it has no ${over}; ${expected}`)]
    }
    if (isBoolean && typeof leaf[comparison] !== 'boolean') {
      const message = `${leaf.metric} is true or false; expected "is: true" or "is: false"`
      found.push(this.#at(comparison, message))
    }
    if (!isBoolean && typeof leaf.is === 'boolean') {
      const unit = metric.unit === '' ? '' : ` in ${metric.unit}`
      found.push(this.#at('is', `${leaf.metric} is a number${unit}; expected a number`))
    }
    if (found.length > 0) return found
    found.push(...this.#units(leaf, comparison, unitOf(metric, over)))
    return found.length > 0 ? found : this.#reach(leaf, comparison, metric, over)
  }

  #units(leaf: Threshold, comparison: (typeof COMPARISONS)[number], unit: string): Found[] {
    return [leaf[comparison]].flat().flatMap((written) => {
      if (typeof written !== 'string') return []
      const limit = limitOf(written)
      if ('attribute' in limit || isSameUnit(limit.unit!, unit)) return []
      const expected = unit === '' ? 'a number without unit' : `one in ${unit}`
      return [this.#at(comparison, `"${written}" is in another unit; expected ${expected}`)]
    })
  }

  /** A limit that no value can be beyond never holds. */
  #reach(
    leaf: Threshold,
    comparison: (typeof COMPARISONS)[number],
    metric: Metric,
    over: OverWindow | undefined,
  ): Found[] {
    const interval = leaf.inside ?? leaf.outside
    const ends = interval?.map(limitOf).map((limit) => ('number' in limit ? limit.number : NaN))
    if (ends !== undefined && ends[0]! >= ends[1]!) {
      return [this.#at(comparison, 'expected the lower end first')]
    }
    const range = rangeOf(metric, over)
    const parts = intervalsOf(leaf)
    if (parts === null || !parts.every((part) => isEmpty(part, range))) return []
    const what = over === undefined ? leaf.metric : `${over} of ${leaf.metric}`
    const [low, high] = [range.low, range.high].map((end) =>
      Math.abs(end) === Infinity ? 'any' : String(end),
    )
    const bounds = `${low} to ${high} ${unitOf(metric, over)}`.trimEnd()
    const limit = JSON.stringify(leaf[comparison])
    return [this.#at(comparison, `${limit} can never hold: ${what} goes from ${bounds}`)]
  }
}

function unitOf({ unit }: Metric, over: OverWindow | undefined): string {
  if (over === 'count' || over === 'changes') return ''
  return over === 'rate' ? `${unit === '' ? '1' : unit}/h` : unit
}
