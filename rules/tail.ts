import type { Joins } from './column.ts'

/** Numbers of a row before its columns: time, and 1 when it was stale on arrival. */
export const ROW_HEADER = 2

/**
 * What {@link Tail.put} did with a row: put it at the end or in between, filled columns that the row of its
 * instant did not have yet, changed some that it had, or found it known.
 */
export type Put = 'appended' | 'inserted' | 'extended' | 'altered' | 'known'

const JOIN: Readonly<Record<Joins, (a: number, b: number) => number>> = {
  greatest: Math.max,
  least: Math.min,
  union: (a, b) => a | b,
}

interface TailColumn {
  readonly joins: Joins
}

/**
 * The readings of a device that may still be followed by an earlier one, as rows of numbers in order of time:
 * `[ts, stale, column…]`, NaN where a reading says nothing (or nothing normal) of a column.
 *
 * Readings of one instant are one row. Where two of them give a column different values the greater stands (in some
 * columns the smaller, or both): arbitrary, but the same whatever order they come in. A row is stale only as long as all its readings were.
 */
export class Tail {
  readonly stride: number
  readonly #columns: readonly TailColumn[]
  #data: Float64Array
  #first = 0
  #end = 0

  constructor(columns: readonly TailColumn[]) {
    this.#columns = columns
    this.stride = ROW_HEADER + columns.length
    this.#data = new Float64Array(8 * this.stride)
  }

  get rows(): number {
    return (this.#end - this.#first) / this.stride
  }

  /** Offsets into {@link data}; row after row from `first` on. */
  get data(): Float64Array {
    return this.#data
  }
  get first(): number {
    return this.#first
  }
  get end(): number {
    return this.#end
  }

  /** Takes a row; where its instant was known already, only what is new is left in `row`. */
  put(row: Float64Array): Put {
    const ts = row[0]!
    const at = this.after(ts)
    const before = at - this.stride
    if (before >= this.#first && this.#data[before] === ts) return this.#merge(before, row)
    const appended = at === this.#end
    this.#insert(at, row)
    return appended ? 'appended' : 'inserted'
  }

  /** Takes a row that is known to be later than all others. */
  append(row: Float64Array): Put {
    this.#insert(this.#end, row)
    return 'appended'
  }

  /** Forgets the oldest row. */
  shift(): void {
    this.#first += this.stride
  }

  /** Forgets the rows up to this time. */
  dropUntil(ts: number): void {
    this.#first = this.after(ts)
  }

  /** Offset of the first row that is later than this. */
  after(ts: number): number {
    let at = this.#end
    while (at > this.#first && this.#data[at - this.stride]! > ts) at -= this.stride
    return at
  }

  #merge(at: number, row: Float64Array): Put {
    const data = this.#data
    let put: Put = 'known'
    if (row[1]! < data[at + 1]!) {
      data[at + 1] = row[1]!
      put = 'altered'
    }
    for (let column = ROW_HEADER; column < this.stride; column++) {
      const value = row[column]!
      const held = data[at + column]!
      const fills = Number.isNaN(held) && !Number.isNaN(value)
      const joined = fills ? value : JOIN[this.#columns[column - ROW_HEADER]!.joins](held, value)
      if (Number.isNaN(value) || joined === held) {
        row[column] = NaN
        continue
      }
      data[at + column] = joined
      if (!fills) put = 'altered'
      else if (put === 'known') put = 'extended'
    }
    return put
  }

  #insert(at: number, row: Float64Array): void {
    let place = at
    if (this.#end === this.#data.length) {
      place -= this.#first
      const live = this.#end - this.#first
      const data = live * 2 <= this.#data.length ? this.#data : new Float64Array(this.#data.length * 2)
      data.set(this.#data.subarray(this.#first, this.#end))
      this.#data = data
      this.#first = 0
      this.#end = live
    }
    if (place < this.#end) this.#data.copyWithin(place + this.stride, place, this.#end)
    // Rows are short: a loop is faster than what copying by a call takes to begin.
    const data = this.#data
    for (let index = 0; index < row.length; index++) data[place + index] = row[index]!
    this.#end += this.stride
  }
}
