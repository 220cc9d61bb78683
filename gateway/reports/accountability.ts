import { ENOUGH, wilson } from '../dispatch/precision.ts'
import { CLOSE_CODES, type CloseCode } from '../model/case.ts'
import { PROMISES, type CaseAccount, type Promised, type Standing, type Whistled } from './case-account.ts'

/**
 * Accountability (行政问效): accounts of cases added up by street, team, category, rule or day. Pure; every figure
 * comes out of the accounts, in whatever order they are added.
 */
export const GROUPINGS = ['street', 'team', 'category', 'rule', 'day'] as const
export type Grouping = (typeof GROUPINGS)[number]

/** How often a promise was kept. `of = inTime + late + pending`. */
export interface PromiseFigures {
  readonly of: number
  readonly inTime: number
  readonly late: number
  /** Its time has not run out yet, or the case ended before it did. */
  readonly pending: number
  /** inTime / (inTime + late); null when nothing is decided. */
  readonly share: number | null
  /** Percentiles of the running time to whenever it was kept, late ones too, ms; by nearest rank. */
  readonly p50: number | null
  readonly p90: number | null
  readonly p95: number | null
}

/** `received = open + closed + void`. */
export interface Figures extends Readonly<Record<Promised, PromiseFigures>> {
  readonly received: number
  readonly open: number
  readonly closed: number
  readonly void: number
  /** closed / (received − void): of what had to be dealt with. */
  readonly closedShare: number | null
  readonly codes: Readonly<Record<CloseCode, number>>
  /** false_alarm / closed. */
  readonly falseAlarmShare: number | null
  /** confirmed / (confirmed + false_alarm + not_found), as in `GET /stats/precision`. */
  readonly precision: number | null
  readonly interval: readonly [low: number, high: number] | null
  readonly few: boolean
  /** Cases that were handled at some time … */
  readonly handled: number
  /** … and of those, how many were sent back at least once. */
  readonly reworked: number
  readonly reworkShare: number | null
  readonly returned: number
  readonly supervised: number
  /** Answers of people who had reported, on closing. */
  readonly satisfaction: {
    readonly answered: number
    readonly satisfied: number
    readonly share: number | null
  }
  /** Departments called to cases that a street cannot solve (吹哨), and whether they reported in by their time. */
  readonly whistles: {
    readonly blown: number
    readonly inTime: number
    readonly late: number
    readonly pending: number
    readonly share: number | null
  }
}

/** A case and what is known of it beside its timeline. */
export interface AccountedCase {
  readonly account: CaseAccount
  readonly standings: Readonly<Record<Promised, Standing>>
  readonly answered: number
  readonly satisfied: number
  readonly whistles: Whistled
}

/** The value at the nearest rank: the smallest that at least `share` of all do not exceed. `sorted` rises. */
export function percentile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}

class PromiseTally {
  #inTime = 0
  #late = 0
  #pending = 0
  readonly #times: number[] = []

  add({ outcome, ms }: Standing): void {
    if (outcome === 'inTime') this.#inTime++
    else if (outcome === 'late') this.#late++
    else this.#pending++
    if (ms !== null) this.#times.push(ms)
  }

  figures(): PromiseFigures {
    const [inTime, late, pending] = [this.#inTime, this.#late, this.#pending]
    const sorted = Float64Array.from(this.#times).sort() as unknown as number[]
    return {
      of: inTime + late + pending,
      inTime,
      late,
      pending,
      share: ratio(inTime, inTime + late),
      p50: percentile(sorted, 0.5),
      p90: percentile(sorted, 0.9),
      p95: percentile(sorted, 0.95),
    }
  }
}

class Tally {
  readonly #counts = {
    received: 0,
    open: 0,
    closed: 0,
    void: 0,
    handled: 0,
    reworked: 0,
    returned: 0,
    supervised: 0,
  }
  readonly #codes = Object.fromEntries(CLOSE_CODES.map((code) => [code, 0])) as Record<CloseCode, number>
  readonly #promises: Readonly<Record<Promised, PromiseTally>> = {
    response: new PromiseTally(),
    arrival: new PromiseTally(),
    resolution: new PromiseTally(),
  }
  #answered = 0
  #satisfied = 0
  readonly #whistles = { inTime: 0, late: 0, pending: 0 }

  addPromise(promise: Promised, standing: Standing): void {
    this.#promises[promise].add(standing)
  }

  /** All of a case but its promises. */
  addCase({ account, answered, satisfied, whistles }: AccountedCase): void {
    const counts = this.#counts
    counts.received++
    counts[account.state]++
    if (account.state === 'closed' && account.code !== null) this.#codes[account.code]++
    if (account.handled) counts.handled++
    if (account.reworks > 0) counts.reworked++
    if (account.returns > 0) counts.returned++
    if (account.supervised) counts.supervised++
    this.#answered += answered
    this.#satisfied += satisfied
    this.#whistles.inTime += whistles.inTime
    this.#whistles.late += whistles.late
    this.#whistles.pending += whistles.pending
  }

  figures(): Figures {
    const counts = this.#counts
    const { confirmed, false_alarm, not_found } = this.#codes
    const n = confirmed + false_alarm + not_found
    const { inTime, late, pending } = this.#whistles
    return {
      ...counts,
      response: this.#promises.response.figures(),
      arrival: this.#promises.arrival.figures(),
      resolution: this.#promises.resolution.figures(),
      closedShare: ratio(counts.closed, counts.received - counts.void),
      codes: { ...this.#codes },
      falseAlarmShare: ratio(false_alarm, counts.closed),
      precision: ratio(confirmed, n),
      interval: n === 0 ? null : wilson(confirmed, n),
      few: n < ENOUGH,
      reworkShare: ratio(counts.reworked, counts.handled),
      satisfaction: {
        answered: this.#answered,
        satisfied: this.#satisfied,
        share: ratio(this.#satisfied, this.#answered),
      },
      whistles: {
        blown: inTime + late + pending,
        inTime,
        late,
        pending,
        share: ratio(inTime, inTime + late),
      },
    }
  }
}

function ratio(part: number, of: number): number | null {
  return of === 0 ? null : part / of
}

/**
 * The tallies of one grouping. By team a case is on the account of one team (`owner`), and each of its promises on
 * that of the team whose doing it was; otherwise all of it is under its keys. A case with several keys (rules) counts
 * under each.
 */
export class Accounts {
  readonly #byTeam: boolean
  readonly #tallies = new Map<string, Tally>()

  constructor(grouping: Grouping | 'total') {
    this.#byTeam = grouping === 'team'
  }

  /** `keys` are of no matter by team. */
  add(found: AccountedCase, keys: readonly string[]): void {
    const { account, standings } = found
    for (const key of this.#byTeam ? [account.owner] : keys) this.#tally(key).addCase(found)
    for (const promise of PROMISES) {
      const standing = standings[promise]
      for (const key of this.#byTeam ? [standing.team] : keys) this.#tally(key).addPromise(promise, standing)
    }
  }

  /** By key. */
  figures(): ReadonlyMap<string, Figures> {
    const keys = [...this.#tallies.keys()].sort()
    return new Map(keys.map((key) => [key, this.#tallies.get(key)!.figures()]))
  }

  #tally(key: string): Tally {
    let tally = this.#tallies.get(key)
    if (tally === undefined) this.#tallies.set(key, (tally = new Tally()))
    return tally
  }
}

/** The figures of no case at all. */
export function noFigures(): Figures {
  return new Tally().figures()
}
