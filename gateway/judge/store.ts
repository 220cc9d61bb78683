import type { StatementSync } from 'node:sqlite'
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
  readonly device: string
  /** Holds every reading of the device below this number. */
  readonly seq: number
  readonly origin: Origin
  readonly snapshot: Snapshot
}

/** The rules that readings are judged by, in their order, and since when. */
export interface RulesInForce {
  readonly rules: readonly Rule[]
  /** By kind: the first reading that its present rules judge. Those before it are in the devices' saved states. */
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
    database.migrate('judge-2', 'ALTER TABLE judge_rules ADD COLUMN since INTEGER NOT NULL DEFAULT 0')
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
        device: row['device'] as string,
        seq: row['seq'] as number,
        origin: JSON.parse(row['origin'] as string) as Origin,
        snapshot: JSON.parse(row['state'] as string) as Snapshot,
      }
    }
  }

  saveState({ device, seq, origin, snapshot }: SavedState): void {
    this.#saveState.run(device, seq, JSON.stringify(origin), JSON.stringify(snapshot))
  }

  dropState(device: string): void {
    this.#dropState.run(device)
  }

  /** Those of the last run. */
  rules(): RulesInForce {
    const rows = this.#database.sql.prepare('SELECT rule, since FROM judge_rules ORDER BY rowid').all()
    const saved = rows.map((row) => ({
      rule: JSON.parse(row['rule'] as string) as Rule,
      since: row['since'] as number,
    }))
    return {
      rules: saved.map(({ rule }) => rule),
      since: new Map(saved.map(({ rule, since }) => [rule.kind, since])),
    }
  }

  saveRules({ rules, since }: RulesInForce): void {
    this.#database.sql.exec('DELETE FROM judge_rules')
    const save = this.#database.sql.prepare('INSERT INTO judge_rules (id, rule, since) VALUES (?, ?, ?)')
    for (const rule of rules) save.run(rule.id, JSON.stringify(rule), since.get(rule.kind)!)
  }
}
