import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Rule } from '../model/rule.ts'
import type { Database } from '../registry/database.ts'

/** `remove` also takes a pack's rule out of force; `reset` gives a pack's rule its say again. */
export type RuleAction = 'create' | 'change' | 'remove' | 'reset'

/** What somebody did to a rule. The latest change of an id says how the rule is now; without one the pack does. */
export interface RuleChange {
  /** Rises; gaps allowed. */
  readonly number: number
  readonly id: string
  /** Gateway's clock, epoch milliseconds. */
  readonly at: number
  readonly actor: string
  readonly action: RuleAction
  readonly note: string | null
  /** As it was made or changed; null for `remove` and `reset`. */
  readonly rule: Rule | null
}

const TABLES = `
  CREATE TABLE rule_changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL,
    at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, note TEXT, rule TEXT
  ) STRICT;
  CREATE INDEX rule_changes_by_id ON rule_changes (id, number);
`

/** Changes kept of one rule, and of all rules together beyond the latest of each: the oldest go first. */
const KEPT_OF_ONE = 100
const KEPT_OF_ALL = 10_000

/** Every version of the rules that people made or changed. */
export class RuleChanges {
  readonly #database: Database
  readonly #add: StatementSync
  readonly #forgetOfOne: StatementSync
  readonly #forgetOfAll: StatementSync
  readonly #of: StatementSync

  constructor(database: Database) {
    database.migrate('rule-changes-1', TABLES)
    this.#database = database
    this.#add = database.sql.prepare(
      'INSERT INTO rule_changes (id, at, actor, action, note, rule) VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#forgetOfOne = database.sql.prepare(
      `DELETE FROM rule_changes WHERE id = ?1 AND number <= (
        SELECT number FROM rule_changes WHERE id = ?1 ORDER BY number DESC LIMIT 1 OFFSET ${KEPT_OF_ONE})`,
    )
    this.#forgetOfAll = database.sql.prepare(
      `DELETE FROM rule_changes WHERE number IN (
        SELECT number FROM rule_changes
        WHERE number NOT IN (SELECT max(number) FROM rule_changes GROUP BY id)
        ORDER BY number DESC LIMIT -1 OFFSET ${KEPT_OF_ALL})`,
    )
    this.#of = database.sql.prepare(
      'SELECT * FROM rule_changes WHERE id = ? AND number < ? ORDER BY number DESC LIMIT ?',
    )
  }

  /** The latest change of each id, in the order of their first. */
  latest(): readonly RuleChange[] {
    const rows = this.#database.sql
      .prepare(
        `SELECT c.* FROM rule_changes c
          JOIN (SELECT min(number) AS first, max(number) AS last FROM rule_changes GROUP BY id) ON c.number = last
          ORDER BY first`,
      )
      .all()
    return rows.map(changeOf)
  }

  /** Newest first, those before number `before`. */
  of(id: string, limit: number, before = Number.MAX_SAFE_INTEGER): readonly RuleChange[] {
    return this.#of.all(id, before, limit).map(changeOf)
  }

  add({ id, at, actor, action, note, rule }: Omit<RuleChange, 'number'>): RuleChange {
    return this.#database.transaction(() => {
      const text = rule === null ? null : JSON.stringify(rule)
      const { lastInsertRowid } = this.#add.run(id, at, actor, action, note, text)
      this.#forgetOfOne.run(id)
      this.#forgetOfAll.run()
      return { number: Number(lastInsertRowid), id, at, actor, action, note, rule }
    })
  }
}

/** Over any connection: the rule as it was in a version that is kept. */
export function versionOf(sql: DatabaseSync, id: string, version: number): Rule | undefined {
  return sql
    .prepare('SELECT rule FROM rule_changes WHERE id = ? AND rule IS NOT NULL ORDER BY number DESC')
    .all(id)
    .map((row) => JSON.parse(row['rule'] as string) as Rule)
    .find((rule) => rule.version === version)
}

function changeOf(row: Record<string, unknown>): RuleChange {
  const rule = row['rule'] as string | null
  return { ...(row as unknown as RuleChange), rule: rule === null ? null : (JSON.parse(rule) as Rule) }
}
