import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { stepsIn } from '../dispatch/case-steps.ts'
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
}

/** Reads cases and their steps over a connection of its own and adds up their accounts, all groupings in one go. */
export function readAccounts(file: string, query: AccountQuery): AccountabilityReport {
  const sql = new DatabaseSync(file, { readOnly: true })
  try {
    sql.exec('PRAGMA busy_timeout = 5000; PRAGMA cache_size = -65536; BEGIN')
    return new AccountReader(sql, query).read()
  } finally {
    sql.close()
  }
}

const NO_WHISTLES = { inTime: 0, late: 0, pending: 0 }

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
  title: string,
  team: string,
  steps: string | null,
  rules: string | null,
]

class AccountReader {
  readonly #sql: DatabaseSync
  readonly #query: AccountQuery
  readonly #total = new Accounts('total')
  readonly #groups: ReadonlyMap<Grouping, Accounts>
  readonly #sites = new Map<string, { street: string; cases: number; confirmed: number; late: number }>()
  readonly #whistles = new Map<string, { inTime: number; late: number; pending: number }>()
  readonly #overdue: ListedCase[] = []
  readonly #supervised: ListedCase[] = []

  constructor(sql: DatabaseSync, query: AccountQuery) {
    this.#sql = sql
    this.#query = query
    this.#groups = new Map(query.by.map((grouping) => [grouping, new Accounts(grouping)]))
  }

  read(): AccountabilityReport {
    const { team } = this.#query
    this.#countWhistles()
    const answers = this.#answers()
    for (const row of this.#rows()) this.#add(row, answers)
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
    }
  }

  #add(row: Row, answers: ReadonlyMap<string, { answered: number; satisfied: number }>): void {
    const [id, queuedAt, respondMs, arriveMs, resolveMs, street, category, family, site, title, team] = row
    const allowed: Allowed = { response: respondMs, arrival: arriveMs, resolution: resolveMs }
    const { now } = this.#query
    const account = new CaseAccount(queuedAt, team)
    for (const step of stepsIn(row[11] ?? '')) account.follow(step)
    const found: AccountedCase = {
      account,
      standings: {
        response: account.standing('response', allowed, now),
        arrival: account.standing('arrival', allowed, now),
        resolution: account.standing('resolution', allowed, now),
      },
      answered: answers.get(id)?.answered ?? 0,
      satisfied: answers.get(id)?.satisfied ?? 0,
      whistles: this.#whistles.get(id) ?? NO_WHISTLES,
    }
    const isOurs = this.#query.team === undefined || account.owner === this.#query.team
    if (isOurs) this.#total.add(found, [''])
    for (const [grouping, accounts] of this.#groups) {
      // By team all cases are looked at: one that has gone elsewhere may have been late here.
      if (!isOurs && grouping !== 'team') continue
      accounts.add(found, keysOf(grouping, { queuedAt, street, category, family, rules: row[12] }))
    }
    if (this.#query.lists === undefined || !isOurs) return
    const late = PROMISES.some((promise) => found.standings[promise].outcome === 'late')
    this.#countSite(site, street, account, late)
    const overMs = account.overMs('resolution', allowed, now)
    const listed = { id, title, street, team: account.owner, queuedAt, state: account.state, overMs }
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

  #rows(): Iterable<Row> {
    const { from, to, simulated, streets } = this.#query
    const rules = this.#query.by.includes('rule')
      ? `(SELECT group_concat(DISTINCT a.rule) FROM case_alarms l JOIN alarms a ON a.id = l.alarm_id WHERE l.case_id = c.id)`
      : 'NULL'
    const selection = new Selection()
      .and('c.queued_at >= ?', from)
      .and('c.queued_at < ?', to)
      .and('c.simulated = ?', simulated ? 1 : 0)
      .among('c.street', streets)
    return this.#iterate(
      `SELECT c.id, c.queued_at, c.respond_ms, c.arrive_ms, c.resolve_ms, c.street, c.category, c.family, c.site,
          c.title, c.team, s.steps, ${rules}
        FROM cases c LEFT JOIN case_steps s ON s.case_id = c.id ${selection.where}`,
      selection.values,
    ) as unknown as Iterable<Row>
  }

  /** Departments that were called: one that was called back before its time ran out was not late. */
  #countWhistles(): void {
    const { from, to, now } = this.#query
    const known = this.#sql.prepare(`SELECT 1 FROM pragma_table_info('whistles') WHERE name = 'report_ms'`)
    if (known.get() === undefined) return
    const rows = this.#iterate(
      `SELECT w.case_id, coalesce(w.reported_at, w.ended_at, ?) - w.at <= w.report_ms, w.reported_at IS NOT NULL
        FROM whistles w JOIN cases c ON c.id = w.case_id WHERE c.queued_at >= ? AND c.queued_at < ?`,
      [now, from, to],
    ) as unknown as Iterable<[id: string, inTime: 0 | 1, reported: 0 | 1]>
    for (const [id, inTime, reported] of rows) {
      const counts = this.#whistles.get(id) ?? { ...NO_WHISTLES }
      this.#whistles.set(id, counts)
      if (inTime === 0) counts.late++
      else if (reported === 1) counts.inTime++
      else counts.pending++
    }
  }

  /** What people answered who were asked whether they are satisfied; nobody where there are no tickets. */
  #answers(): ReadonlyMap<string, { answered: number; satisfied: number }> {
    const { from, to } = this.#query
    const known = this.#sql.prepare(
      `SELECT 1 FROM pragma_table_info('tickets') WHERE name IN ('case_id', 'satisfaction')`,
    )
    if (known.all().length < 2) return new Map()
    const users = this.#sql.prepare(`SELECT 1 FROM pragma_table_info('users')`).all()
    // A crew has the number of what it reports itself: it is not asked whether it is satisfied with itself.
    const citizens =
      users.length === 0
        ? ''
        : 'AND NOT EXISTS (SELECT 1 FROM users u WHERE u.name = t.reporter AND u.team IS NOT NULL)'
    const rows = this.#iterate(
      `SELECT t.case_id, count(*), sum(t.satisfaction >= ${SATISFIED_FROM})
        FROM tickets t JOIN cases c ON c.id = t.case_id
        WHERE t.satisfaction IS NOT NULL AND c.queued_at >= ? AND c.queued_at < ? ${citizens} GROUP BY t.case_id`,
      [from, to],
    ) as unknown as Iterable<[string, number, number]>
    return new Map([...rows].map(([id, answered, satisfied]) => [id, { answered, satisfied }]))
  }

  #iterate(text: string, values: readonly SQLInputValue[]): Iterable<unknown> {
    const statement = this.#sql.prepare(text)
    statement.setReturnArrays(true)
    return statement.iterate(...values)
  }
}

interface Placed {
  readonly queuedAt: number
  readonly street: string
  readonly category: string
  readonly family: string
  /** Ids of rules with commas between them; null when no alarm is of the case, or none was asked for. */
  readonly rules: string | null
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
      return rules === null ? [family] : rules.split(',')
    case 'team':
      return []
    default:
      return grouping satisfies never
  }
}
