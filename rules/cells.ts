/**
 * The numbers of a fold: `[signals… | fold | times | phases… | evidence… | dues… | windows… | rules…]`. What every reading looks
 * at comes first and lies together, not rule by rule: with thousands of devices none of it is in any cache.
 */

/**
 * Idle: its condition does not hold. Asleep: the same, and in force, and it has nothing to say as long as the numbers
 * that it looks at stay the same: most readings repeat most of what the last one said. Calendars and silence wake it
 * by its timer.
 */
export const PHASE = { asleep: -1, idle: 0, pending: 1, firing: 2, clearing: 3 } as const

/** Numbers of the fold as a whole. */
export const FOLD = {
  /** Event time of what was judged last: a reading, or a timer. */
  now: 0,
  lastTs: 1,
  /** Event time that was reached: by a reading or by a timer. */
  time: 2,
  /** When the next timer runs out, or earlier: a timer that was set anew is noticed once it is reached. */
  due: 3,
  /** Rules that are not asleep. */
  awake: 4,
  /** 1 when the newest reading was stale on arrival. */
  stale: 5,
  /** 1 when an alarm fired, rose, cleared or became fresh; whoever looks resets it. */
  changed: 6,
  /** 1 when only a firing alarm's value or peak moved; whoever looks resets it. */
  moved: 7,
  /** 1 when judging the newest reading did more to any rule than move its value by one column. */
  stirred: 8,
} as const
const FOLD_NUMBERS = Object.keys(FOLD).length

/** Times of the device: its head alone has them, and going back to an earlier fold leaves them alone. */
export const TIME = {
  /** Event time of the newest reading. */
  newest: 0,
  /** How long that had been under way, ms: the device's present is the clock's less this. */
  lag: 1,
  /** Event time up to which timers have run. */
  clock: 2,
  /** The same of those of `absent`. */
  absentClock: 3,
  /** Event time of the base: nothing comes before it any more. */
  settled: 4,
  /** Where the mark is; Infinity while there is none. */
  mark: 5,
} as const
const TIMES = Object.keys(TIME).length

/** Numbers of a rule that is not idle; of one that is they mean nothing. */
export const CELL = {
  /** Since when the condition (pending) or the clear condition (clearing) has held. */
  since: 0,
  /** Index into SEVERITIES. */
  severity: 1,
  startedAt: 2,
  /** Millionths; NaN where the rule has no number. */
  value: 3,
  peak: 4,
  /** Which of the rule's subjects `value` and `peak` follow; -1 for none. */
  subject: 5,
  stale: 6,
} as const
export const CELLS_PER_RULE = Object.keys(CELL).length

/** Where the numbers of a rule are. */
export interface RuleCells {
  /** One of {@link PHASE}. */
  readonly phase: number
  /** Time of the last reading that the rule looked at. */
  readonly evidence: number
  /** When the rule's clock runs out next; Infinity for never. */
  readonly due: number
  /** The first of {@link CELL}. */
  readonly cell: number
}

/** Where the numbers of a plan's folds are. */
export class CellMap {
  readonly fold: number
  readonly times: number
  readonly phases: number
  /** When the rules' clocks run out next, one after the other. */
  readonly dues: number
  readonly windows: number
  /** Behind those that mean something of idle rules too. */
  readonly rules: number
  readonly size: number
  readonly #count: number

  /** `rules`: how many; `windowNumbers`: all that its windows need. */
  constructor(signals: number, rules: number, windowNumbers: number) {
    this.#count = rules
    this.fold = signals
    this.times = this.fold + FOLD_NUMBERS
    this.phases = this.times + TIMES
    this.dues = this.phases + 2 * rules
    this.windows = this.dues + rules
    this.rules = this.windows + windowNumbers
    this.size = this.rules + rules * CELLS_PER_RULE
  }

  rule(index: number): RuleCells {
    const phase = this.phases + index
    const evidence = phase + this.#count
    return { phase, evidence, due: this.dues + index, cell: this.rules + index * CELLS_PER_RULE }
  }

  /** Of a device that was never heard. Its windows are cleared by themselves. */
  blank(): Float64Array {
    const cells = new Float64Array(this.size).fill(NaN, 0, this.fold)
    cells.fill(-Infinity, this.fold + FOLD.now, this.fold + FOLD.time + 1)
    cells[this.fold + FOLD.due] = Infinity
    cells.fill(-Infinity, this.times, this.times + TIMES)
    cells[this.times + TIME.lag] = 0
    cells[this.times + TIME.mark] = Infinity
    cells[this.fold + FOLD.awake] = this.#count
    return cells.fill(Infinity, this.dues, this.dues + this.#count)
  }

  /** Makes one fold what another is, but for the times. */
  copy(from: Float64Array, to: Float64Array): void {
    for (let at = 0; at < this.times; at++) to[at] = from[at]!
    for (let at = this.phases; at < this.rules; at++) to[at] = from[at]!
    for (let index = 0; index < this.#count; index++) {
      if (from[this.phases + index]! <= PHASE.idle) continue
      const first = this.rules + index * CELLS_PER_RULE
      for (let at = first; at < first + CELLS_PER_RULE; at++) to[at] = from[at]!
    }
  }
}
