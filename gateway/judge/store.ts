import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Rule } from '../model/rule.ts'
import type { Origin } from '../model/reading.ts'
import type { Snapshot } from '../../rules/snapshot.ts'
import type { Database } from '../registry/database.ts'

const TABLES = `
  CREATE TABLE judge_progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    cursor INTEGER NOT NULL, needed INTEGER NOT NULL, late INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE judge_states (
    device TEXT PRIMARY KEY, seq INTEGER NOT NULL, origin TEXT NOT NULL, state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE judge_rules (id TEXT PRIMARY KEY, rule TEXT NOT NULL) STRICT;
`
const PLANS = `
  CREATE TABLE judge_plans (name TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT;
`
const BATCHES = `
  ALTER TABLE judge_progress ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE judge_states_in_batches (
    device TEXT NOT NULL, batch INTEGER NOT NULL, seq INTEGER NOT NULL, origin TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (device, batch)
  ) STRICT;
  INSERT INTO judge_states_in_batches SELECT device, 0, seq, origin, state FROM judge_states;
  DROP TABLE judge_states;
  ALTER TABLE judge_states_in_batches RENAME TO judge_states;
`
/** Rows that are looked at for those that do not count, at once. */
const SWEEP_ROWS = 500

/** Where the judge stands. */
export interface Progress {
  /** What every reading below it says is in the alarm book. */
  readonly cursor: number
  /** First reading that some device's saved state does not hold yet. */
  readonly needed: number
  /** Readings that came later than the bound, ever. */
  readonly late: number
  /** Saved states of this batch and of those before it count; see {@link JudgeStore}. */
  readonly batch: number
}

export interface SavedState {
  /** Of the watch. */
  readonly name: string
  /** Holds every reading of the device below this number. */
  readonly seq: number
  readonly origin: Origin
  readonly snapshot: Snapshot
}

/** The rules that readings are judged by, in their order, and since when. */
export interface RulesInForce {
  readonly rules: readonly Rule[]
  /** By kind and part: the first reading that its present rules judge. Those before it are in the saved states. */
  readonly since: ReadonlyMap<string, number>
}

/**
 * The judge's tables in the registry's file, beside the alarms, so that one transaction covers both.
 *
 * A watch may have several saved states, one of each batch. That of the newest batch counts, but of none that is newer
 * than the progress says. So the states of thousands of devices that go over to other rules are written little by
 * little, under the next batch, and count all at once when the progress names it. What does not count any more, or
 * never will, is swept away afterwards, and before the next batch begins.
 */
export class JudgeStore {
  readonly #database: Database
  readonly #saveProgress: StatementSync
  readonly #saveState: StatementSync
  readonly #dropFormer: StatementSync
  readonly #dropState: StatementSync
  readonly #dropStates: StatementSync
  readonly #rows: StatementSync

  constructor(database: Database) {
    database.migrate('judge-1', TABLES)
    database.migrate('judge-plans', PLANS)
    database.migrate('judge-batches', BATCHES)
    this.#database = database
    this.#saveProgress = database.sql.prepare(
      'INSERT OR REPLACE INTO judge_progress (one, cursor, needed, late, batch) VALUES (1, ?, ?, ?, ?)',
    )
    this.#saveState = database.sql.prepare(
      'INSERT OR REPLACE INTO judge_states (device, batch, seq, origin, state) VALUES (?, ?, ?, ?, ?)',
    )
    this.#dropFormer = database.sql.prepare('DELETE FROM judge_states WHERE device = ? AND batch < ?')
    this.#dropState = database.sql.prepare('DELETE FROM judge_states WHERE device = ? AND batch = ?')
    this.#dropStates = database.sql.prepare('DELETE FROM judge_states WHERE device = ?')
    this.#rows = database.sql.prepare(
      'SELECT device, batch FROM judge_states WHERE device > ? ORDER BY device, batch LIMIT ?',
    )
  }

  progress(): Progress | undefined {
    const row = this.#database.sql.prepare('SELECT cursor, needed, late, batch FROM judge_progress').get()
    return row as Progress | undefined
  }

  saveProgress({ cursor, needed, late, batch }: Progress): void {
    this.#saveProgress.run(cursor, needed, late, batch)
  }

  /** Those that count. */
  *states(batch: number): Iterable<SavedState> {
    const rows = this.#database.sql
      .prepare(
        `SELECT device, seq, origin, state FROM judge_states AS one WHERE batch =
          (SELECT max(batch) FROM judge_states WHERE device = one.device AND batch <= ?)`,
      )
      .iterate(batch)
    for (const row of rows) {
      yield {
        name: row['device'] as string,
        seq: row['seq'] as number,
        origin: JSON.parse(row['origin'] as string) as Origin,
        snapshot: JSON.parse(row['state'] as string) as Snapshot,
      }
    }
  }

  /** Into the batch that counts. */
  saveState(state: SavedState, batch: number): void {
    this.#dropFormer.run(state.name, batch)
    this.stageState(state, batch)
  }

  /** Into a batch that does not count yet. */
  stageState({ name, seq, origin, snapshot }: SavedState, batch: number): void {
    this.#saveState.run(name, batch, seq, JSON.stringify(origin), JSON.stringify(snapshot))
  }

  dropState(name: string): void {
    this.#dropStates.run(name)
  }

  /** Deletes what does not count of the next few watches after `name`; answers the last of them, null at the end. */
  sweep(name: string, batch: number): string | null {
    const rows = this.#rows.all(name, SWEEP_ROWS) as { device: string; batch: number }[]
    // The last one's rows may go on.
    const last = rows.length < SWEEP_ROWS ? null : rows.at(-1)!.device
    const whole = last === null ? rows : rows.filter(({ device }) => device !== last)
    for (const [index, row] of whole.entries()) {
      const next = whole[index + 1]
      const isFormer = next?.device === row.device && next.batch <= batch
      if (isFormer || row.batch > batch) this.#dropState.run(row.device, row.batch)
    }
    return last === null ? null : whole.at(-1)!.device
  }

  /** Those of the last run. */
  rules(): RulesInForce {
    const { sql } = this.#database
    const plans = sql.prepare('SELECT name, since FROM judge_plans').all()
    return {
      rules: rulesInForce(sql),
      since: new Map(plans.map((row) => [row['name'] as string, row['since'] as number])),
    }
  }

  saveRules({ rules, since }: RulesInForce): void {
    const { sql } = this.#database
    sql.exec('DELETE FROM judge_rules; DELETE FROM judge_plans')
    const saveRule = sql.prepare('INSERT INTO judge_rules (id, rule) VALUES (?, ?)')
    for (const rule of rules) saveRule.run(rule.id, JSON.stringify(rule))
    const savePlan = sql.prepare('INSERT INTO judge_plans (name, since) VALUES (?, ?)')
    for (const [name, first] of since) savePlan.run(name, first)
  }
}

/** Over any connection: the rules that the last run went by, in their order. */
export function rulesInForce(sql: DatabaseSync): readonly Rule[] {
  const rows = sql.prepare('SELECT rule FROM judge_rules ORDER BY rowid').all()
  return rows.map((row) => JSON.parse(row['rule'] as string) as Rule)
}
