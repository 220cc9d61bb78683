import type { Log } from '../log.ts'
import type { Case, TimelineEntry } from '../model/case.ts'
import type { Retainer } from '../model/pipeline.ts'
import type { Database } from '../registry/database.ts'
import type { Alarms } from './alarms.ts'
import type { CaseChange } from './case-change.ts'
import { holders, type CaseRecord } from './case-record.ts'
import type { Cases } from './cases.ts'
import { Orders } from './orders.ts'

export interface KeeperParts {
  readonly database: Database
  readonly alarms: Alarms
  readonly cases: Cases
  readonly log: Log
  readonly callsForSimulated: boolean
}

/**
 * Writes every change of a case down, in one transaction with its timeline and with the note of who must be told;
 * telling follows the commit. Whoever changes a case does it through here.
 */
export class CaseKeeper {
  readonly orders: Orders
  readonly #parts: KeeperParts
  readonly #changeListeners: ((change: CaseChange) => void)[] = []
  readonly #caseListeners: ((found: Case) => void)[] = []
  readonly #tellers: (() => void)[] = []
  /** Version of each case that the last commit is to tell. */
  readonly #untold = new Map<string, number>()

  constructor(parts: KeeperParts) {
    this.#parts = parts
    this.orders = new Orders(parts.database, parts.alarms, parts.cases, parts.log, parts.callsForSimulated)
  }

  publishThrough(publisher: Retainer): void {
    this.orders.publishThrough(publisher)
  }

  /** Called inside the transaction of each change; what it throws takes the change back. */
  onChange(listener: (change: CaseChange) => void): void {
    this.#changeListeners.push(listener)
  }

  /** Called after each commit with the case as it now is. */
  onCase(listener: (found: Case) => void): void {
    this.#caseListeners.push(listener)
  }

  /** Called after each commit in which a case changed. */
  onTold(listener: () => void): void {
    this.#tellers.push(listener)
  }

  /** A new case. */
  insert(wanted: CaseRecord, entries: readonly TimelineEntry[]): void {
    const after = withTeams(wanted)
    this.#parts.cases.insert(after, entries)
    this.#afterSave({ before: null, after, entries })
  }

  save(before: CaseRecord, wanted: CaseRecord, entries: readonly TimelineEntry[]): void {
    const after = withTeams({ ...wanted, version: before.version + 1 })
    this.#parts.cases.save(after, entries)
    this.#afterSave({ before, after, entries })
  }

  #afterSave(change: CaseChange): void {
    const { after } = change
    this.orders.note(after)
    for (const listener of this.#changeListeners) listener(change)
    this.#untold.set(after.id, after.version)
    this.#parts.database.afterCommit(() => this.#tell(after))
  }

  /** After the commit nothing may throw: the caller's transaction is done and cannot be taken back. */
  #tell({ id, version }: CaseRecord): void {
    try {
      // Changed again in the same transaction: the last change tells it.
      if (this.#untold.get(id) !== version) return
      this.#untold.delete(id)
      this.orders.announceCase(id)
      for (const tell of this.#tellers) tell()
      if (this.#caseListeners.length === 0) return
      const found = this.#parts.cases.get(id)!
      for (const listener of this.#caseListeners) listener(found)
    } catch (error) {
      this.#parts.log.error({ err: error, case: id }, 'a case was stored but not told to everyone')
    }
  }
}

/** Who holds it now has had it from now on. */
function withTeams(record: CaseRecord): CaseRecord {
  const added = holders(record).filter((team) => !record.teams.includes(team))
  return added.length === 0 ? record : { ...record, teams: [...record.teams, ...added] }
}
