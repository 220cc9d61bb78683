import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { CHAIN_START, chainHash, keepable, type ChainedEntry } from '../evidence/chain.ts'
import type { Alarm } from '../model/alarm.ts'
import type { Case, CaseState, TimelineEntry } from '../model/case.ts'
import type { Database } from '../registry/database.ts'
import { deadlines, nextColour } from './clocks.ts'
import { CASE_LISTS, CaseLists, facetsOf, LET_READ, type CaseFilter } from './case-lists.ts'
import { CASE_LEDGER, NOTE_RULE } from './case-ledger.ts'
import { caseView, type CaseRecord } from './case-record.ts'
import type { Page, Place } from './selection.ts'
import { WhistleBook } from './whistle-book.ts'

const OPEN = `state NOT IN ('closed', 'void')`
/** Cases of the supervision list: supervised ones, and those whose clock has a colour. */
const SUPERVISED = `state NOT IN ('closed', 'void') AND (supervised = 1 OR
  (deadline_colour <> 'none' AND state NOT IN ('handled', 'verified')))`

/** One open case per rule family and site (contract §4): `cases_one_open` makes the database itself refuse a second. */
const TABLES = `
  CREATE TABLE cases (
    id TEXT PRIMARY KEY,
    family TEXT NOT NULL, site TEXT NOT NULL, street TEXT NOT NULL, grid TEXT NOT NULL,
    category TEXT NOT NULL, title TEXT NOT NULL, position TEXT,
    severity TEXT NOT NULL, state TEXT NOT NULL, suspended_from TEXT,
    level TEXT NOT NULL, team TEXT NOT NULL, crew TEXT,
    queued_at INTEGER NOT NULL,
    respond_ms INTEGER NOT NULL, arrive_ms INTEGER NOT NULL, resolve_ms INTEGER NOT NULL,
    suspended_at INTEGER, suspended_ms INTEGER NOT NULL,
    responded_at INTEGER, arrived_at INTEGER,
    deadline_colour TEXT NOT NULL, next_colour_at INTEGER,
    supervised INTEGER NOT NULL, close_code TEXT,
    version INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX cases_one_open ON cases (family, site) WHERE state NOT IN ('closed', 'void');
  CREATE INDEX cases_by_time ON cases (queued_at, id);
  CREATE INDEX cases_by_street ON cases (street, queued_at, id);
  CREATE INDEX cases_by_team ON cases (team, queued_at, id);
  CREATE INDEX cases_by_crew ON cases (crew, queued_at, id) WHERE crew IS NOT NULL;
  CREATE INDEX cases_open ON cases (queued_at, id) WHERE state NOT IN ('closed', 'void');
  CREATE INDEX cases_due ON cases (next_colour_at) WHERE next_colour_at IS NOT NULL;
  CREATE TABLE case_timeline (
    case_id TEXT NOT NULL REFERENCES cases (id), number INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (case_id, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE case_alarms (
    number INTEGER PRIMARY KEY, case_id TEXT NOT NULL REFERENCES cases (id), alarm_id TEXT NOT NULL,
    UNIQUE (case_id, alarm_id)
  ) STRICT;
  CREATE TABLE case_actions (
    case_id TEXT NOT NULL REFERENCES cases (id), actor TEXT NOT NULL, action_id TEXT NOT NULL, action TEXT NOT NULL,
    PRIMARY KEY (case_id, actor, action_id)
  ) STRICT, WITHOUT ROWID;
`

/** Somebody has yet to do something about it; who has taken it on works on it, whoever answers for it by now. */
const AT_WORK = `state IN ('queued', 'dispatched', 'accepted', 'on_site')`
const WORK_INDEX = `CREATE INDEX cases_at_work ON cases (coalesce(crew, team), state) WHERE ${AT_WORK}`
/** Nobody counts further, for counting takes a microsecond a case: a team with more has more than it can do. */
const WORK_COUNTED = 1000

/**
 * `urgency` and `due_at` are the order of the supervision list: supervised first, then red, yellow, blue, then by the
 * deadline of the clock that runs.
 */
const LIFE = `
  ALTER TABLE cases ADD COLUMN closed_at INTEGER;
  ALTER TABLE cases ADD COLUMN teams TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE cases ADD COLUMN standby TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE cases ADD COLUMN back_to_normal INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE cases ADD COLUMN previous TEXT;
  UPDATE cases SET teams =
    CASE WHEN crew IS NULL OR crew = team THEN json_array(team) ELSE json_array(crew, team) END;
  ALTER TABLE cases ADD COLUMN urgency INTEGER GENERATED ALWAYS AS (
    CASE WHEN supervised = 1 THEN 0 ELSE 4 END +
    CASE deadline_colour WHEN 'red' THEN 0 WHEN 'yellow' THEN 1 WHEN 'blue' THEN 2 ELSE 3 END) VIRTUAL;
  ALTER TABLE cases ADD COLUMN due_at INTEGER GENERATED ALWAYS AS (queued_at + suspended_ms +
    CASE WHEN responded_at IS NULL THEN respond_ms WHEN arrived_at IS NULL THEN arrive_ms
      ELSE resolve_ms END) VIRTUAL;
  CREATE INDEX cases_supervision ON cases (urgency, due_at, id, street) WHERE ${SUPERVISED};
  CREATE INDEX cases_closed ON cases (family, site, closed_at) WHERE closed_at IS NOT NULL;
`

/**
 * The supervision list with all that it is filtered by, in its order. `listed` is the urgency of a case on it, null of
 * any other. The database keeps it itself (triggers): an index over generated columns covers nothing, so each of 60,000
 * cases was looked up to be counted.
 */
const LISTED = `
  ALTER TABLE cases ADD COLUMN listed INTEGER GENERATED ALWAYS AS (
    CASE WHEN ${SUPERVISED} THEN CASE WHEN supervised = 1 THEN 0 ELSE 4 END +
      CASE deadline_colour WHEN 'red' THEN 0 WHEN 'yellow' THEN 1 WHEN 'blue' THEN 2 ELSE 3 END END) VIRTUAL;
  DROP INDEX cases_supervision;
  CREATE TABLE case_supervision (
    listed INTEGER NOT NULL, due_at INTEGER NOT NULL, case_id TEXT NOT NULL,
    street TEXT NOT NULL, team TEXT NOT NULL, crew TEXT, level TEXT NOT NULL,
    PRIMARY KEY (listed, due_at, case_id)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO case_supervision SELECT listed, due_at, id, street, team, crew, level FROM cases WHERE listed IS NOT NULL;
  CREATE TRIGGER case_supervision_begins AFTER INSERT ON cases WHEN new.listed IS NOT NULL BEGIN
    INSERT INTO case_supervision
      VALUES (new.listed, new.due_at, new.id, new.street, new.team, new.crew, new.level);
  END;
  CREATE TRIGGER case_supervision_follows AFTER UPDATE ON cases
    WHEN old.listed IS NOT NULL OR new.listed IS NOT NULL BEGIN
    DELETE FROM case_supervision WHERE listed = old.listed AND due_at = old.due_at AND case_id = old.id;
    INSERT INTO case_supervision
      SELECT new.listed, new.due_at, new.id, new.street, new.team, new.crew, new.level WHERE new.listed IS NOT NULL;
  END`

/** Cases that wait for the effect of a loudspeaker. */
const PENDING = `
  ALTER TABLE cases ADD COLUMN pending_until INTEGER;
  CREATE INDEX cases_pending ON cases (pending_until) WHERE pending_until IS NOT NULL AND state = 'queued'`
/** Of a long story a list carries the end; all of it is at `GET /cases/{id}`. */
const LISTED_ENTRIES = 50

const COLUMNS = `id, family, site, street, grid, category, title, position, severity, state,
  suspended_from AS suspendedFrom, level, team, crew, queued_at AS queuedAt,
  respond_ms AS respondMs, arrive_ms AS arriveMs, resolve_ms AS resolveMs,
  suspended_at AS suspendedAt, suspended_ms AS suspendedMs, responded_at AS respondedAt, arrived_at AS arrivedAt,
  deadline_colour AS deadlineColour, supervised, close_code AS closeCode, simulated, version,
  closed_at AS closedAt, teams, standby, called,
  pending_until AS pendingUntil, back_to_normal AS backToNormal, previous`

/** See {@link Cases.story}. */
export type Story = Pick<Case, 'state' | 'street' | 'closeCode' | 'respondBy' | 'timeline'>

/** Cases, their timelines and the actions that were counted. Every change goes through {@link save}. */
export class Cases {
  readonly whistles: WhistleBook
  readonly #database: Database
  readonly #consoleUrl: string
  readonly #get: StatementSync
  readonly #openFor: StatementSync
  readonly #insert: StatementSync
  readonly #update: StatementSync
  readonly #addEntry: StatementSync
  readonly #last: StatementSync
  readonly #chain: StatementSync
  readonly #timeline: StatementSync
  readonly #story: StatementSync
  readonly #entries: StatementSync
  readonly #alarms: StatementSync
  readonly #link: StatementSync
  readonly #noteRule: StatementSync
  readonly #pageAlarms: StatementSync
  readonly #pageEntries: StatementSync
  readonly #lists: CaseLists
  readonly #due: StatementSync
  readonly #nextDue: StatementSync
  readonly #work: StatementSync
  readonly #action: StatementSync
  readonly #addAction: StatementSync
  readonly #letRead: StatementSync
  readonly #lastClosed: StatementSync
  readonly #pending: StatementSync
  readonly #nextPending: StatementSync

  /** `consoleUrl` is where people open the console, such as `https://grid.example.cn`; links are relative without it. */
  constructor(database: Database, consoleUrl = '') {
    database.migrate('cases-1', TABLES)
    database.migrate('cases-2', 'ALTER TABLE cases ADD COLUMN simulated INTEGER NOT NULL DEFAULT 0')
    database.migrate('cases-3', 'ALTER TABLE case_timeline ADD COLUMN hash TEXT')
    database.migrate('cases-at-work-1', WORK_INDEX)
    database.migrate('cases-life-1', LIFE)
    database.migrate('cases-life-2', `ALTER TABLE cases ADD COLUMN called TEXT NOT NULL DEFAULT '[]'`)
    database.migrate('cases-life-3', PENDING)
    database.migrate('cases-life-4', LISTED)
    database.migrate('cases-lists-2', CASE_LISTS)
    database.migrate('case-ledger-1', CASE_LEDGER)
    this.#lists = new CaseLists(database, COLUMNS)
    this.whistles = new WhistleBook(database)
    const sql = database.sql
    this.#database = database
    this.#consoleUrl = consoleUrl
    this.#get = sql.prepare(`SELECT ${COLUMNS} FROM cases WHERE id = ?`)
    this.#openFor = sql.prepare(`SELECT ${COLUMNS} FROM cases WHERE family = ? AND site = ? AND ${OPEN}`)
    this.#insert = sql.prepare(
      `INSERT INTO cases (severity, state, suspended_from, level, team, crew, respond_ms, arrive_ms, resolve_ms,
        suspended_at, suspended_ms, responded_at, arrived_at, deadline_colour, next_colour_at, supervised,
        close_code, simulated, closed_at, teams, standby, called, pending_until, back_to_normal, version, facets,
        id, family, site, street, grid, category, title, position, queued_at, previous)
        VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
    )
    this.#update = sql.prepare(
      `UPDATE cases SET severity = ?, state = ?, suspended_from = ?, level = ?, team = ?, crew = ?, respond_ms = ?,
        arrive_ms = ?, resolve_ms = ?, suspended_at = ?, suspended_ms = ?, responded_at = ?, arrived_at = ?,
        deadline_colour = ?, next_colour_at = ?, supervised = ?, close_code = ?, simulated = ?,
        closed_at = ?, teams = ?, standby = ?, called = ?, pending_until = ?, back_to_normal = ?, version = ?,
        facets = ? WHERE id = ?`,
    )
    this.#addEntry = sql.prepare(
      'INSERT INTO case_timeline (case_id, number, entry, hash) VALUES (?, ?, ?, ?)',
    )
    this.#last = sql.prepare(
      'SELECT number, hash FROM case_timeline WHERE case_id = ? ORDER BY number DESC LIMIT 1',
    )
    this.#chain = sql.prepare(
      'SELECT number, entry, hash FROM case_timeline WHERE case_id = ? ORDER BY number',
    )
    this.#timeline = sql.prepare('SELECT entry FROM case_timeline WHERE case_id = ? ORDER BY number')
    // Inside a text its quotes would be escaped.
    this.#story = sql.prepare(
      `SELECT entry FROM case_timeline WHERE case_id = ? AND instr(entry, '"action":"report_joined"') = 0
        ORDER BY number`,
    )
    this.#entries = sql.prepare(
      'SELECT coalesce(max(number), 0) AS count FROM case_timeline WHERE case_id = ?',
    )
    this.#alarms = sql.prepare('SELECT alarm_id FROM case_alarms WHERE case_id = ? ORDER BY number')
    this.#pageAlarms = sql.prepare(
      `SELECT a.case_id, a.alarm_id FROM json_each(?) AS p CROSS JOIN case_alarms a ON a.case_id = p.value
        ORDER BY p.key, a.number`,
    )
    this.#pageEntries = sql.prepare(
      `SELECT t.case_id, t.number, t.entry FROM json_each(?) AS p CROSS JOIN case_timeline t ON t.case_id = p.value
        AND t.number > (SELECT max(number) FROM case_timeline WHERE case_id = p.value) - ${LISTED_ENTRIES}
        ORDER BY p.key, t.number`,
    )
    this.#link = sql.prepare('INSERT OR IGNORE INTO case_alarms (case_id, alarm_id) VALUES (?, ?)')
    this.#noteRule = sql.prepare(NOTE_RULE)
    this.#due = sql.prepare(
      `SELECT ${COLUMNS} FROM cases WHERE next_colour_at <= ? ORDER BY next_colour_at LIMIT ?`,
    )
    this.#nextDue = sql.prepare(
      'SELECT min(next_colour_at) AS at FROM cases WHERE next_colour_at IS NOT NULL',
    )
    this.#work = sql.prepare(
      `SELECT count(*) AS count FROM
        (SELECT 1 FROM cases WHERE coalesce(crew, team) = ? AND ${AT_WORK} LIMIT ${WORK_COUNTED})`,
    )
    this.#action = sql.prepare(
      'SELECT action FROM case_actions WHERE case_id = ? AND actor = ? AND action_id = ?',
    )
    this.#addAction = sql.prepare(
      'INSERT INTO case_actions (case_id, actor, action_id, action) VALUES (?, ?, ?, ?)',
    )
    this.#letRead = sql.prepare(LET_READ)
    this.#pending = sql.prepare(
      `SELECT ${COLUMNS} FROM cases WHERE pending_until <= ? AND state = 'queued' ORDER BY pending_until LIMIT ?`,
    )
    this.#nextPending = sql.prepare(
      `SELECT min(pending_until) AS at FROM cases WHERE pending_until IS NOT NULL AND state = 'queued'`,
    )
    this.#lastClosed = sql.prepare(
      `SELECT id FROM cases WHERE family = ? AND site = ? AND closed_at >= ? ORDER BY closed_at DESC LIMIT 1`,
    )
  }

  get(id: string): Case | undefined {
    const record = this.record(id)
    return record === undefined ? undefined : this.#view(record)
  }

  record(id: string): CaseRecord | undefined {
    const row = this.#get.get(id)
    return row === undefined ? undefined : recordOf(row)
  }

  /** The one open case of a rule family at a site. */
  openFor(family: string, site: string): CaseRecord | undefined {
    const row = this.#openFor.get(family, site)
    return row === undefined ? undefined : recordOf(row)
  }

  /** The newest case of a rule family at a site that was closed at `since` or later. */
  closedSince(family: string, site: string, since: number): string | null {
    return (this.#lastClosed.get(family, site, since)?.['id'] as string | undefined) ?? null
  }

  /** Stores a new case. Throws when the family already has an open one at the site. */
  insert(record: CaseRecord, entries: readonly TimelineEntry[]): void {
    this.#database.transaction(() => {
      this.#insert.run(
        ...changing(record),
        record.id,
        record.family,
        record.site,
        record.street,
        record.grid,
        record.category,
        record.title,
        record.position === null ? null : JSON.stringify(record.position),
        record.queuedAt,
        record.previous,
      )
      this.#letRead.run(record.id)
      this.#append(record.id, entries)
    })
  }

  /** Stores what may change of a case, and its new timeline entries, together. */
  save(record: CaseRecord, entries: readonly TimelineEntry[]): void {
    this.#database.transaction(() => {
      this.#update.run(...changing(record), record.id)
      this.#letRead.run(record.id)
      this.#append(record.id, entries)
    })
  }

  /** The alarm belongs to the case, now and in its file for good. */
  link(caseId: string, { id, rule }: Pick<Alarm, 'id' | 'rule'>): void {
    this.#link.run(caseId, id)
    this.#noteRule.run(rule, caseId)
  }

  /** What has become of a case, without the reports that joined it, of which there may be hundreds. */
  story(id: string): Story | undefined {
    const record = this.record(id)
    if (record === undefined) return undefined
    const { state, street, closeCode } = record
    const timeline = this.#story.all(id).map((row) => JSON.parse(row['entry'] as string) as TimelineEntry)
    return { state, street, closeCode, respondBy: deadlines(record).respondBy, timeline }
  }

  /** Length of its timeline. */
  entries(caseId: string): number {
    return (this.#entries.get(caseId) as { count: number }).count
  }

  /** Newest first. A page may have fewer cases than the limit, see {@link CaseLists}. */
  list(filter: CaseFilter, limit: number, after?: Place): Page<Case> {
    const { rows, next } = this.#lists.page(filter, limit, after)
    const items = this.#page(rows.map(recordOf))
    return next === undefined ? { items } : { items, next }
  }

  openByState(): Readonly<Partial<Record<CaseState, number>>> {
    const rows = this.#database.sql
      .prepare(`SELECT state, count(*) AS count FROM cases WHERE ${OPEN} GROUP BY state`)
      .all() as unknown as { state: CaseState; count: number }[]
    return Object.fromEntries(rows.map((row) => [row.state, row.count]))
  }

  /** Cases whose next deadline colour is due, the longest due first. */
  due(now: number, limit: number): readonly CaseRecord[] {
    return this.#due.all(now, limit).map(recordOf)
  }

  /** Cases that wait for a loudspeaker no longer, and have no crew yet. */
  pending(now: number, limit: number): readonly CaseRecord[] {
    return this.#pending.all(now, limit).map(recordOf)
  }

  /** When the next of them has waited long enough; null when none waits. */
  nextPending(): number | null {
    return this.#nextPending.get()!['at'] as number | null
  }

  /** When the next deadline colour of any case is due; null when no clock runs. */
  nextDue(): number | null {
    return this.#nextDue.get()!['at'] as number | null
  }

  /** Cases that a team has to work on; of more than 1,000 the first thousand. */
  workOf(team: string): number {
    return (this.#work.get(team) as { count: number }).count
  }

  /** The action that the actor has sent before under this id, if any. */
  actionOf(caseId: string, actor: string, actionId: string): string | undefined {
    return this.#action.get(caseId, actor, actionId)?.['action'] as string | undefined
  }

  countAction(caseId: string, actor: string, actionId: string, action: string): void {
    this.#addAction.run(caseId, actor, actionId, action)
  }

  /**
   * Adds what the gateway keeps for the file alone, such as the readings that it froze: the case itself is as it was,
   * so no version counts it and nobody is told.
   */
  note(caseId: string, entries: readonly TimelineEntry[]): void {
    this.#database.transaction(() => this.#append(caseId, entries))
  }

  /** The timeline with the hashes that chain it. */
  chain(caseId: string): readonly ChainedEntry[] {
    this.#seal(caseId)
    return this.#chain.all(caseId).map(({ number, entry, hash }) => ({
      number: number as number,
      entry: JSON.parse(entry as string) as TimelineEntry,
      hash: hash as string,
    }))
  }

  #append(caseId: string, entries: readonly TimelineEntry[]): void {
    let { number, hash } = this.#lastLink(caseId)
    for (const added of entries) {
      const { entry, text } = keepable(added)
      number++
      hash = chainHash(caseId, number, hash, entry)
      this.#addEntry.run(caseId, number, text, hash)
    }
  }

  #lastLink(caseId: string): { number: number; hash: string } {
    const last = this.#last.get(caseId) as { number: number; hash: string | null } | undefined
    if (last === undefined) return { number: 0, hash: CHAIN_START }
    return { number: last.number, hash: last.hash ?? this.#seal(caseId) }
  }

  /** Chains entries that were written before there was a chain; answers the hash of the last one. */
  #seal(caseId: string): string {
    return this.#database.transaction(() => {
      let previous = CHAIN_START
      for (const row of this.#chain.all(caseId)) {
        const number = row['number'] as number
        const known = row['hash'] as string | null
        const hash =
          known ?? chainHash(caseId, number, previous, JSON.parse(row['entry'] as string) as TimelineEntry)
        if (known === null) {
          this.#database.sql
            .prepare('UPDATE case_timeline SET hash = ? WHERE case_id = ? AND number = ?')
            .run(hash, caseId, number)
        }
        previous = hash
      }
      return previous
    })
  }

  /** A page of a list: three statements for all of it. */
  #page(records: readonly CaseRecord[]): Case[] {
    const ids = JSON.stringify(records.map(({ id }) => id))
    const alarms = Map.groupBy(this.#pageAlarms.all(ids), (row) => row['case_id'] as string)
    const entries = Map.groupBy(this.#pageEntries.all(ids), (row) => row['case_id'] as string)
    const whistles = this.whistles.ofAll(ids)
    return records.map((record) => {
      const { id } = record
      const told = entries.get(id) ?? []
      const timeline = told.map((row) => JSON.parse(row['entry'] as string) as TimelineEntry)
      const named = (alarms.get(id) ?? []).map((row) => row['alarm_id'] as string)
      const earlier = ((told[0]?.['number'] as number | undefined) ?? 1) - 1
      const found = caseView(record, named, timeline, whistles.get(id) ?? [], this.#consoleUrl)
      return earlier === 0 ? found : { ...found, earlier }
    })
  }

  #view(record: CaseRecord): Case {
    const alarms = this.#alarms.all(record.id).map((row) => row['alarm_id'] as string)
    const timeline = this.#timeline
      .all(record.id)
      .map((row) => JSON.parse(row['entry'] as string) as TimelineEntry)
    return caseView(record, alarms, timeline, this.whistles.of(record.id), this.#consoleUrl)
  }
}

function recordOf(row: Record<string, unknown>): CaseRecord {
  return {
    ...(row as unknown as CaseRecord),
    position: row['position'] === null ? null : JSON.parse(row['position'] as string),
    supervised: row['supervised'] === 1,
    simulated: row['simulated'] === 1,
    teams: JSON.parse(row['teams'] as string),
    standby: JSON.parse(row['standby'] as string),
    called: JSON.parse(row['called'] as string),
    backToNormal: row['backToNormal'] === 1,
  }
}

/** In the order of both statements above. */
function changing(record: CaseRecord): SQLInputValue[] {
  return [
    record.severity,
    record.state,
    record.suspendedFrom,
    record.level,
    record.team,
    record.crew,
    record.respondMs,
    record.arriveMs,
    record.resolveMs,
    record.suspendedAt,
    record.suspendedMs,
    record.respondedAt,
    record.arrivedAt,
    record.deadlineColour,
    record.pendingUntil === null ? (nextColour(record, record.deadlineColour)?.at ?? null) : null,
    record.supervised ? 1 : 0,
    record.closeCode,
    record.simulated ? 1 : 0,
    record.closedAt,
    JSON.stringify(record.teams),
    JSON.stringify(record.standby),
    JSON.stringify(record.called),
    record.pendingUntil,
    record.backToNormal ? 1 : 0,
    record.version,
    facetsOf(record),
  ]
}
