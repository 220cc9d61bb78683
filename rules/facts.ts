/** What a condition is judged by. */
export interface Facts {
  /** Signals first; NaN while unknown. */
  readonly cells: Float64Array
  /** What the device's attributes come to; NaN for what it has not. */
  readonly numbers: Float64Array
  /** Event time of the judgement. */
  readonly now: number
}

export type Test = (facts: Facts) => boolean

/** A number that a condition judges, for an alarm's `value` and `peak`. */
export interface Subject {
  readonly signal: number
  readonly test: Test
  /** Greater is worse. */
  readonly badness: (value: number, facts: Facts) => number
}
