import type { StatementSync } from 'node:sqlite'
import { distanceMetres } from '../dispatch/distance.ts'
import type { Position } from '../model/reading.ts'
import type { Database } from '../registry/database.ts'

/** Metres in a degree of latitude, a little less than anywhere on Earth, so that the search is a little wider. */
const METRES_PER_DEGREE = 110_500

/**
 * Open cases by category and latitude, and by site: kept by SQLite itself, so nothing can drift. Some dozens of rows
 * lie in a band of 200 m, whatever the number of cases.
 */
const INDEXES = `
  CREATE INDEX cases_open_by_latitude ON cases (category, json_extract(position, '$[1]'))
    WHERE state NOT IN ('closed', 'void') AND position IS NOT NULL;
  CREATE INDEX cases_open_by_site ON cases (site, category) WHERE state NOT IN ('closed', 'void');
`

export interface OpenCase {
  readonly id: string
  readonly family: string
  readonly site: string
}

interface Row extends OpenCase {
  readonly position: string | null
  readonly queuedAt: number
}

/** Finds the open case that a report is about, whoever opened it: a sensor or a neighbour. */
export class Nearby {
  readonly #inBand: StatementSync
  readonly #atSite: StatementSync
  readonly #metres: number
  readonly #maxAge: number

  /** A case further than `metres` from the report, or queued more than `maxAge` ms before it, is another matter. */
  constructor(database: Database, metres: number, maxAge: number) {
    database.migrate('nearby-1', INDEXES)
    this.#metres = metres
    this.#maxAge = maxAge
    this.#inBand = database.sql.prepare(
      `SELECT id, family, site, position, queued_at AS queuedAt FROM cases
        WHERE category = ? AND json_extract(position, '$[1]') BETWEEN ? AND ?
          AND state NOT IN ('closed', 'void') AND position IS NOT NULL AND queued_at >= ?`,
    )
    this.#atSite = database.sql.prepare(
      `SELECT id, family, site, position, queued_at AS queuedAt FROM cases
        WHERE site = ? AND category = ? AND state NOT IN ('closed', 'void') AND queued_at >= ?
        ORDER BY queued_at DESC LIMIT 1`,
    )
  }

  /** At the same site before the nearest, and of two as near the one that was queued last. */
  find(category: string, site: string | null, position: Position | null, now: number): OpenCase | undefined {
    const since = now - this.#maxAge
    const here = site === null ? undefined : (this.#atSite.get(site, category, since) as Row | undefined)
    if (here !== undefined || position === null) return here
    const band = this.#metres / METRES_PER_DEGREE
    const rows = this.#inBand.all(category, position[1] - band, position[1] + band, since) as unknown as Row[]
    return rows
      .map((row) => ({ row, away: distanceMetres(position, JSON.parse(row.position!) as Position) }))
      .filter(({ away }) => away <= this.#metres)
      .sort((a, b) => a.away - b.away || b.row.queuedAt - a.row.queuedAt)[0]?.row
  }
}
