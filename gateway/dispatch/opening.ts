import { createHash } from 'node:crypto'
import { DateTime, FixedOffsetZone } from 'luxon'
import { SEVERITIES, type Alarm, type Severity } from '../model/alarm.ts'
import type { Rule } from '../model/rule.ts'

/** What decides whether an alarm opens a case, and what that case is called: the same live and in a back-test. */

export type Dispatch = NonNullable<Rule['dispatch']>
/** An alarm without its case. The judge knows nothing of cases, and the queue marks what is simulated. */
export type Finding = Omit<Alarm, 'case'>

const TITLE_LIMIT = 200
/** Asia/Shanghai, which has kept no summer time since 1991; by its offset, which needs no tables, as orders are urgent. */
const CHINA = FixedOffsetZone.instance(8 * 60)

export const rank = (severity: Severity): number => SEVERITIES.indexOf(severity)

/** Whether the rule wants a crew for the alarm as it is; a stale one sends nobody out (contract §3). */
export function isForDispatch(alarm: Finding, rule: Rule): rule is Rule & { dispatch: Dispatch } {
  return (
    rule.dispatch !== undefined && alarm.stale !== true && rank(alarm.severity) >= rank(rule.dispatch.from)
  )
}

/** Rules of one family share a case per site. */
export function familyOf(rule: Rule): string {
  return rule.family ?? rule.id
}

export function caseTitle(rule: Rule, site: string): string {
  return `${rule.title.zh} ${rule.title.en} · ${site}`.slice(0, TITLE_LIMIT).toWellFormed()
}

/**
 * Readable, and the same whenever the same history is replayed: the date of `happenedAt` and a hash of `seed`. It is a
 * level of topics, a step of addresses and a value of headers: whatever the family is called, its letters fit there.
 */
export function caseId(family: string, happenedAt: number, seed: string): string {
  const date = DateTime.fromMillis(happenedAt, { zone: CHINA }).toISODate({ format: 'basic' })
  const hash = createHash('sha256').update(seed).digest('hex').slice(0, 8)
  return `${date}-${family.replaceAll(/[^A-Za-z0-9_.-]+/g, '_')}-${hash}`
}
