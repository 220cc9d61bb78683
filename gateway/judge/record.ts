import type { Alarm, AlarmBook } from '../model/alarm.ts'
import type { Clock } from '../model/clock.ts'
import type { Along, Database } from '../registry/database.ts'
import type { Docket } from './docket.ts'
import { JudgeStore, type Progress } from './store.ts'
import type { Watch } from './watch.ts'

/** Saved states that are deleted at once. */
const MOST_DROPS = 200

export interface RecordParts {
  readonly database: Database
  readonly book: AlarmBook
  readonly clock: Clock
  /** Told after the commit that holds them. */
  readonly onChanges?: (alarms: readonly Omit<Alarm, 'case'>[]) => void
}

/** Does work until it says that it is done, with turns of everything else in between. */
export type InSlices = (work: (isTimeUp: () => boolean) => boolean) => Promise<void>

/**
 * What the judge has on disk: alarms in the book, saved states of devices, and how far both of them go. Each write is
 * one transaction over `registry.db`, and what it says of the docket is true once it is committed. `judge.ts` has the
 * order of operations.
 */
export class JudgeRecord {
  readonly #parts: RecordParts
  readonly #store: JudgeStore
  readonly #inSlices: InSlices
  #docket: Docket
  #saved: Progress = { cursor: -1, needed: -1, late: 0, batch: 0 }
  /** Watches whose saved states the last transaction has deleted. */
  #dropped: readonly string[] = []

  constructor(parts: RecordParts, docket: Docket, inSlices: InSlices) {
    this.#parts = parts
    this.#store = new JudgeStore(parts.database)
    this.#inSlices = inSlices
    this.#docket = docket
  }

  /** How far it goes. */
  get progress(): Progress {
    return this.#saved
  }

  /** Fills a docket that knows nothing yet; `start` is the first reading to judge where nothing was ever saved. */
  load(docket: Docket, start: number): void {
    this.#docket = docket
    this.#saved = this.#store.progress() ?? { cursor: start, needed: start, late: 0, batch: 0 }
    docket.load(this.#store.rules(), this.#store.states(this.#saved.batch))
    docket.late = this.#saved.late
  }

  /** Puts what the rules said into the book; `next` is the first reading that is not judged, here and below. */
  note(next: number): void {
    if (this.#docket.changes.length === 0) return
    this.#saved = this.#parts.database.derive(() => this.#write(next, 0))
    this.#tell()
  }

  /** Also saves states until time is up, at least one. False when there is nothing that is not saved. */
  save(next: number, isTimeUp: () => boolean): boolean {
    const { changes, ended } = this.#docket
    const needed = this.#docket.needed(next, 0)
    const isSaved = this.#saved.cursor === next && this.#saved.needed === needed
    if (isSaved && needed === next && changes.length === 0 && ended.size === 0) return false
    const saved: Watch[] = []
    this.#saved = this.#parts.database.derive(() => {
      for (const state of this.#docket.unsaved(next)) {
        this.#store.saveState(state, this.#saved.batch)
        saved.push(state.watch)
        if (isTimeUp()) break
      }
      return this.#write(next, saved.length)
    })
    for (const watch of saved) this.#docket.saved(watch)
    this.#tell()
    return true
  }

  /** The states of the devices that go by other attributes from now on, together with what that says. */
  saveCarried(next: number): void {
    const { database } = this.#parts
    const { carried } = this.#docket
    const saved = database.derive(() => {
      for (const state of this.#docket.states(carried, next)) this.#store.saveState(state, this.#saved.batch)
      return this.#write(next, 0)
    })
    database.afterCommit(() => this.#haveSaved(saved))
  }

  /**
   * The rules of the docket, what they say of the devices, and these devices' states: all of it or nothing. `steps`
   * take the docket there; `along` is written in the transaction that makes it count.
   */
  async goOver<T>(steps: Iterator<void, T>, next: number, along?: Along): Promise<T> {
    const { database } = this.#parts
    await this.tidy()
    let step = steps.next()
    await this.#inSlices((isTimeUp) => {
      do if (step.done !== true) step = steps.next()
      while (step.done !== true && !isTimeUp())
      return step.done === true
    })
    const { carried } = this.#docket
    const batch = carried.size > 0 ? this.#saved.batch + 1 : this.#saved.batch
    const states = this.#docket.states(carried, next)[Symbol.iterator]()
    await this.#inSlices((isTimeUp) =>
      database.derive(() => {
        for (let state = states.next(); state.done !== true; state = states.next()) {
          this.#store.stageState(state.value, batch)
          if (isTimeUp()) return false
        }
        return true
      }),
    )
    database.transaction(() => {
      along?.()
      this.#store.saveRules(this.#docket.inForce())
      const saved = this.#write(next, 0, batch)
      database.afterCommit(() => this.#haveSaved(saved))
    })
    return step.value as T
  }

  /** Deletes saved states that count no more, and those that never will. */
  async tidy(): Promise<void> {
    const { database } = this.#parts
    await this.#inSlices(() => {
      const { ended } = this.#docket
      const some = [...ended.values().take(MOST_DROPS)]
      database.derive(() => {
        for (const name of some) this.#store.dropState(name)
      })
      for (const name of some) ended.delete(name)
      return ended.size === 0
    })
    let name: string | null = ''
    await this.#inSlices(() => {
      name = database.derive(() => this.#store.sweep(name!, this.#saved.batch))
      return name === null
    })
  }

  /** Inside a transaction, after the first `saved` of the unsaved states. */
  #write(next: number, saved: number, batch: number = this.#saved.batch): Progress {
    const now = this.#parts.clock.now()
    const { changes, ended, late } = this.#docket
    for (const { alarm, rule } of changes) this.#parts.book.record(alarm, rule, now)
    this.#dropped = [...ended.values().take(MOST_DROPS)]
    for (const name of this.#dropped) this.#store.dropState(name)
    const progress = { cursor: next, needed: this.#docket.needed(next, saved), late, batch }
    this.#store.saveProgress(progress)
    return progress
  }

  #haveSaved(saved: Progress): void {
    this.#saved = saved
    this.#docket.carried.clear()
    this.#tell()
  }

  /** After the transaction. */
  #tell(): void {
    const { changes, ended } = this.#docket
    for (const name of this.#dropped) ended.delete(name)
    this.#dropped = []
    if (changes.length === 0) return
    this.#docket.changes = []
    this.#parts.onChanges?.(changes.map(({ alarm }) => alarm))
  }
}
