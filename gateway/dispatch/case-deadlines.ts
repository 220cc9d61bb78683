import type { Route } from '../district/routing.ts'
import type { Database } from '../registry/database.ts'
import type { CaseKeeper } from './case-keeper.ts'
import type { Cases } from './cases.ts'
import type { Due } from './deadline-watch.ts'
import { raised } from './life.ts'

/** Cases in one go when many are due, some 10 ms, so that the intake is never kept waiting. */
const DUE_AT_ONCE = 20

/** Gives every case whose next deadline colour is due that colour and sends it one level up. */
export class CaseDeadlines implements Due {
  readonly #database: Database
  readonly #cases: Cases
  readonly #keeper: CaseKeeper
  readonly #routeAt: (now: number) => Route

  constructor(database: Database, cases: Cases, keeper: CaseKeeper, routeAt: (now: number) => Route) {
    this.#database = database
    this.#cases = cases
    this.#keeper = keeper
    this.#routeAt = routeAt
  }

  nextDue(): number | null {
    return this.#cases.nextDue()
  }

  seeTo(now: number): void {
    const route = this.#routeAt(now)
    this.#database.transaction(() => {
      for (const before of this.#cases.due(now, DUE_AT_ONCE)) {
        const { record, entries } = raised(before, now, route)
        this.#keeper.save(before, record, entries)
      }
    })
  }
}
