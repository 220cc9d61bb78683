import type { District, Grid, Street } from '../model/district.ts'

/** All grids of a district by id, with their streets: the numbered ones (`{street}-001` and on) and those with names. */
export class Grids {
  readonly #streets: ReadonlyMap<string, Street>
  readonly #named: ReadonlyMap<string, Grid>

  constructor({ streets, grids = [] }: Pick<District, 'streets' | 'grids'>) {
    this.#streets = new Map(streets.map((street) => [street.id, street]))
    this.#named = new Map(grids.map((grid) => [grid.id, grid]))
  }

  /** The street that a grid belongs to; undefined when there is no such grid. */
  streetOf(grid: string): string | undefined {
    return this.#named.get(grid)?.street ?? this.#numberedIn(grid)
  }

  *ids(): Generator<string> {
    for (const { id, grids } of this.#streets.values()) {
      for (let number = 1; number <= grids; number++) yield `${id}-${String(number).padStart(3, '0')}`
    }
    for (const id of this.#named.keys()) if (this.#numberedIn(id) === undefined) yield id
  }

  #numberedIn(grid: string): string | undefined {
    const [, name, digits] = /^(.+)-(\d{3})$/.exec(grid) ?? []
    const street = name === undefined ? undefined : this.#streets.get(name)
    const number = Number(digits)
    return street !== undefined && number >= 1 && number <= street.grids ? street.id : undefined
  }
}
