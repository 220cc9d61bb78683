import type { StatementSync } from 'node:sqlite'
import type { Log } from '../log.ts'
import type { CloseCode, TimelineEntry } from '../model/case.ts'
import type { Database } from '../registry/database.ts'

/**
 * The ledger: of each case what accountability adds up, in the order in which cases were queued, so that a report over
 * a month reads one stretch of one table. From the timelines, hundreds of thousands of entries of JSON, it would be
 * several seconds, most of it for finding them.
 *
 * `steps` has the entries that count, as `at action team crew code department until` with a comma after each and
 * nothing where an entry has no such thing. The database writes it itself in the statement that adds an entry or
 * changes a case (triggers), so it says what they say, whoever wrote there. `rules` are those that raised the case.
 *
 * It is a copy and can be made again from what it copies. Where it has yet to be, `case_ledger_todo` has a row: cases
 * before that place are not in it. Reports read them from their timelines, and compare some of the others with theirs.
 */
const COUNTED = (entry: string) =>
  `(${entry} ->> 'action' IN ('accept', 'arrive', 'handle', 'close', 'return', 'rework', 'void', 'suspend', 'resume',
    'supervise', 'whistle', 'whistle_reported_in', 'whistle_done', 'whistle_withdrawn')
    OR ${entry} ->> 'team' IS NOT NULL)`
const STEP = (entry: string) =>
  `rtrim(${['at', 'action', 'team', 'crew', 'code', 'department', 'until']
    .map((name) => `coalesce(${entry} ->> '${name}', '')`)
    .join(` || ' ' || `)}) || ','`

const COPIED = [
  'respond_ms',
  'arrive_ms',
  'resolve_ms',
  'simulated',
  'street',
  'category',
  'family',
  'site',
  'team',
]
/** The rest of a case stays as it was opened. */
const CHANGING = ['respond_ms', 'arrive_ms', 'resolve_ms', 'simulated', 'team']
/** Later than any case. */
const EVERYTHING = '9007199254740991'

/** For {@link Database.migrate}, after all columns of cases. */
export const CASE_LEDGER = `
  DROP TRIGGER IF EXISTS case_steps_follow;
  DROP TABLE IF EXISTS case_steps;
  CREATE TABLE case_ledger (
    queued_at INTEGER NOT NULL, case_id TEXT NOT NULL,
    respond_ms INTEGER NOT NULL, arrive_ms INTEGER NOT NULL, resolve_ms INTEGER NOT NULL, simulated INTEGER NOT NULL,
    street TEXT NOT NULL, category TEXT NOT NULL, family TEXT NOT NULL, site TEXT NOT NULL, team TEXT NOT NULL,
    rules TEXT NOT NULL DEFAULT '', steps TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (queued_at, case_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE case_ledger_todo (at INTEGER NOT NULL, id TEXT NOT NULL) STRICT;
  INSERT INTO case_ledger_todo SELECT ${EVERYTHING}, '' WHERE EXISTS (SELECT 1 FROM cases);
  CREATE TRIGGER case_ledger_opens AFTER INSERT ON cases BEGIN
    INSERT INTO case_ledger (queued_at, case_id, ${COPIED.join(', ')})
      VALUES (new.queued_at, new.id, ${COPIED.map((column) => `new.${column}`).join(', ')});
  END;
  CREATE TRIGGER case_ledger_forgets AFTER DELETE ON cases BEGIN
    DELETE FROM case_ledger WHERE queued_at = old.queued_at AND case_id = old.id;
  END;
  CREATE TRIGGER case_ledger_changes AFTER UPDATE OF ${CHANGING.join(', ')} ON cases
  WHEN ${CHANGING.map((column) => `old.${column} <> new.${column}`).join(' OR ')} BEGIN
    UPDATE case_ledger SET ${CHANGING.map((column) => `${column} = new.${column}`).join(', ')}
      WHERE queued_at = new.queued_at AND case_id = new.id;
  END;
  CREATE TRIGGER case_ledger_follows AFTER INSERT ON case_timeline WHEN ${COUNTED('new.entry')} BEGIN
    UPDATE case_ledger SET steps = steps || ${STEP('new.entry')}
      WHERE queued_at = (SELECT queued_at FROM cases WHERE id = new.case_id) AND case_id = new.case_id;
  END;
`

/** Notes the rule that raised a case: its id, twice, and that of the case. */
export const NOTE_RULE = `
  UPDATE case_ledger SET rules = CASE rules WHEN '' THEN ?1 ELSE rules || ',' || ?1 END
    WHERE queued_at = (SELECT queued_at FROM cases WHERE id = ?2) AND case_id = ?2
      AND instr(',' || rules || ',', ',' || ?1 || ',') = 0`

/** Cases in one go: some 10 ms, after which others have the thread. */
const AT_ONCE = 100
const PAUSE_MS = 20
const TOLD_EVERY = 100_000

/** Fills the ledger with cases from before there was one, newest first, a few at a time while the gateway runs. */
export class LedgerFiller {
  readonly #database: Database
  readonly #log: Log
  readonly #place: StatementSync
  readonly #end: StatementSync
  readonly #copy: StatementSync
  readonly #move: StatementSync
  #timer: NodeJS.Timeout | undefined
  #done = 0

  /** After the tables of alarms and cases. */
  constructor(database: Database, log: Log) {
    this.#database = database
    this.#log = log
    const { sql } = database
    this.#place = sql.prepare('SELECT at, id FROM case_ledger_todo')
    this.#end = sql.prepare(
      `SELECT queued_at AS at, id FROM cases WHERE (queued_at, id) < (?, ?)
        ORDER BY queued_at DESC, id DESC LIMIT 1 OFFSET ${AT_ONCE - 1}`,
    )
    this.#copy = sql.prepare(
      `INSERT OR IGNORE INTO case_ledger (queued_at, case_id, ${COPIED.join(', ')}, rules, steps)
        SELECT queued_at, id, ${COPIED.join(', ')},
          coalesce((SELECT group_concat(DISTINCT a.rule) FROM case_alarms l JOIN alarms a ON a.id = l.alarm_id
            WHERE l.case_id = cases.id), ''),
          coalesce((SELECT group_concat(${STEP('entry')}, '' ORDER BY number) FROM case_timeline
            WHERE case_id = cases.id AND ${COUNTED('entry')}), '')
        FROM cases WHERE (queued_at, id) < (?, ?) ORDER BY queued_at DESC, id DESC LIMIT ${AT_ONCE}`,
    )
    this.#move = sql.prepare('UPDATE case_ledger_todo SET at = ?, id = ?')
  }

  start(): void {
    if (this.#place.get() === undefined) return
    this.#log.info('the ledger of cases is being filled; reports take longer until it is')
    this.#timer = setTimeout(() => this.#wake(), PAUSE_MS)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Makes all of it anew: it does not say what the timelines say. */
  refill(): void {
    this.stop()
    this.#database.transaction(() => {
      this.#database.sql.exec(
        `DELETE FROM case_ledger; DELETE FROM case_ledger_todo; INSERT INTO case_ledger_todo VALUES (${EVERYTHING}, '')`,
      )
    })
    this.#done = 0
    this.start()
  }

  /** Some more; false when all of it is there. */
  fill(): boolean {
    return this.#database.transaction(() => {
      const place = this.#place.get() as { at: number; id: string } | undefined
      if (place === undefined) return false
      const end = this.#end.get(place.at, place.id) as { at: number; id: string } | undefined
      this.#copy.run(place.at, place.id)
      if (end === undefined) this.#database.sql.exec('DELETE FROM case_ledger_todo')
      else this.#move.run(end.at, end.id)
      return end !== undefined
    })
  }

  #wake(): void {
    let isMore = true
    try {
      isMore = this.fill()
      this.#done += AT_ONCE
      if (!isMore) this.#log.info('the ledger of cases is full')
      else if (this.#done % TOLD_EVERY === 0)
        this.#log.info({ cases: this.#done }, 'the ledger of cases is being filled')
    } catch (error) {
      this.#log.warn({ err: error }, 'the ledger of cases could not be filled further, trying again')
      this.#timer = setTimeout(() => this.#wake(), 10_000)
      return
    }
    this.#timer = isMore ? setTimeout(() => this.#wake(), PAUSE_MS) : undefined
  }
}

/** What a report looks at in a {@link TimelineEntry}. */
export type CaseStep = Pick<
  TimelineEntry,
  'at' | 'action' | 'team' | 'crew' | 'code' | 'department' | 'until'
>

/** The steps that the text says; no name in it has a blank or a comma. */
export function stepsIn(text: string): readonly CaseStep[] {
  const steps: CaseStep[] = []
  for (let from = 0; from < text.length;) {
    const to = text.indexOf(',', from)
    const [at, action = '', team = '', crew = '', code = '', department = '', until = ''] = text
      .slice(from, to)
      .split(' ')
    from = to + 1
    steps.push({
      at: Number(at),
      action,
      ...(team !== '' && { team }),
      ...(crew !== '' && { crew }),
      ...(code !== '' && { code: code as CloseCode }),
      ...(department !== '' && { department }),
      ...(until !== '' && { until: Number(until) }),
    })
  }
  return steps
}
