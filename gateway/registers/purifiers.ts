import type { StatementSync } from 'node:sqlite'
import type { CaseChange } from '../dispatch/case-change.ts'
import type { Place } from '../dispatch/selection.ts'
import { noted } from '../dispatch/life.ts'
import { Selection } from '../dispatch/selection.ts'
import { durationMs } from '../model/duration.ts'
import type { Position } from '../model/reading.ts'
import type { RegisterParts } from './registers.ts'
import { occasionOf } from './finding.ts'
import { RegistryError } from '../registry/registry-error.ts'

/**
 * Register of purifier cleanings (油烟净化器清洗台账). A purifier is to be cleaned every so often; `dueAt` is when the
 * next cleaning is due. Shortly before, its team is reminded. Once it is overdue a case opens: one for each period
 * that passes without a cleaning, however often the gateway looks, restarts or has its clock moved. A cleaning that is
 * reported, or a case of this register closed as `confirmed`, begins the next period.
 */
const TABLES = `
  CREATE TABLE purifiers (
    site TEXT PRIMARY KEY, title TEXT NOT NULL, street TEXT NOT NULL, grid TEXT NOT NULL, position TEXT,
    every_ms INTEGER NOT NULL, since INTEGER NOT NULL, cleaned_at INTEGER,
    reminded_for INTEGER, opened_for INTEGER, case_id TEXT, removed INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER GENERATED ALWAYS AS (coalesce(cleaned_at, since) + every_ms) STORED
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX purifiers_due ON purifiers (due_at, site) WHERE removed = 0;
  CREATE INDEX purifiers_by_street ON purifiers (street, due_at, site) WHERE removed = 0;
  CREATE TABLE purifier_cleanings (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL REFERENCES purifiers (site),
    at INTEGER NOT NULL, actor TEXT NOT NULL, note TEXT, files TEXT NOT NULL, case_id TEXT, noted_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX purifier_cleanings_by_site ON purifier_cleanings (site, at, id);
`

export const CLEANING = 'purifier-cleaning'
/** A cleaning is no emergency [P]. */
const PROMISE = { respond: '24h', arrive: '72h', resolve: '7d' }
/** Of the period, before it ends, the team is reminded; three days at most. */
const REMIND_SHARE = 0.1
const REMIND_MOST_MS = 3 * 86_400_000
/** Purifiers in one transaction of a look round. */
const AT_ONCE = 100
/** Cleanings shown of one purifier. */
const STORY = 100

export interface Purifier {
  readonly site: string
  readonly title: string
  readonly street: string
  readonly grid: string
  readonly position: Position | null
  readonly everyMs: number
  readonly cleanedAt: number | null
  readonly dueAt: number
  readonly state: 'ok' | 'due' | 'overdue'
  /** Of the last period that passed without a cleaning. */
  readonly case: string | null
}

export interface Cleaning {
  readonly at: number
  readonly actor: string
  readonly note: string | null
  readonly files: readonly string[]
  readonly case: string | null
}

export interface PurifierFilter {
  readonly state?: Purifier['state'] | undefined
  readonly streets?: readonly string[] | undefined
  readonly grids?: readonly string[] | undefined
}

const COLUMNS = `site, title, street, grid, position, every_ms AS everyMs, cleaned_at AS cleanedAt, due_at AS dueAt,
  case_id AS "case", opened_for AS openedFor, reminded_for AS remindedFor`
type Row = Omit<Purifier, 'position' | 'state'> & {
  readonly position: string | null
  readonly openedFor: number | null
  readonly remindedFor: number | null
}

export class Purifiers {
  readonly #parts: RegisterParts
  readonly #get: StatementSync
  readonly #toOpen: StatementSync
  readonly #toRemind: StatementSync
  readonly #addCleaning: StatementSync
  readonly #cleaned: StatementSync

  constructor(parts: RegisterParts) {
    const { database } = parts
    database.migrate('purifiers-1', TABLES)
    this.#parts = parts
    const sql = database.sql
    this.#get = sql.prepare(`SELECT ${COLUMNS} FROM purifiers WHERE site = ? AND removed = 0`)
    // The period that is over: how many whole intervals have gone by since the last cleaning. A bound number is a real.
    this.#toOpen = sql.prepare(
      `SELECT ${COLUMNS}, due_at + CAST((?1 - due_at) / every_ms AS INTEGER) * every_ms AS period FROM purifiers
        WHERE removed = 0 AND due_at <= ?1 AND (opened_for IS NULL
          OR opened_for < due_at + CAST((?1 - due_at) / every_ms AS INTEGER) * every_ms) ORDER BY due_at LIMIT ${AT_ONCE}`,
    )
    this.#toRemind = sql.prepare(
      `SELECT ${COLUMNS} FROM purifiers WHERE removed = 0 AND due_at > ?1
        AND due_at - min(CAST(every_ms * ${REMIND_SHARE} AS INTEGER), ${REMIND_MOST_MS}) <= ?1
        AND (reminded_for IS NULL OR reminded_for <> due_at) ORDER BY due_at LIMIT ${AT_ONCE}`,
    )
    this.#addCleaning = sql.prepare(
      'INSERT INTO purifier_cleanings (site, at, actor, note, files, case_id, noted_at) VALUES (?,?,?,?,?,?,?)',
    )
    this.#cleaned = sql.prepare(
      'UPDATE purifiers SET cleaned_at = ?2 WHERE site = ?1 AND (cleaned_at IS NULL OR cleaned_at < ?2)',
    )
  }

  /** Takes in the purifiers of the district file; what people have changed since stays. */
  adopt(): void {
    const { database, district, clock } = this.#parts
    const add = database.sql.prepare(
      `INSERT INTO purifiers (site, title, street, grid, position, every_ms, since, cleaned_at)
        VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`,
    )
    database.transaction(() => {
      for (const { id, title, street, grid, position, kitchen } of district.sites ?? []) {
        if (kitchen?.purifier === undefined) continue
        const { cleanEvery, cleaned } = kitchen.purifier
        const cleanedAt = cleaned === undefined ? null : Date.parse(`${cleaned}T00:00:00+08:00`)
        const every = durationMs(cleanEvery)
        add.run(
          id,
          `${title.zh} ${title.en}`,
          street,
          grid,
          JSON.stringify(position),
          every,
          clock.now(),
          cleanedAt,
        )
      }
    })
  }

  get(site: string): Purifier | undefined {
    const row = this.#get.get(site) as Row | undefined
    return row === undefined ? undefined : this.#shown(row)
  }

  /** By when they are due, the longest overdue first. */
  list(filter: PurifierFilter, limit: number, after?: Place): readonly Purifier[] {
    const now = this.#parts.clock.now()
    const selection = new Selection()
      .and('removed = ?', 0)
      .among('street', filter.streets)
      .among('grid', filter.grids)
      .and('(due_at, site) > (?, ?)', after?.at, after?.id)
    if (filter.state === 'overdue') selection.and('due_at <= ?', now)
    if (filter.state === 'due' || filter.state === 'ok') {
      const begins = `due_at - min(CAST(every_ms * ${REMIND_SHARE} AS INTEGER), ${REMIND_MOST_MS})`
      selection.and('due_at > ?', now).and(`${begins} ${filter.state === 'due' ? '<=' : '>'} ?`, now)
    }
    return this.#parts.database.sql
      .prepare(`SELECT ${COLUMNS} FROM purifiers ${selection.where} ORDER BY due_at, site LIMIT ?`)
      .all(...selection.values, limit)
      .map((row) => this.#shown(row as unknown as Row))
  }

  /** Newest first, the last {@link STORY}. */
  cleanings(site: string): readonly Cleaning[] {
    return this.#parts.database.sql
      .prepare(
        `SELECT at, actor, note, files, case_id AS "case" FROM purifier_cleanings WHERE site = ?
          ORDER BY at DESC, id DESC LIMIT ${STORY}`,
      )
      .all(site)
      .map((row) => ({
        ...(row as unknown as Cleaning),
        files: JSON.parse(row['files'] as string) as string[],
      }))
  }

  /** Registers a purifier, or changes what is known of it. */
  put(
    purifier: Pick<Purifier, 'site' | 'title' | 'street' | 'grid' | 'position' | 'everyMs'>,
    actor: string,
  ): void {
    const { database, audit, clock } = this.#parts
    const { site, title, street, grid, position, everyMs } = purifier
    database.transaction(() => {
      database.sql
        .prepare(
          `INSERT INTO purifiers (site, title, street, grid, position, every_ms, since) VALUES (?,?,?,?,?,?,?)
            ON CONFLICT DO UPDATE SET title = excluded.title, street = excluded.street, grid = excluded.grid,
              position = excluded.position, every_ms = excluded.every_ms, removed = 0`,
        )
        .run(
          site,
          title,
          street,
          grid,
          position === null ? null : JSON.stringify(position),
          everyMs,
          clock.now(),
        )
      audit.note(actor, 'purifier.put', site, JSON.stringify({ street, grid, everyMs }))
    })
  }

  remove(site: string, actor: string): void {
    const { database, audit } = this.#parts
    database.transaction(() => {
      database.sql.prepare('UPDATE purifiers SET removed = 1 WHERE site = ?').run(site)
      audit.note(actor, 'purifier.remove', site)
    })
  }

  /** A cleaning that somebody reports: the next period begins with it, and an open case is told. */
  clean(site: string, cleaning: Omit<Cleaning, 'case'>): Purifier {
    const { database, audit, clock, queue, cases } = this.#parts
    return database.transaction(() => {
      const before = this.get(site)
      if (before === undefined)
        throw new RegistryError('not_found', `${site} has no purifier in the register`)
      const { at, actor, note, files } = cleaning
      const open = cases.openFor(CLEANING, site)
      this.#addCleaning.run(site, at, actor, note, JSON.stringify(files), open?.id ?? null, clock.now())
      this.#cleaned.run(site, at)
      audit.note(actor, 'purifier.clean', site, JSON.stringify({ at }))
      if (open !== undefined)
        queue.annotate(open.id, { ...noted(clock.now(), 'purifier_cleaned', { note, files }), actor })
      return this.get(site)!
    })
  }

  /** Inside the transaction of a case's change: a case of this register that was closed as true has been done. */
  caseChanged({ before, after }: CaseChange): void {
    if (after.family !== CLEANING || after.state !== 'closed' || before?.state === 'closed') return
    if (after.closeCode !== 'confirmed' || this.#get.get(after.site) === undefined) return
    const at = this.#parts.clock.now()
    this.#addCleaning.run(after.site, at, after.crew ?? after.team, null, '[]', after.id, at)
    this.#cleaned.run(after.site, at)
  }

  /** Opens the cases of all periods that are over, and answers whose teams are to be reminded; some at a time. */
  lookRound(now: number): { readonly more: boolean; readonly remind: readonly Purifier[] } {
    const { database } = this.#parts
    return database.transaction(() => {
      const over = this.#toOpen.all(now) as unknown as (Row & { readonly period: number })[]
      for (const row of over) this.#open(row, row.period, now)
      const due = this.#toRemind.all(now) as unknown as Row[]
      for (const { site, dueAt } of due)
        database.sql.prepare('UPDATE purifiers SET reminded_for = ? WHERE site = ?').run(dueAt, site)
      return {
        more: over.length === AT_ONCE || due.length === AT_ONCE,
        remind: due.map((row) => this.#shown(row)),
      }
    })
  }

  #open(row: Row, period: number, now: number): void {
    const { database, queue, district } = this.#parts
    const { site, street, grid, title, dueAt } = row
    const finding = {
      family: CLEANING,
      category: CLEANING,
      title: `净化器逾期未清洗 Purifier cleaning overdue · ${title}`,
      note: `${CLEANING}:${new Date(dueAt + 8 * 3_600_000).toISOString().slice(0, 10)}`,
      severity: 'yellow' as const,
      site,
      street,
      grid,
      position: this.#shown(row).position,
      files: [],
      seed: `${CLEANING}:${site}:${period}`,
      at: now,
      actor: 'gateway',
    }
    const { id } = queue.open(occasionOf(finding, district, PROMISE))
    database.sql
      .prepare('UPDATE purifiers SET opened_for = ?, case_id = ? WHERE site = ?')
      .run(period, id, site)
  }

  #shown({ openedFor: _opened, remindedFor: _reminded, ...row }: Row): Purifier {
    const now = this.#parts.clock.now()
    const reminder = Math.min(Math.trunc(row.everyMs * REMIND_SHARE), REMIND_MOST_MS)
    const state = row.dueAt <= now ? 'overdue' : row.dueAt - reminder <= now ? 'due' : 'ok'
    const position = row.position === null ? null : (JSON.parse(row.position) as Position)
    const { site, title, street, grid, everyMs, cleanedAt, dueAt } = row
    return { site, title, street, grid, position, everyMs, cleanedAt, dueAt, state, case: row.case }
  }
}
