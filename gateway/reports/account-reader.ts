import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { stepsIn, type CaseStep } from '../dispatch/case-ledger.ts'
import type { TimelineEntry } from '../model/case.ts'
import { Selection } from '../dispatch/selection.ts'
import { Accounts, noFigures, type AccountedCase, type Figures, type Grouping } from './accountability.ts'
import { CaseAccount, PROMISES, type Allowed } from './case-account.ts'
import { DAY, HOUR } from './month.ts'

/** The scale of people's answers is 1 to 5; from here on they are satisfied. */
const SATISFIED_FROM = 4
/** China's time, which has kept UTC+8 without summer time since 1991. */
const CHINA = 8 * HOUR

/** What to account for. */
export interface AccountQuery {
  /** Cases queued from `from` on and before `to`, epoch ms. */
  readonly from: number
  readonly to: number
  /** Whether a promise of an open case is broken by now. */
  readonly now: number
  /** Cases of nothing but simulated alarms instead of real ones. */
  readonly simulated: boolean
  /** Only these streets' cases. */
  readonly streets?: readonly string[] | undefined
  /** Only what is on this team's account. */
  readonly team?: string | undefined
  readonly by: readonly Grouping[]
  /** Entries of each list of the printed report; none of them when absent. */
  readonly lists?: number | undefined
}

export interface AccountedSite {
  readonly site: string
  readonly street: string
  readonly cases: number
  readonly confirmed: number
  readonly late: number
}

export interface ListedCase {
  readonly id: string
  readonly title: string
  readonly street: string
  readonly team: string
  readonly queuedAt: number
  readonly state: CaseAccount['state']
  /** Running time beyond what was allowed until it was resolved, or until now; ms. */
  readonly overMs: number
}

export interface AccountabilityReport {
  readonly total: Figures
  readonly groups: Readonly<Partial<Record<Grouping, readonly (Figures & { readonly key: string })[]>>>
  readonly sites: readonly AccountedSite[]
  readonly overdue: readonly ListedCase[]
  readonly supervised: readonly ListedCase[]
  /** Cases of which the ledger did not say what their timelines do, among those that were compared. */
  readonly drifted: readonly string[]
}

/** Cases of each report whose timelines are read too, to see that the ledger says the same. */
const COMPARED = 50

/**
 * Reads cases over a connection of its own and adds up their accounts, all groupings in one go: from the ledger, or
 * from the timelines where it is not filled yet or turns out to be wrong.
 */
export function readAccounts(file: string, query: AccountQuery): AccountabilityReport {
  const sql = new DatabaseSync(file, { readOnly: true })
  try {
    sql.exec('PRAGMA busy_timeout = 5000; PRAGMA cache_size = -65536; BEGIN')
    const answers = answersIn(sql, query)
    const todo = sql.prepare('SELECT 1 FROM case_ledger_todo WHERE at >= ?').get(query.from)
    const timelines = new Timelines(sql, query)
    if (todo === undefined) {
      const drifted: string[] = []
      const report = new AccountReader(query, answers).read(
        compared(ledgerRows(sql, query), timelines, drifted),
      )
      if (drifted.length === 0) return withTitles(sql, report)
      return withTitles(sql, { ...new AccountReader(query, answers).read(timelines.rows()), drifted })
    }
    return withTitles(sql, new AccountReader(query, answers).read(timelines.rows()))
  } finally {
    sql.close()
  }
}

/** A case as it is accounted for. */
type Row = [
  id: string,
  queuedAt: number,
  respondMs: number,
  arriveMs: number,
  resolveMs: number,
  street: string,
  category: string,
  family: string,
  site: string,
  team: string,
  /** Ids with commas between them. */
  rules: string,
  steps: readonly CaseStep[],
]

const COLUMNS = 'queued_at, respond_ms, arrive_ms, resolve_ms, street, category, family, site, team'

function periodOf({ from, to, simulated, streets }: AccountQuery): Selection {
  return new Selection()
    .and('queued_at >= ?', from)
    .and('queued_at < ?', to)
    .and('simulated = ?', simulated ? 1 : 0)
    .among('street', streets)
}

function iterate(sql: DatabaseSync, text: string, values: readonly SQLInputValue[]): Iterable<unknown> {
  const statement = sql.prepare(text)
  statement.setReturnArrays(true)
  return statement.iterate(...values)
}

function* ledgerRows(sql: DatabaseSync, query: AccountQuery): Generator<Row> {
  const { where, values } = periodOf(query)
  const rows = iterate(sql, `SELECT case_id, ${COLUMNS}, rules, steps FROM case_ledger ${where}`, values)
  for (const row of rows as Iterable<SQLInputValue[]>) {
    row[11] = stepsIn(row[11] as string) as never
    yield row as unknown as Row
  }
}

/** The same from what the ledger is a copy of. */
class Timelines {
  readonly #sql: DatabaseSync
  readonly #query: AccountQuery
  readonly #entries: StatementSync
  readonly #case: StatementSync

  constructor(sql: DatabaseSync, query: AccountQuery) {
    this.#sql = sql
    this.#query = query
    this.#entries = sql.prepare('SELECT entry FROM case_timeline WHERE case_id = ? ORDER BY number')
    this.#case = sql.prepare(`SELECT id, ${COLUMNS}, ${RULES} FROM cases WHERE id = ?`)
    for (const statement of [this.#entries, this.#case]) statement.setReturnArrays(true)
  }

  *rows(): Generator<Row> {
    const { where, values } = periodOf(this.#query)
    const rows = iterate(this.#sql, `SELECT id, ${COLUMNS}, ${RULES} FROM cases ${where}`, values)
    for (const row of rows as Iterable<SQLInputValue[]>) yield this.#withSteps(row)
  }

  row(id: string): Row | undefined {
    const row = this.#case.get(id) as unknown as SQLInputValue[] | undefined
    return row === undefined ? undefined : this.#withSteps(row)
  }

  #withSteps(row: SQLInputValue[]): Row {
    const entries = this.#entries.all(row[0]!) as unknown as [string][]
    return [...row, entries.map(([entry]) => JSON.parse(entry) as TimelineEntry)] as unknown as Row
  }
}

const RULES = `coalesce((SELECT group_concat(DISTINCT a.rule) FROM case_alarms l JOIN alarms a ON a.id = l.alarm_id
  WHERE l.case_id = cases.id), '')`

/** Passes rows on; of {@link COMPARED}, chosen anew each time, it looks whether they say what the timelines say. */
function* compared(rows: Iterable<Row>, timelines: Timelines, drifted: string[]): Generator<Row> {
  const chosen: Row[] = []
  let seen = 0
  for (const row of rows) {
    seen++
    const place = seen <= COMPARED ? seen - 1 : Math.floor(Math.random() * seen)
    if (place < COMPARED) chosen[place] = row
    yield row
  }
  for (const row of chosen) {
    const actual = timelines.row(row[0])
    if (actual === undefined || fingerprint(row) !== fingerprint(actual)) drifted.push(row[0])
  }
}

/** All that a report takes from a row. */
function fingerprint([id, queuedAt, ...row]: Row): string {
  const rules = row[8].split(',').sort()
  const account = accountOf([id, queuedAt, ...row])
  return JSON.stringify([queuedAt, row.slice(0, 8), rules, account.summary()])
}

function accountOf(row: Row): CaseAccount {
  const account = new CaseAccount(row[1], row[9])
  for (const step of row[11]) account.follow(step)
  return account
}

type Answers = ReadonlyMap<string, { readonly answered: number; readonly satisfied: number }>

/** What people answered who were asked whether they are satisfied; nobody where there are no tickets. */
function answersIn(sql: DatabaseSync, { from, to }: AccountQuery): Answers {
  const known = sql.prepare(
    `SELECT 1 FROM pragma_table_info('tickets') WHERE name IN ('case_id', 'satisfaction')`,
  )
  if (known.all().length < 2) return new Map()
  const users = sql.prepare(`SELECT 1 FROM pragma_table_info('users')`).all()
  // A crew has the number of what it reports itself: it is not asked whether it is satisfied with itself.
  const citizens =
    users.length === 0
      ? ''
      : 'AND NOT EXISTS (SELECT 1 FROM users u WHERE u.name = t.reporter AND u.team IS NOT NULL)'
  const rows = iterate(
    sql,
    `SELECT t.case_id, count(*), sum(t.satisfaction >= ${SATISFIED_FROM})
      FROM tickets t JOIN cases c ON c.id = t.case_id
      WHERE t.satisfaction IS NOT NULL AND c.queued_at >= ? AND c.queued_at < ? ${citizens} GROUP BY t.case_id`,
    [from, to],
  ) as Iterable<[string, number, number]>
  return new Map([...rows].map(([id, answered, satisfied]) => [id, { answered, satisfied }]))
}

/** Only what is listed is called by its title. */
function withTitles(sql: DatabaseSync, report: AccountabilityReport): AccountabilityReport {
  const get = sql.prepare('SELECT title FROM cases WHERE id = ?')
  const titled = (listed: readonly ListedCase[]) =>
    listed.map((found) => ({
      ...found,
      title: (get.get(found.id)?.['title'] as string | undefined) ?? found.id,
    }))
  return { ...report, overdue: titled(report.overdue), supervised: titled(report.supervised) }
}

class AccountReader {
  readonly #query: AccountQuery
  readonly #answers: Answers
  readonly #total = new Accounts('total')
  readonly #groups: ReadonlyMap<Grouping, Accounts>
  readonly #sites = new Map<string, { street: string; cases: number; confirmed: number; late: number }>()
  readonly #overdue: ListedCase[] = []
  readonly #supervised: ListedCase[] = []

  constructor(query: AccountQuery, answers: Answers) {
    this.#query = query
    this.#answers = answers
    this.#groups = new Map(query.by.map((grouping) => [grouping, new Accounts(grouping)]))
  }

  read(rows: Iterable<Row>): AccountabilityReport {
    const { team } = this.#query
    for (const row of rows) this.#add(row)
    const groups = [...this.#groups].map(([grouping, accounts]) => {
      const items = [...accounts.figures()].map(([key, figures]) => ({ key, ...figures }))
      const shown =
        grouping === 'team' && team !== undefined ? items.filter(({ key }) => key === team) : items
      return [grouping, shown] as const
    })
    return {
      total: this.#total.figures().get('') ?? noFigures(),
      groups: Object.fromEntries(groups),
      sites: this.#worstSites(),
      overdue: this.#overdue.sort((a, b) => b.overMs - a.overMs).slice(0, this.#query.lists),
      supervised: this.#supervised.sort((a, b) => b.queuedAt - a.queuedAt).slice(0, this.#query.lists),
      drifted: [],
    }
  }

  #add(row: Row): void {
    const [id, queuedAt, respondMs, arriveMs, resolveMs, street, category, family, site, , rules] = row
    const allowed: Allowed = { response: respondMs, arrival: arriveMs, resolution: resolveMs }
    const { now } = this.#query
    const account = accountOf(row)
    const answers = this.#answers.get(id)
    const found: AccountedCase = {
      account,
      standings: {
        response: account.standing('response', allowed, now),
        arrival: account.standing('arrival', allowed, now),
        resolution: account.standing('resolution', allowed, now),
      },
      answered: answers?.answered ?? 0,
      satisfied: answers?.satisfied ?? 0,
      whistles: account.whistled(now),
    }
    const isOurs = this.#query.team === undefined || account.owner === this.#query.team
    if (isOurs) this.#total.add(found, [''])
    for (const [grouping, accounts] of this.#groups) {
      // By team all cases are looked at: one that has gone elsewhere may have been late here.
      if (!isOurs && grouping !== 'team') continue
      accounts.add(found, keysOf(grouping, { queuedAt, street, category, family, rules }))
    }
    if (this.#query.lists === undefined || !isOurs) return
    const late = PROMISES.some((promise) => found.standings[promise].outcome === 'late')
    this.#countSite(site, street, account, late)
    const overMs = account.overMs('resolution', allowed, now)
    const listed = { id, title: '', street, team: account.owner, queuedAt, state: account.state, overMs }
    if (overMs > 0 && account.state !== 'void') this.#overdue.push(listed)
    if (account.supervised) this.#supervised.push(listed)
  }

  #countSite(site: string, street: string, { code }: CaseAccount, late: boolean): void {
    let counts = this.#sites.get(site)
    if (counts === undefined) this.#sites.set(site, (counts = { street, cases: 0, confirmed: 0, late: 0 }))
    counts.cases++
    if (code === 'confirmed') counts.confirmed++
    if (late) counts.late++
  }

  #worstSites(): AccountedSite[] {
    const sites = [...this.#sites].filter(([, { confirmed, late }]) => confirmed > 1 || late > 1)
    const worst = sites.sort(([a, one], [b, other]) => {
      return other.confirmed - one.confirmed || other.late - one.late || (a < b ? -1 : 1)
    })
    return worst.slice(0, this.#query.lists ?? 0).map(([site, counts]) => ({ site, ...counts }))
  }
}

interface Placed {
  readonly queuedAt: number
  readonly street: string
  readonly category: string
  readonly family: string
  /** Ids of rules with commas between them; '' when no alarm is of the case. */
  readonly rules: string
}

function keysOf(
  grouping: Grouping,
  { queuedAt, street, category, family, rules }: Placed,
): readonly string[] {
  switch (grouping) {
    case 'street':
      return [street]
    case 'category':
      return [category]
    case 'day':
      return [new Date(Math.floor((queuedAt + CHINA) / DAY) * DAY).toISOString().slice(0, 10)]
    case 'rule':
      return rules === '' ? [family] : rules.split(',')
    case 'team':
      return []
    default:
      return grouping satisfies never
  }
}
