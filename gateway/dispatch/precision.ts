import type { DatabaseSync } from 'node:sqlite'
import type { Verdict } from '../../rules/suggest.ts'
import type { CloseCode } from '../model/case.ts'
import type { Database } from '../registry/database.ts'
import { Selection } from './selection.ts'

/** A case that several rules or devices raised counts for each of them. */
export const PRECISION_KEYS = { rule: 'a.rule', street: 'c.street', device: 'a.device' } as const
export type PrecisionBy = keyof typeof PRECISION_KEYS

export interface PrecisionFilter {
  /** By `queuedAt`, epoch milliseconds: `from` inclusive, `to` exclusive. */
  readonly from: number
  readonly to: number
  /** Any of these; for who may see only a part of the district. */
  readonly streets?: readonly string[] | undefined
  /** Cases that the team answers for or works on. */
  readonly team?: string | undefined
  /** What a rehearsal found, instead of what is real. */
  readonly simulated?: boolean | undefined
}

/**
 * How often a call was right, out of the cases that alarms opened and people closed:
 * `confirmed / (confirmed + false_alarm + not_found)`. A `device_fault` says something about the device and a
 * `duplicate` nothing new: both are counted beside it.
 */
export interface Precision extends Readonly<Record<CloseCode, number>> {
  /** Id of the rule, street or device. */
  readonly key: string
  /** Cases that the precision is of. */
  readonly n: number
  /** null when `n` is 0. */
  readonly precision: number | null
  /** Within which it truly lies, 19 times of 20 (Wilson): wide when there are few cases. */
  readonly interval: readonly [low: number, high: number] | null
  /** Fewer than {@link ENOUGH} cases: nothing to draw conclusions from. */
  readonly few: boolean
}

export const ENOUGH = 20

/** 95 % of a normal distribution. */
const Z = 1.96

/** Wilson's interval of a share (1927): honest also for few cases and for shares near 0 and 1. */
export function wilson(hits: number, of: number): readonly [low: number, high: number] {
  const share = hits / of
  const z2 = (Z * Z) / of
  const middle = share + z2 / 2
  const spread = Z * Math.sqrt((share * (1 - share)) / of + z2 / (4 * of))
  const bounded = (value: number) => Math.min(1, Math.max(0, value / (1 + z2)))
  return [bounded(middle - spread), bounded(middle + spread)]
}

/** What people found when they went to see, over the registry's tables. */
export class Precisions {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** By key; those after `after`. */
  list(by: PrecisionBy, filter: PrecisionFilter, limit: number, after?: string): readonly Precision[] {
    const selection = closedCases(filter).and('key > ?', after)
    return this.#database.sql
      .prepare(
        `SELECT key, ${CODES.map((code) => `sum(code = '${code}') AS ${code}`).join(', ')}
          FROM (SELECT DISTINCT c.id, c.close_code AS code, ${PRECISION_KEYS[by]} AS key ${CASES_WITH_ALARMS}
            ${selection.where})
          GROUP BY key ORDER BY key LIMIT ?`,
      )
      .all(...selection.values, limit)
      .map(precisionOf)
  }

  verdicts(rule: string): readonly Verdict[] {
    return verdictsOf(this.#database.sql, rule)
  }
}

/** Over any connection: of all alarms of a rule with a number, whose cases were found to be right or wrong. */
export function verdictsOf(sql: DatabaseSync, rule: string): readonly Verdict[] {
  return sql
    .prepare(
      `SELECT c.id AS "case", a.peak AS peak, c.close_code AS code ${CASES_WITH_ALARMS}
        WHERE c.state = 'closed' AND ${SEEN} AND c.close_code IN ('confirmed', 'false_alarm', 'not_found')
          AND a.simulated = 0 AND a.rule = ? AND a.peak IS NOT NULL`,
    )
    .all(rule)
    .map((row) => ({
      case: row['case'] as string,
      peak: row['peak'] as number,
      confirmed: row['code'] === 'confirmed',
    }))
}

const CODES = [
  'confirmed',
  'false_alarm',
  'not_found',
  'device_fault',
  'duplicate',
] as const satisfies readonly CloseCode[]

const CASES_WITH_ALARMS = `
  FROM cases c JOIN case_alarms l ON l.case_id = c.id JOIN alarms a ON a.id = l.alarm_id`

/** Nobody went to see what ended while a loudspeaker spoke. */
const SEEN = 'c.pending_until IS NULL'

function closedCases({ from, to, streets, team, simulated = false }: PrecisionFilter): Selection {
  return new Selection()
    .and('a.simulated = ?', simulated ? 1 : 0)
    .and('c.state = ?', 'closed')
    .and(SEEN)
    .and('c.queued_at >= ?', from)
    .and('c.queued_at < ?', to)
    .among('c.street', streets)
    .and('(c.team = ? OR c.crew = ?)', team, team)
}

function precisionOf(row: Record<string, unknown>): Precision {
  const counts = row as unknown as Record<CloseCode, number> & { readonly key: string }
  const { confirmed, false_alarm, not_found } = counts
  const n = confirmed + false_alarm + not_found
  return {
    ...counts,
    n,
    precision: n === 0 ? null : confirmed / n,
    interval: n === 0 ? null : wilson(confirmed, n),
    few: n < ENOUGH,
  }
}
