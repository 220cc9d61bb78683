import type { Rule } from './rule.ts'

/** Rising (contract §3). */
export const SEVERITIES = ['blue', 'yellow', 'orange', 'red'] as const
export type Severity = (typeof SEVERITIES)[number]

export type AlarmState = 'firing' | 'cleared' | 'withdrawn'

/**
 * Why the gateway cleared an alarm whose own condition had not: the rule is no more, or no longer about the device's
 * kind; the device is no more, or of another kind; or the judge's memory of it was lost with a damaged disk.
 */
export const ALARM_ENDS = ['rule_removed', 'device_removed', 'device_changed', 'state_lost'] as const
export type AlarmEnd = (typeof ALARM_ENDS)[number]

export interface Alarm {
  /**
   * `{device}~{rule}~{startedAt}`: the same whenever the same history is replayed. A late reading that moves
   * the start therefore withdraws one alarm and fires another, and the newest word on an id always counts,
   * also when a withdrawn one fires after all.
   */
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
  /**
   * Every reading behind it was far behind the gateway's clock: shown, but opens no case (contract §3). Gone
   * once a fresh reading confirms the alarm; then it does open its case.
   */
  readonly stale?: true
  /** Of a device that was marked as simulated when the alarm was first recorded. */
  readonly simulated?: true
  /** Event time, epoch milliseconds: when the condition had held for as long as the rule asks. */
  readonly startedAt: number
  readonly clearedAt: number | null
  /** Of a cleared alarm whose condition did not end by itself. */
  readonly reason?: AlarmEnd
  /** The most extreme judged value while it fired, and the latest one; null where a rule has no number. */
  readonly peak: number | null
  readonly value: number | null
  readonly case: string | null
}

/** Where the judge puts what the rules say. Both calls are synchronous and join the caller's transaction. */
export interface AlarmBook {
  /**
   * Records the alarm as it now is and opens, joins or annotates its case. The same call twice changes
   * nothing; a call that brings only a new `value` or `peak` is not a change of state.
   */
  record(alarm: Omit<Alarm, 'case' | 'simulated'>, rule: Rule, now: number): void
  /** Alarms that are firing: what the judge resumes from. */
  firing(): Iterable<Alarm>
}
