import { randomUUID } from 'node:crypto'
import type { StatementSync } from 'node:sqlite'
import { distanceMetres } from '../dispatch/distance.ts'
import { Selection, type Place } from '../dispatch/selection.ts'
import type { Position } from '../model/reading.ts'
import { RegistryError } from '../registry/registry-error.ts'
import { occasionOf, openFor, PROMISED_TO_PEOPLE, type Finding } from './finding.ts'
import type { RegisterParts } from './registers.ts'

/**
 * Night inspections (夜查): who is to be where within a window of time, who was, and what he found. Whether a site was
 * inspected in time, late or not at all follows from the window and the clock whenever somebody looks: nothing ticks.
 */
const TABLES = `
  CREATE TABLE inspections (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, street TEXT NOT NULL, team TEXT NOT NULL,
    opens INTEGER NOT NULL, ends INTEGER NOT NULL, planned_by TEXT NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX inspections_by_time ON inspections (opens, id);
  CREATE INDEX inspections_by_team ON inspections (team, opens, id);
  CREATE INDEX inspections_by_street ON inspections (street, opens, id);
  CREATE TABLE inspection_sites (
    inspection TEXT NOT NULL REFERENCES inspections (id), site TEXT NOT NULL, grid TEXT NOT NULL, position TEXT NOT NULL,
    at INTEGER, actor TEXT, found_at TEXT, off_site INTEGER, note TEXT, files TEXT, case_id TEXT,
    PRIMARY KEY (inspection, site)
  ) STRICT, WITHOUT ROWID;
`

/** A position further from the site than this, in metres, is kept and flagged, as in a case (contract §4). */
const ON_SITE_LIMIT = 300

export interface InspectedSite {
  readonly site: string
  readonly grid: string
  readonly position: Position
  readonly state: 'pending' | 'done' | 'late' | 'missed'
  readonly at: number | null
  readonly actor: string | null
  /** Metres from the site, where that is too far to be believed. */
  readonly offSite: number | null
  readonly note: string | null
  readonly files: readonly string[]
  readonly case: string | null
}

export interface Inspection {
  readonly id: string
  readonly title: string
  readonly street: string
  readonly team: string
  /** The window, epoch ms. */
  readonly from: number
  readonly to: number
  readonly state: 'planned' | 'open' | 'done' | 'missed' | 'cancelled'
  readonly sites: readonly InspectedSite[]
}

export interface InspectionPlan {
  readonly title: string
  readonly street: string
  readonly team: string
  readonly from: number
  readonly to: number
  readonly sites: readonly { readonly site: string; readonly grid: string; readonly position: Position }[]
}

export interface CheckIn {
  readonly site: string
  readonly position: Position
  readonly note: string | null
  readonly files: readonly string[]
  readonly finding?: Pick<Finding, 'category' | 'title' | 'severity'> | undefined
}

export interface InspectionFilter {
  readonly streets?: readonly string[] | undefined
  readonly team?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

type Row = {
  readonly id: string
  readonly title: string
  readonly street: string
  readonly team: string
  readonly opens: number
  readonly ends: number
  readonly cancelled: 0 | 1
}

export class Inspections {
  readonly #parts: RegisterParts
  readonly #get: StatementSync
  readonly #sites: StatementSync
  readonly #checkIn: StatementSync

  constructor(parts: RegisterParts) {
    const { sql } = parts.database
    parts.database.migrate('inspections-1', TABLES)
    this.#parts = parts
    this.#get = sql.prepare('SELECT * FROM inspections WHERE id = ?')
    this.#sites = sql.prepare('SELECT * FROM inspection_sites WHERE inspection = ? ORDER BY site')
    this.#checkIn = sql.prepare(
      `UPDATE inspection_sites SET at = ?, actor = ?, found_at = ?, off_site = ?, note = ?, files = ?, case_id = ?
        WHERE inspection = ? AND site = ? AND at IS NULL`,
    )
  }

  get(id: string): Inspection | undefined {
    const row = this.#get.get(id) as Row | undefined
    return row === undefined ? undefined : this.#shown(row)
  }

  /** By the beginning of their windows, newest first. */
  list(filter: InspectionFilter, limit: number, after?: Place): readonly Inspection[] {
    const selection = new Selection()
      .among('street', filter.streets)
      .and('team = ?', filter.team)
      .and('opens >= ?', filter.from)
      .and('opens < ?', filter.to)
      .and('(opens, id) < (?, ?)', after?.at, after?.id)
    return this.#parts.database.sql
      .prepare(`SELECT * FROM inspections ${selection.where} ORDER BY opens DESC, id DESC LIMIT ?`)
      .all(...selection.values, limit)
      .map((row) => this.#shown(row as unknown as Row))
  }

  plan({ title, street, team, from, to, sites }: InspectionPlan, actor: string): Inspection {
    const { database, audit } = this.#parts
    const id = randomUUID()
    return database.transaction(() => {
      database.sql
        .prepare(
          'INSERT INTO inspections (id, title, street, team, opens, ends, planned_by) VALUES (?,?,?,?,?,?,?)',
        )
        .run(id, title, street, team, from, to, actor)
      const add = database.sql.prepare(
        'INSERT INTO inspection_sites (inspection, site, grid, position) VALUES (?, ?, ?, ?)',
      )
      for (const { site, grid, position } of sites) add.run(id, site, grid, JSON.stringify(position))
      audit.note(actor, 'inspection.plan', id, JSON.stringify({ team, from, to, sites: sites.length }))
      return this.get(id)!
    })
  }

  cancel(id: string, actor: string): void {
    const { database, audit } = this.#parts
    database.transaction(() => {
      database.sql.prepare('UPDATE inspections SET cancelled = 1 WHERE id = ?').run(id)
      audit.note(actor, 'inspection.cancel', id)
    })
  }

  /**
   * Somebody is at a site. The first check-in counts; the same one sent again by the same person changes nothing. What
   * he found opens a case, or joins the open one, in the same transaction.
   */
  checkIn(id: string, checkIn: CheckIn, actor: string): Inspection {
    const { database, audit, clock, district } = this.#parts
    return database.transaction(() => {
      const inspection = this.get(id)
      const target = inspection?.sites.find(({ site }) => site === checkIn.site)
      if (inspection === undefined || target === undefined)
        throw new RegistryError('not_found', `${checkIn.site} is not to be inspected here`)
      if (target.at !== null) {
        if (target.actor === actor) return inspection
        throw new RegistryError('exists', `${checkIn.site} was inspected by ${target.actor} already`)
      }
      const now = clock.now()
      if (inspection.state === 'cancelled') throw new RegistryError('exists', 'the inspection was cancelled')
      if (now < inspection.from) throw new RegistryError('exists', 'the inspection has not begun')
      const away = Math.round(distanceMetres(checkIn.position, target.position))
      const { finding, note, files, position } = checkIn
      const caseId =
        finding === undefined
          ? null
          : openFor(
              occasionOf(
                {
                  ...finding,
                  family: `inspection-${finding.category}`,
                  note,
                  site: target.site,
                  street: inspection.street,
                  grid: target.grid,
                  position,
                  files,
                  seed: `inspection:${id}:${target.site}`,
                  at: now,
                  actor,
                },
                district,
                PROMISED_TO_PEOPLE,
              ),
              this.#parts,
            )
      this.#checkIn.run(
        now,
        actor,
        JSON.stringify(position),
        away > ON_SITE_LIMIT ? away : null,
        note,
        JSON.stringify(files),
        caseId,
        id,
        target.site,
      )
      audit.note(actor, 'inspection.check-in', id, JSON.stringify({ site: target.site, away, case: caseId }))
      return this.get(id)!
    })
  }

  #shown({ id, title, street, team, opens, ends, cancelled }: Row): Inspection {
    const now = this.#parts.clock.now()
    const sites = this.#sites.all(id).map((row): InspectedSite => {
      const at = row['at'] as number | null
      return {
        site: row['site'] as string,
        grid: row['grid'] as string,
        position: JSON.parse(row['position'] as string) as Position,
        state: at === null ? (now > ends ? 'missed' : 'pending') : at > ends ? 'late' : 'done',
        at,
        actor: row['actor'] as string | null,
        offSite: row['off_site'] as number | null,
        note: row['note'] as string | null,
        files: row['files'] === null ? [] : (JSON.parse(row['files'] as string) as string[]),
        case: row['case_id'] as string | null,
      }
    })
    const state =
      cancelled === 1
        ? 'cancelled'
        : sites.every((site) => site.at !== null)
          ? 'done'
          : now < opens
            ? 'planned'
            : now > ends
              ? 'missed'
              : 'open'
    return { id, title, street, team, from: opens, to: ends, state, sites }
  }
}
