import type { ExpectedAlarm } from './truth.ts'

/** An alarm as `GET /api/v1/alarms` shows it, as far as a score needs it. */
export interface ScoredAlarm {
  readonly id: string
  readonly rule: string
  readonly device: string
  readonly state: string
  readonly severity: string
  readonly startedAt: number
  readonly clearedAt: number | null
}

export interface Score {
  /** Alarms that had to come, and those of them that came in time. */
  readonly expected: number
  readonly found: number
  /** Alarms that came and that anything in the truth explains, and those that nothing does. */
  readonly explained: number
  readonly missed: readonly Miss[]
  readonly false: readonly ScoredAlarm[]
  /** 1 when nothing was expected, or nothing came. */
  readonly recall: number
  readonly precision: number
  /** From the beginning of what was expected to its alarm, ms; median and longest, null without any. */
  readonly delay: { readonly median: number; readonly longest: number } | null
}

export interface Miss extends ExpectedAlarm {
  /** When an alarm came after all, though too late. */
  readonly came: number | null
}

/**
 * Holds the gateway's alarms against the truth. An expectation is met by an alarm of its rule and device that fires at
 * some moment between its beginning and its deadline; an alarm is explained by any expectation of its rule and device
 * whose window it begins in, or that it met. Withdrawn alarms never were; what may come counts neither way.
 */
export function score(expected: readonly ExpectedAlarm[], alarms: readonly ScoredAlarm[]): Score {
  const told = alarms.filter(({ state }) => state !== 'withdrawn')
  const explained = new Set<ScoredAlarm>()
  const allowed = new Set<ScoredAlarm>()
  const missed: Miss[] = []
  const delays: number[] = []
  for (const expectation of expected) {
    const { rule, device, from, by, until, may } = expectation
    const own = told.filter((alarm) => alarm.rule === rule && alarm.device === device)
    const within = own.filter(({ startedAt }) => startedAt >= from && startedAt <= until)
    for (const alarm of within) (may ? allowed : explained).add(alarm)
    if (may) continue
    const first = own
      .filter(({ startedAt, clearedAt }) => startedAt <= until && (clearedAt ?? Infinity) >= from)
      .toSorted((a, b) => a.startedAt - b.startedAt)[0]
    if (first !== undefined && first.startedAt <= by) delays.push(Math.max(0, first.startedAt - from))
    else missed.push({ ...expectation, came: first?.startedAt ?? null })
  }
  const required = delays.length + missed.length
  const wrong = told.filter((alarm) => !explained.has(alarm) && !allowed.has(alarm))
  const judged = explained.size + wrong.length
  delays.sort((a, b) => a - b)
  return {
    expected: required,
    found: delays.length,
    explained: explained.size,
    missed,
    false: wrong,
    recall: required === 0 ? 1 : delays.length / required,
    precision: judged === 0 ? 1 : explained.size / judged,
    delay:
      delays.length === 0
        ? null
        : { median: delays[delays.length >> 1]!, longest: delays[delays.length - 1]! },
  }
}
