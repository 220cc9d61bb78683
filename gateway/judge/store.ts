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

/** Where the judge stands. */
export interface Progress {
  /** What every reading below it says is in the alarm book. */
  readonly cursor: number
  /** First reading that some device's saved state does not hold yet. */
  readonly needed: number
  /** Readings that came later than the bound, ever. */
  readonly late: number
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

/** The judge's tables in the registry's file, beside the alarms, so that one transaction covers both. */
export class JudgeStore {
  readonly #database: Database
  readonly #saveProgress: StatementSync
  readonly #saveState: StatementSync
  readonly #dropState: StatementSync

  constructor(database: Database) {
    database.migrate('judge-1', TABLES)
    database.migrate('judge-plans', PLANS)
    this.#database = database
    this.#saveProgress = database.sql.prepare(
      'INSERT OR REPLACE INTO judge_progress (one, cursor, needed, late) VALUES (1, ?, ?, ?)',
    )
    this.#saveState = database.sql.prepare(
      'INSERT OR REPLACE INTO judge_states (device, seq, origin, state) VALUES (?, ?, ?, ?)',
    )
    this.#dropState = database.sql.prepare('DELETE FROM judge_states WHERE device = ?')
  }

  progress(): Progress | undefined {
    const row = this.#database.sql.prepare('SELECT cursor, needed, late FROM judge_progress').get()
    return row as Progress | undefined
  }

  saveProgress({ cursor, needed, late }: Progress): void {
    this.#saveProgress.run(cursor, needed, late)
  }

  *states(): Iterable<SavedState> {
    const rows = this.#database.sql.prepare('SELECT device, seq, origin, state FROM judge_states').iterate()
    for (const row of rows) {
      yield {
        name: row['device'] as string,
        seq: row['seq'] as number,
        origin: JSON.parse(row['origin'] as string) as Origin,
        snapshot: JSON.parse(row['state'] as string) as Snapshot,
      }
    }
  }

  saveState({ name, seq, origin, snapshot }: SavedState): void {
    this.#saveState.run(name, seq, JSON.stringify(origin), JSON.stringify(snapshot))
  }

  dropState(name: string): void {
    this.#dropState.run(name)
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
