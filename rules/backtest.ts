import type { Alarm } from '../gateway/model/alarm.ts'
import { DURATION_PATTERN, durationMs } from '../gateway/model/duration.ts'
import type { Recorded } from '../gateway/model/pipeline.ts'
import { arrivalOf, type Origin } from '../gateway/model/reading.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { alarmOf } from './alarm-of.ts'
import { DeviceState, type Bounds, type Finding } from './device-state.ts'
import { advance, follow, observe, refresh } from './engine.ts'
import type { Attributes } from './local.ts'
import type { Plan } from './plan.ts'

/** What the rules said, and when. */
export interface Change {
  readonly alarm: Omit<Alarm, 'case'>
  readonly rule: Rule
  /** Event time of the judgement, epoch milliseconds. */
  readonly at: number
  /** How much later than that the gateway came to know, ms. */
  readonly delay: number
}

const nothing: readonly Change[] = []

/**
 * One device's history, judged again by the engine that judges live. Readings of one device come in order of
 * time, and those that came too late are known by their note: so nothing is ever corrected, and the alarms are
 * those that stood live once the lateness bound had passed. Rules that look at several devices are given the
 * readings as they came in, for the bound is that of all of them together. Pure, like the engine.
 */
export class Replay {
  /** The device's readings that came later than the bound. */
  late = 0
  readonly #state: DeviceState
  readonly #bounds: Bounds
  /** Whether it looks at nobody else. */
  readonly #isAlone: boolean
  #origin: Origin

  /** `attributes` and `origin`: the device's, as they are now; what they were then only its readings know. */
  constructor(origin: Origin, plan: Plan, bounds: Bounds, attributes?: Attributes) {
    this.#state = new DeviceState(origin.device, plan, bounds, attributes)
    this.#bounds = bounds
    this.#isAlone = plan.sources.length === 1
    this.#origin = origin
  }

  /** The next reading; `source` as {@link observe} has it, always 0 where the plan has but one. */
  take({ origin, reading }: Recorded, source = 0): readonly Change[] {
    const { ts, behind = 0 } = reading
    const receivedAt = arrivalOf(reading)
    if (behind > this.#bounds.latenessMs) {
      if (source === 0) this.late++
      return nothing
    }
    if (source === 0) this.#origin = origin
    const found = this.#isAlone
      ? follow(this.#state, reading, receivedAt)
      : observe(this.#state, [reading], receivedAt, source)
    return found.length === 0 ? nothing : this.#changes(found, ts, receivedAt - ts)
  }

  /** No further reading until `now`, by the gateway's clock: timers that have run out by then, and last values. */
  end(now: number): readonly Change[] {
    return this.#changes([...advance(this.#state, now), ...refresh(this.#state)], now, 0)
  }

  #changes(found: readonly Finding[], at: number, delay: number): readonly Change[] {
    const origin = this.#origin
    return found.map((finding) => ({ alarm: alarmOf(finding, origin), rule: finding.rule, at, delay }))
  }
}

const LEAST_WARM_UP_MS = 86_400_000
const duration = new RegExp(DURATION_PATTERN)

/**
 * How long before a stretch its replay has to begin, ms, for windows to be full and clocks to run as they did:
 * as long as the longest of the rules can look back, a day at least. An alarm that had been firing for longer
 * than this, between its limit and that for clearing, is not known.
 */
export function warmUpMs(rules: readonly Rule[]): number {
  const looksBack = rules.map((rule) => durationsIn([rule.severity, rule.for, rule.clear]))
  return Math.max(LEAST_WARM_UP_MS, ...looksBack)
}

/** Sum of all durations that are written anywhere in it. */
function durationsIn(part: unknown): number {
  if (typeof part === 'string') return duration.test(part) ? durationMs(part) : 0
  if (typeof part !== 'object' || part === null) return 0
  return Object.values(part).reduce<number>((sum, inner) => sum + durationsIn(inner), 0)
}
