import { createHash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import canonicalize from 'canonicalize'
import { rulesInForce } from '../judge/store.ts'
import type { Rule } from '../model/rule.ts'
import type { Database } from '../registry/database.ts'

const TABLES = `
  CREATE TABLE rule_texts (
    sha256 TEXT PRIMARY KEY, id TEXT NOT NULL, version INTEGER NOT NULL,
    kept_at INTEGER NOT NULL, rule TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX rule_texts_by_version ON rule_texts (id, version);
  CREATE TABLE alarm_rules (
    alarm_id TEXT NOT NULL, sha256 TEXT NOT NULL REFERENCES rule_texts (sha256),
    PRIMARY KEY (alarm_id, sha256)
  ) STRICT, WITHOUT ROWID;
`

/** A rule as it was when it raised an alarm. */
export interface RuleText {
  /** Of its canonical JSON (RFC 8785), 64 hexadecimal digits. */
  readonly sha256: string
  readonly rule: Rule
}

/**
 * The text of every rule that ever raised an alarm, and which alarm by which: packs are replaced by an upgrade, and
 * whoever edits one may leave its version as it was. Kept for as long as alarms are.
 */
export class RuleTexts {
  readonly #database: Database
  readonly #add: StatementSync
  readonly #link: StatementSync
  readonly #ofAlarm: StatementSync
  readonly #hashes = new WeakMap<Rule, string>()
  /** On disk for good. */
  readonly #kept = new WeakSet<Rule>()

  constructor(database: Database) {
    database.migrate('rule-texts-1', TABLES)
    this.#database = database
    const { sql } = database
    this.#add = sql.prepare(
      'INSERT OR IGNORE INTO rule_texts (sha256, id, version, kept_at, rule) VALUES (?, ?, ?, ?, ?)',
    )
    this.#link = sql.prepare('INSERT OR IGNORE INTO alarm_rules (alarm_id, sha256) VALUES (?, ?)')
    this.#ofAlarm = sql.prepare(
      `SELECT sha256, rule FROM rule_texts JOIN alarm_rules USING (sha256)
        WHERE alarm_id = ? ORDER BY kept_at, version`,
    )
  }

  /**
   * Keeps what the last run went by, once: its alarms are from before texts were kept, and an upgrade may have replaced
   * their packs by now. Before the judge goes by others.
   */
  keepFormer(now: number): void {
    const { sql } = this.#database
    const hasSome = sql.prepare('SELECT 1 FROM rule_texts LIMIT 1').get() !== undefined
    const hasRun = sql.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'judge_rules'`).get() !== undefined
    if (hasSome || !hasRun) return
    this.#database.transaction(() => {
      for (const rule of rulesInForce(sql)) this.#keep(rule, now)
    })
  }

  /** Inside the transaction of the alarm's change. */
  note(alarmId: string, rule: Rule, now: number): void {
    this.#link.run(alarmId, this.#keep(rule, now))
  }

  /** Oldest first; none for an alarm from before texts were kept. */
  ofAlarm(alarmId: string): readonly RuleText[] {
    return this.#ofAlarm.all(alarmId).map((row) => ({
      sha256: row['sha256'] as string,
      rule: JSON.parse(row['rule'] as string) as Rule,
    }))
  }

  /** The first text that was kept of the version. */
  version(id: string, version: number): Rule | undefined {
    return textOf(this.#database.sql, id, version)
  }

  #keep(rule: Rule, now: number): string {
    let sha256 = this.#hashes.get(rule)
    if (sha256 === undefined) {
      sha256 = createHash('sha256').update(canonicalize(rule)!).digest('hex')
      this.#hashes.set(rule, sha256)
    }
    if (this.#kept.has(rule)) return sha256
    this.#add.run(sha256, rule.id, rule.version, now, JSON.stringify(rule))
    this.#database.afterCommit(() => this.#kept.add(rule))
    return sha256
  }
}

/** Over any connection: the first text that was kept of the version. */
export function textOf(sql: DatabaseSync, id: string, version: number): Rule | undefined {
  const isThere = sql.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'rule_texts'`).get() !== undefined
  const row = isThere
    ? sql
        .prepare('SELECT rule FROM rule_texts WHERE id = ? AND version = ? ORDER BY kept_at LIMIT 1')
        .get(id, version)
    : undefined
  return row === undefined ? undefined : (JSON.parse(row['rule'] as string) as Rule)
}
