import type { StatementSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import { SEVERITIES, type Severity } from '../model/alarm.ts'
import { DEADLINE_COLOURS, type CaseState, type DeadlineColour, type Proposal } from '../model/case.ts'
import type { Database } from '../registry/database.ts'
import type { CaseRecord } from './case-record.ts'
import { Selection, type Place } from './selection.ts'

/**
 * Lists of cases, newest first, over years of them. Each index carries, after its own column and the order of lists,
 * all that a list can be asked for: `facets` (whatever changes, in one number), street, category, family. So what does
 * not fit is passed over within the index, a fraction of a microsecond each, and only what is shown is looked up.
 *
 * Of several columns that are asked for the one with the fewest cases leads. A list that finds little among very many
 * looks at {@link SCANNED} of them and goes on with the next page: a page may have fewer cases than its limit, even
 * none, and more follow as long as there is a place to go on from.
 */

export interface CaseFilter {
  /** Any of these states. */
  readonly states?: readonly CaseState[] | undefined
  readonly open?: boolean | undefined
  readonly deadlineColour?: DeadlineColour | undefined
  readonly supervised?: boolean | undefined
  readonly proposal?: Proposal | undefined
  readonly severity?: Severity | undefined
  readonly category?: string | undefined
  readonly family?: string | undefined
  readonly site?: string | undefined
  /** Any of these; for who may see only a part of the district. */
  readonly streets?: readonly string[] | undefined
  /** Cases that the team answers for or works on. */
  readonly team?: string | undefined
  /** Cases that the team has, or has had. */
  readonly reader?: string | undefined
  /** By `queuedAt`, epoch milliseconds: `from` inclusive, `to` exclusive. */
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** Bits 0 to 3 of `facets`, as it is stored: bit 3 is set once a case has ended. */
const STATE_CODES: Readonly<Record<CaseState, number>> = {
  queued: 0,
  dispatched: 1,
  accepted: 2,
  on_site: 3,
  handled: 4,
  verified: 5,
  suspended: 6,
  closed: 8,
  void: 9,
}
const ENDED = 8
/** Bits 4, 6, 8 and 9 on. Severities and colours by their place in the contract. */
const [SEVERITY, COLOUR, SUPERVISED, NORMAL] = [16, 64, 256, 512]

/** What lists go by of what may change of a case. Cases write it with every change. */
export function facetsOf(
  found: Pick<CaseRecord, 'state' | 'severity' | 'deadlineColour' | 'supervised' | 'backToNormal'>,
): number {
  return (
    STATE_CODES[found.state] +
    SEVERITY * SEVERITIES.indexOf(found.severity) +
    COLOUR * DEADLINE_COLOURS.indexOf(found.deadlineColour) +
    (found.supervised ? SUPERVISED : 0) +
    (found.backToNormal ? NORMAL : 0)
  )
}

/** The same of cases from before there was such a column: a CASE over the text of each of theirs. */
function coded(column: string, codes: readonly (readonly [string, number])[]): string {
  return `CASE ${column} ${codes.map(([text, code]) => `WHEN '${text}' THEN ${code}`).join(' ')} END`
}
const ranked = (values: readonly string[]) => values.map((value, index) => [value, index] as const)
const FACETS = `${coded('state', Object.entries(STATE_CODES))}
  + ${SEVERITY} * ${coded('severity', ranked(SEVERITIES))}
  + ${COLOUR} * ${coded('deadline_colour', ranked(DEADLINE_COLOURS))}
  + ${SUPERVISED} * supervised + ${NORMAL} * back_to_normal`

/** As it stands in the partial indexes, word for word. */
const OPEN = `facets & ${ENDED} = 0`
const NOT_CLOSED = `facets & 15 <> ${STATE_CODES.closed}`
const REST = 'queued_at, id, facets'

/** For {@link Database.migrate}, after all columns of cases. `holds`: the reader answers for it or works on it. */
export const CASE_LISTS = `
  ALTER TABLE cases ADD COLUMN facets INTEGER NOT NULL DEFAULT 0;
  UPDATE cases SET facets = ${FACETS};
  DROP INDEX IF EXISTS cases_by_time;
  DROP INDEX IF EXISTS cases_by_street;
  DROP INDEX IF EXISTS cases_open;
  DROP INDEX IF EXISTS cases_by_site;
  DROP INDEX IF EXISTS cases_by_category;
  DROP INDEX IF EXISTS cases_by_family;
  DROP INDEX IF EXISTS cases_by_state;
  DROP INDEX IF EXISTS cases_open_by_street;
  CREATE INDEX cases_by_time ON cases (${REST}, street, category, family);
  CREATE INDEX cases_by_street ON cases (street, ${REST}, category, family);
  CREATE INDEX cases_by_category ON cases (category, ${REST}, street, family);
  CREATE INDEX cases_by_family ON cases (family, ${REST}, street, category);
  CREATE INDEX cases_by_site ON cases (site, ${REST}, street, category, family);
  CREATE INDEX cases_by_state ON cases (state, ${REST}, street, category, family) WHERE ${NOT_CLOSED};
  CREATE INDEX cases_open ON cases (${REST}, street, category, family) WHERE ${OPEN};
  CREATE INDEX cases_open_by_street ON cases (street, ${REST}, category, family) WHERE ${OPEN};
  DROP TABLE IF EXISTS case_readers;
  CREATE TABLE case_readers (
    reader TEXT NOT NULL, at INTEGER NOT NULL, case_id TEXT NOT NULL,
    facets INTEGER NOT NULL, street TEXT NOT NULL, category TEXT NOT NULL, family TEXT NOT NULL,
    holds INTEGER NOT NULL,
    PRIMARY KEY (reader, at, case_id)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO case_readers (reader, at, case_id, facets, street, category, family, holds)
    SELECT t.value, queued_at, cases.id, facets, street, category, family, t.value = team OR t.value IS crew
    FROM cases, json_each(cases.teams) AS t ORDER BY t.value, queued_at, cases.id;
  CREATE INDEX case_readers_open ON case_readers (reader, at, case_id, facets, street, category, family, holds)
    WHERE ${OPEN};
`

/** What `case_readers` has of a case as it is now; in the transaction that changed it. */
export const LET_READ = `
  INSERT INTO case_readers (reader, at, case_id, facets, street, category, family, holds)
    SELECT t.value, queued_at, cases.id, facets, street, category, family, t.value = team OR t.value IS crew
    FROM cases, json_each(cases.teams) AS t WHERE cases.id = ?
  ON CONFLICT (reader, at, case_id) DO UPDATE SET facets = excluded.facets, holds = excluded.holds`

/** Cases that a list looks at for one page; some 5 ms. */
const SCANNED = 20_000
/** Most lists find a page among so many, whichever index leads. */
const FIRST_SCANNED = 2_000
/** Cases that a page looks up each by itself before it knows whether they fit. */
const SCANNED_ROWS = 2_000
/** Ways to ask for a list that are kept prepared; the least used go first. */
const PREPARED = 500

/** The states that a proposal can be of, as in `caseView`. */
const PROPOSED: Readonly<Record<Proposal, readonly CaseState[]>> = {
  verify: ['handled'],
  normal: ['queued', 'dispatched', 'accepted', 'on_site', 'suspended'],
}

/** An index, what it is asked for, and the condition under which it holds a case at all. */
interface Lead {
  readonly source: 'cases' | 'case_readers'
  readonly index: string | null
  readonly column: string | null
  readonly value: string | undefined
  readonly within: string | null
}

export interface CaseRows {
  readonly rows: readonly Record<string, unknown>[]
  /** Absent when there is nothing further. */
  readonly next?: Place
}

export class CaseLists {
  readonly #database: Database
  readonly #columns: string
  readonly #prepared = new LRUCache<string, StatementSync>({ max: PREPARED })

  /** `columns` of the table of cases to answer; `queuedAt` and `id` are among them. */
  constructor(database: Database, columns: string) {
    this.#database = database
    this.#columns = columns
  }

  page(filter: CaseFilter, limit: number, after?: Place): CaseRows {
    const leads = leadsOf(filter)
    const [first] = leads
    if (filter.streets?.length === 0 || filter.states?.length === 0 || first === undefined)
      return { rows: [] }
    const isCovered = leads.length === 1 && fitsIndex(filter)
    const found = this.#scan(first, filter, limit, after, isCovered ? SCANNED : FIRST_SCANNED)
    if (found.rows.length === limit || found.next === undefined || isCovered) return found
    return this.#scan(
      this.#narrowest(leads, filter, after),
      filter,
      limit,
      after,
      fitsIndex(filter) ? SCANNED : SCANNED_ROWS,
    )
  }

  #scan(lead: Lead, filter: CaseFilter, limit: number, after: Place | undefined, most: number): CaseRows {
    const range = rangeOf(lead, filter, after)
    const [at, id] = lead.source === 'cases' ? ['queued_at', 'id'] : ['at', 'case_id']
    const holds = lead.source === 'cases' ? '0' : 'holds'
    const fits = fitting(lead, filter)
    const from = sourceOf(lead)
    // The inner select leaves its rows in order, one by one; the outer ends it when the page is full.
    const rows = this.#statement(
      `SELECT ${this.#columns} FROM (SELECT ${at} AS at_, ${id} AS id_, facets AS facets_, street AS street_,
          category AS category_, family AS family_, ${holds} AS holds_
        FROM ${from} ${range.where} ORDER BY ${at} DESC, ${id} DESC LIMIT ${most}) AS s
        CROSS JOIN cases ON cases.id = s.id_ ${fits.where} LIMIT ?`,
    ).all(...range.values, ...fits.values, limit + 1)
    const shown = rows.slice(0, limit)
    const last = shown.at(-1)
    if (rows.length > limit && last !== undefined)
      return { rows: shown, next: { at: last['queuedAt'] as number, id: last['id'] as string } }
    const end = this.#statement(
      `SELECT ${at} AS at, ${id} AS id FROM ${from} ${range.where}
        ORDER BY ${at} DESC, ${id} DESC LIMIT 1 OFFSET ${most - 1}`,
    ).get(...range.values)
    return end === undefined ? { rows } : { rows, next: end as unknown as Place }
  }

  /** Counts no further than a page scans. */
  #narrowest(leads: readonly Lead[], filter: CaseFilter, after: Place | undefined): Lead {
    let [narrowest] = leads as [Lead]
    let fewest = Infinity
    for (const lead of leads) {
      const range = rangeOf(lead, filter, after)
      const { count } = this.#statement(
        `SELECT count(*) AS count FROM (SELECT 1 FROM ${sourceOf(lead)} ${range.where} LIMIT ?)`,
      ).get(...range.values, Math.min(fewest, SCANNED)) as { count: number }
      if (count < fewest) [narrowest, fewest] = [lead, count]
    }
    return narrowest
  }

  #statement(text: string): StatementSync {
    let statement = this.#prepared.get(text)
    if (statement === undefined) this.#prepared.set(text, (statement = this.#database.sql.prepare(text)))
    return statement
  }
}

/** The likely narrowest first. */
function leadsOf(filter: CaseFilter): readonly Lead[] {
  const { site, family, category, streets, states, proposal } = filter
  const reader = filter.reader ?? filter.team
  const asked = proposal === undefined ? states : PROPOSED[proposal]
  const isOpen = filter.open === true || asked?.every((state) => STATE_CODES[state] < ENDED) === true
  const by = (column: string, value: string | undefined): readonly Lead[] =>
    value === undefined ? [] : [{ source: 'cases', index: `cases_by_${column}`, column, value, within: null }]
  if (site !== undefined) return by('site', site)
  if (reader !== undefined) {
    const index = isOpen ? 'case_readers_open' : null
    return [{ source: 'case_readers', index, column: 'reader', value: reader, within: isOpen ? OPEN : null }]
  }
  const street = streets?.length === 1 ? streets[0] : undefined
  const state = states?.length === 1 ? states[0] : undefined
  const leads: Lead[] = [
    ...by('family', family),
    ...by('category', category),
    ...(state === 'closed' ? [] : by('state', state).map((lead) => ({ ...lead, within: NOT_CLOSED }))),
  ]
  if (isOpen && street !== undefined)
    leads.push({
      source: 'cases',
      index: 'cases_open_by_street',
      column: 'street',
      value: street,
      within: OPEN,
    })
  else if (isOpen)
    leads.push({ source: 'cases', index: 'cases_open', column: null, value: undefined, within: OPEN })
  else leads.push(...by('street', street))
  if (leads.length > 0) return leads
  return [{ source: 'cases', index: 'cases_by_time', column: null, value: undefined, within: null }]
}

function sourceOf({ source, index }: Lead): string {
  return index === null ? source : `${source} INDEXED BY ${index}`
}

/** The stretch of the index that is looked at. */
function rangeOf(lead: Lead, { from, to }: CaseFilter, after: Place | undefined): Selection {
  const [at, id] = lead.source === 'cases' ? ['queued_at', 'id'] : ['at', 'case_id']
  const selection = new Selection()
    .and(`${lead.column} = ?`, lead.value)
    .and(`${at} >= ?`, from)
    .and(`${at} < ?`, to)
    .and(`(${at}, ${id}) < (?, ?)`, after?.at, after?.id)
  return lead.within === null ? selection : selection.and(lead.within)
}

/** Whether the index alone says which cases fit. */
function fitsIndex({ site, reader, team }: CaseFilter): boolean {
  return reader === undefined || (site === undefined && (team === undefined || team === reader))
}

/** What else a case must be. */
function fitting({ source }: Lead, filter: CaseFilter): Selection {
  const { team, proposal, supervised, severity, deadlineColour, states, open } = filter
  const reader = filter.reader ?? team
  const selection = new Selection()
  const isReaders = source === 'case_readers'
  let [mask, value] = [0, 0]
  const bits = (unit: number, width: number, code: number) => {
    mask += unit * width
    value += unit * code
  }
  if (severity !== undefined) bits(SEVERITY, 3, SEVERITIES.indexOf(severity))
  if (deadlineColour !== undefined) bits(COLOUR, 3, DEADLINE_COLOURS.indexOf(deadlineColour))
  if (proposal !== undefined) bits(NORMAL, 1, 1)
  if (supervised !== undefined) bits(SUPERVISED, 1, supervised ? 1 : 0)
  if (open !== undefined) bits(ENDED, 1, open ? 0 : 1)
  if (mask !== 0) selection.and('s.facets_ & ? = ?', mask, value)
  for (const some of [states, proposal && PROPOSED[proposal]])
    if (some !== undefined)
      selection.and(`s.facets_ & 15 IN (${some.map((state) => STATE_CODES[state]).join(', ')})`)
  selection
    .and('s.category_ = ?', filter.category)
    .and('s.family_ = ?', filter.family)
    .among('s.street_', filter.streets)
  if (isReaders && team === reader) selection.and('s.holds_ = ?', team === undefined ? undefined : 1)
  else selection.and('(team = ? OR crew = ?)', team, team)
  if (!isReaders && filter.reader !== undefined)
    selection.and(
      'EXISTS (SELECT 1 FROM case_readers WHERE reader = ? AND at = s.at_ AND case_id = s.id_)',
      filter.reader,
    )
  return selection
}
