import type { SQLInputValue } from 'node:sqlite'

/** A place in a list that is ordered by time, newest first, then by id: a page goes on right after it. */
export interface Place {
  readonly at: number
  readonly id: string
}

export interface Page<T> {
  readonly items: readonly T[]
  /** Where the next page begins; absent on the last one. */
  readonly next?: Place
}

/** A WHERE clause that grows by what was asked. Values are always bound, never written into the text. */
export class Selection {
  readonly #clauses: string[] = []
  readonly #values: SQLInputValue[] = []

  /** Adds the condition unless there is nothing to compare with. */
  and(condition: string, ...values: readonly (SQLInputValue | undefined)[]): this {
    if (values.some((value) => value === undefined)) return this
    this.#clauses.push(condition)
    this.#values.push(...(values as SQLInputValue[]))
    return this
  }

  /** The column has one of the values: none of an empty list, any when there is no list. */
  among(column: string, values: readonly SQLInputValue[] | undefined): this {
    if (values === undefined) return this
    return this.and(`${column} IN (${values.map(() => '?').join(', ')})`, ...values)
  }

  get where(): string {
    return this.#clauses.length === 0 ? '' : `WHERE ${this.#clauses.join(' AND ')}`
  }

  get values(): readonly SQLInputValue[] {
    return this.#values
  }
}
