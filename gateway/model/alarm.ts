import type { Rule } from './rule.ts'

/** Rising (contract §3). */
export const SEVERITIES = ['blue', 'yellow', 'orange', 'red'] as const
export type Severity = (typeof SEVERITIES)[number]

export type AlarmState = 'firing' | 'cleared' | 'withdrawn'

export interface Alarm {
  /** The same whenever the same history is replayed: derived from rule, device and start. */
  readonly id: string
  readonly rule: string
  readonly ruleVersion: number
  readonly device: string
  readonly kind: string
  readonly site: string
  readonly street: string
  readonly grid: string
  /** The highest that has held since it fired. */
  readonly severity: Severity
  readonly state: AlarmState
  /** Raised by a reading far behind the gateway's clock: shown, but opens no case (contract §3). */
  readonly stale?: true
  /** Event time, epoch milliseconds: when the condition had held for as long as the rule asks. */
  readonly startedAt: number
  readonly clearedAt: number | null
  /** The most extreme judged value while it fired, and the latest one; null where a rule has no number. */
  readonly peak: number | null
  readonly value: number | null
  readonly case: string | null
}

/** Where the judge puts what the rules say. Both calls are synchronous and join the caller's transaction. */
export interface AlarmBook {
  /** Records the alarm as it now is and opens, joins or annotates its case. The same call twice changes nothing. */
  record(alarm: Omit<Alarm, 'case'>, rule: Rule, now: number): void
  /** Alarms that are firing: what the judge resumes from. */
  firing(): Iterable<Alarm>
}
