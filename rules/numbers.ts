import { durationMs } from '../gateway/model/duration.ts'
import { OVER_WINDOW, type OverWindow, type Threshold } from '../gateway/model/rule.ts'
import type { Interval } from './interval.ts'
import { millionths } from './millionths.ts'
import { Ordering } from './ordering.ts'
import { spanOf } from './panes.ts'

function fixed(number: number): string {
  return `#${number}`
}

/** A number that is made of a metric's window, or its latest value. */
interface Made {
  readonly point: string
  /** undefined for the latest value. */
  readonly over: OverWindow | undefined
  /** ms; 0 for the latest value. */
  readonly width: number
  readonly range: Interval
}

/**
 * Numbers that leaves speak of, by name, and what is known of them before anybody has measured anything: where each of
 * them can be at all, and which of them are never above which others.
 */
export class Numbers {
  readonly #fixed = new Set<number>()
  /** What is made of each metric of each device. */
  readonly #families = new Map<string, Map<string, Made>>()
  #isTargeted = false

  /** One that is fixed: a limit in millionths of its unit, as rules count them, or a length in ms. */
  number(value: number): string {
    this.#fixed.add(value)
    return fixed(value)
  }

  /** The class that the device's attribute `target` names, 1 to 5. */
  target(): string {
    this.#isTargeted = true
    return 'target class'
  }

  /** What a leaf judges of a metric; the `range` is where that can be. */
  made(leaf: Threshold, whose: string, range: Interval): string {
    const over = OVER_WINDOW.find((key) => leaf[key] !== undefined)
    const width = over === undefined ? 0 : durationMs(leaf[over]!)
    const family = `${whose}/${leaf.metric}`
    const point = pointOf(family, over, width)
    const members = this.#families.get(family) ?? new Map<string, Made>()
    members.set(point, { point, over, width, range })
    this.#families.set(family, members)
    return point
  }

  /** All of them, as points on a line. */
  line(): Ordering {
    const line = new Ordering()
    if (this.#isTargeted) {
      line.assume(this.number(1), this.target())
      line.assume(this.target(), this.number(5))
    }
    for (const [family, members] of this.#families) {
      const made = [...members.values()]
      for (const { point, range } of made) {
        if (range.low > -Infinity) line.assume(this.number(millionths(range.low)), point)
        if (range.high < Infinity) line.assume(point, this.number(millionths(range.high)))
      }
      relate(line, pointOf(family, undefined, 0), made)
    }
    const ascending = [...this.#fixed].sort((a, b) => a - b)
    for (const [index, number] of ascending.slice(1).entries())
      line.assume(fixed(ascending[index]!), fixed(number), true)
    return line
  }
}

/** They grow with the window, whatever comes: what they are made of is part of the wider one too. */
const GROWING: readonly OverWindow[] = ['max', 'range', 'count', 'changes']

/**
 * All windows of a metric end with its latest value, which is in each of them, and a wider one holds all that a
 * narrower one does. Values are whole millionths, so a mean is exactly between the least and the greatest.
 */
function relate(line: Ordering, latest: string, made: readonly Made[]): void {
  const sorted = made.toSorted((a, b) => a.width - b.width)
  const of = (over: OverWindow) => sorted.filter((one) => one.over === over)
  const [least, greatest] = [of('min'), of('max')]
  for (const { point } of least) line.assume(point, latest)
  for (const { point } of greatest) line.assume(latest, point)
  for (const middle of [...of('mean'), ...of('p95')]) {
    const [low, high] = [around(middle, least), around(middle, greatest)]
    if (low !== undefined) line.assume(low.point, middle.point)
    if (high !== undefined) line.assume(middle.point, high.point)
  }
  for (const one of least) {
    const wider = around(one, least)
    if (wider !== undefined) line.assume(wider.point, one.point)
  }
  const sums = of('sum').filter(({ range }) => range.low >= 0)
  for (const ones of [...GROWING.map(of), sums]) {
    for (const one of ones) {
      const wider = around(one, ones)
      if (wider !== undefined) line.assume(one.point, wider.point)
    }
  }
}

/** The narrowest of the windows that holds all of this one, which may reach a little further back than it says. */
function around(one: Made, ascending: readonly Made[]): Made | undefined {
  const equal = ascending[firstFrom(ascending, one.width)]
  if (equal !== one && equal?.width === one.width) return equal
  const at = firstFrom(ascending, spanOf(one.width))
  return ascending[at] === one ? ascending[at + 1] : ascending[at]
}

/** Index of the first that is at least so wide. */
function firstFrom(ascending: readonly Made[], width: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle]!.width < width) low = middle + 1
    else high = middle
  }
  return low
}

function pointOf(family: string, over: OverWindow | undefined, width: number): string {
  return `${family} ${over ?? 'latest'} ${width}`
}
