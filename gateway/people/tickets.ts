import type { SQLInputValue, StatementSync } from 'node:sqlite'
import type { ReportSource } from '../model/case.ts'
import type { Database } from '../registry/database.ts'

/**
 * A ticket for each person who reported, whether it opened a case or joined one. What has become of it is the case's to
 * say; `updated_at` is when that last changed, so that a hotline can ask for what is new. Name and phone are the only
 * personal data and go when `contact_until` has come.
 */
const TABLES = `
  CREATE TABLE tickets (
    number TEXT PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES cases (id),
    source TEXT NOT NULL, external_id TEXT, reporter TEXT,
    category TEXT NOT NULL, place TEXT, text TEXT NOT NULL,
    joined INTEGER NOT NULL,
    reported_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    name TEXT, phone TEXT, contact_until INTEGER,
    satisfaction INTEGER, comment TEXT, first_satisfied_at INTEGER, satisfied_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX tickets_once ON tickets (source, external_id) WHERE external_id IS NOT NULL;
  CREATE INDEX tickets_by_case ON tickets (case_id);
  CREATE INDEX tickets_by_change ON tickets (source, updated_at, number);
  CREATE INDEX tickets_by_time ON tickets (updated_at, number);
  CREATE INDEX tickets_with_contact ON tickets (contact_until) WHERE contact_until IS NOT NULL;
`

export interface Ticket {
  /** Without hyphens; whoever has it may follow the case. */
  readonly number: string
  readonly caseId: string
  readonly source: ReportSource
  readonly externalId: string | null
  /** User who put it in; null for the public page. */
  readonly reporter: string | null
  readonly category: string
  readonly place: string | null
  readonly text: string
  /** It found a case that was open already. */
  readonly joined: boolean
  readonly reportedAt: number
  readonly updatedAt: number
  readonly name: string | null
  readonly phone: string | null
  /** 1 to 5. */
  readonly satisfaction: number | null
  readonly comment: string | null
  readonly firstSatisfiedAt: number | null
  readonly satisfiedAt: number | null
}

export interface TicketFilter {
  readonly source?: ReportSource | undefined
  /** Changed at or after, epoch ms. */
  readonly since?: number | undefined
  /** Of the case: who may see what. */
  readonly streets?: readonly string[] | undefined
  readonly team?: string | undefined
}

interface Place {
  readonly at: number
  readonly number: string
}

const COLUMNS = `number, case_id AS caseId, source, external_id AS externalId, reporter, category, place, text, joined,
  reported_at AS reportedAt, updated_at AS updatedAt, name, phone, satisfaction, comment,
  first_satisfied_at AS firstSatisfiedAt, satisfied_at AS satisfiedAt`

export class Tickets {
  readonly #database: Database
  readonly #get: StatementSync
  readonly #known: StatementSync
  readonly #insert: StatementSync
  readonly #ofCase: StatementSync
  readonly #touch: StatementSync
  readonly #rate: StatementSync
  readonly #forget: StatementSync

  /** After the repository of cases, whose table it refers to. */
  constructor(database: Database) {
    database.migrate('tickets-1', TABLES)
    const sql = database.sql
    this.#database = database
    this.#get = sql.prepare(`SELECT ${COLUMNS} FROM tickets WHERE number = ?`)
    this.#known = sql.prepare(`SELECT ${COLUMNS} FROM tickets WHERE source = ? AND external_id = ?`)
    this.#insert = sql.prepare(
      `INSERT INTO tickets (number, case_id, source, external_id, reporter, category, place, text, joined, reported_at,
        updated_at, name, phone, contact_until) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
    )
    this.#ofCase = sql.prepare(
      `SELECT ${COLUMNS} FROM tickets WHERE case_id = ? ORDER BY reported_at, number LIMIT ?`,
    )
    this.#touch = sql.prepare('UPDATE tickets SET updated_at = ? WHERE case_id = ?')
    this.#rate = sql.prepare(
      `UPDATE tickets SET satisfaction = ?, comment = ?, first_satisfied_at = coalesce(first_satisfied_at, ?3),
        satisfied_at = ?3, updated_at = ?3 WHERE number = ?4`,
    )
    this.#forget = sql.prepare(
      `UPDATE tickets SET name = NULL, phone = NULL, contact_until = NULL WHERE number IN (
        SELECT number FROM tickets WHERE contact_until <= ? ORDER BY contact_until LIMIT ?)`,
    )
  }

  get(number: string): Ticket | undefined {
    const row = this.#get.get(number)
    return row === undefined ? undefined : ticketOf(row)
  }

  /** The ticket of the report that its sender knows under this id. */
  known(source: ReportSource, externalId: string): Ticket | undefined {
    const row = this.#known.get(source, externalId)
    return row === undefined ? undefined : ticketOf(row)
  }

  /** Joins the caller's transaction. `contactUntil` is when name and phone are to go, epoch ms. */
  insert(ticket: Omit<Ticket, keyof Rating | 'updatedAt'>, contactUntil: number): void {
    const hasContact = ticket.name !== null || ticket.phone !== null
    this.#insert.run(
      ticket.number,
      ticket.caseId,
      ticket.source,
      ticket.externalId,
      ticket.reporter,
      ticket.category,
      ticket.place,
      ticket.text,
      ticket.joined ? 1 : 0,
      ticket.reportedAt,
      ticket.reportedAt,
      ticket.name,
      ticket.phone,
      hasContact ? contactUntil : null,
    )
  }

  /** In the order in which they came. */
  ofCase(caseId: string, limit: number): Ticket[] {
    return this.#ofCase.all(caseId, limit).map(ticketOf)
  }

  /** What became of the case has changed for those who reported it. Joins the caller's transaction. */
  touch(caseId: string, at: number): void {
    this.#touch.run(at, caseId)
  }

  rate(number: string, satisfaction: number, comment: string | null, at: number): void {
    this.#rate.run(satisfaction, comment, at, number)
  }

  /** Those that changed longest ago first, so that who reads on from the last one misses none. */
  list(filter: TicketFilter, limit: number, after?: Place): { items: Ticket[]; next?: Place } {
    const conditions: string[] = []
    const values: SQLInputValue[] = []
    const and = (condition: string, ...given: (SQLInputValue | undefined)[]) => {
      if (given.includes(undefined)) return
      conditions.push(condition)
      values.push(...(given as SQLInputValue[]))
    }
    and('source = ?', filter.source)
    and('updated_at >= ?', filter.since)
    and('(updated_at, number) > (?, ?)', after?.at, after?.number)
    const own = 'EXISTS (SELECT 1 FROM cases WHERE cases.id = case_id AND'
    if (filter.streets !== undefined)
      and(`${own} cases.street IN (SELECT value FROM json_each(?)))`, JSON.stringify(filter.streets))
    and(`${own} (cases.team = ? OR cases.crew = ?))`, filter.team, filter.team)
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    const found = this.#database.sql
      .prepare(`SELECT ${COLUMNS} FROM tickets ${where} ORDER BY updated_at, number LIMIT ?`)
      .all(...values, limit + 1)
      .map(ticketOf)
    const items = found.slice(0, limit)
    const last = items.at(-1)
    if (found.length <= limit || last === undefined) return { items }
    return { items, next: { at: last.updatedAt, number: last.number } }
  }

  /** Erases names and phones whose time has come, `limit` tickets at most; answers how many there were. */
  forget(now: number, limit: number): number {
    // Or the bytes would stay in the file's free pages. The setting is the connection's; other writes need it not.
    this.#database.sql.exec('PRAGMA secure_delete=ON')
    try {
      return Number(this.#forget.run(now, limit).changes)
    } finally {
      this.#database.sql.exec('PRAGMA secure_delete=OFF')
    }
  }
}

type Rating = Pick<Ticket, 'satisfaction' | 'comment' | 'firstSatisfiedAt' | 'satisfiedAt'>

function ticketOf(row: Record<string, unknown>): Ticket {
  return { ...(row as unknown as Ticket), joined: row['joined'] === 1 }
}
