import type { Change } from '../../rules/backtest.ts'
import type { Rule } from '../model/rule.ts'
import { isForDispatch, type Finding } from '../dispatch/opening.ts'

/** An alarm of a back-test. */
export interface LoggedAlarm {
  readonly alarm: Finding
  readonly rule: Rule
  /** When it first asked for a crew, by the gateway's clock, epoch milliseconds; null when it never did. */
  readonly calledAt: number | null
}

/** More than anybody reads, or sends out: the rules are wrong, or the stretch is too long. */
const LIMIT = 250_000

/** The rules raise more alarms than a back-test holds in memory. */
export class TooManyAlarms extends Error {
  override readonly name = 'TooManyAlarms'

  constructor() {
    super(
      `the rules raise more than ${LIMIT} alarms: take a shorter stretch, fewer devices or less eager rules`,
    )
  }
}

/** The alarms that began within a stretch, each as it was after its last change. */
export class AlarmLog {
  readonly #from: number
  readonly #to: number
  readonly #alarms = new Map<string, LoggedAlarm>()
  readonly #firing = new Set<string>()

  /** By `startedAt`: `from` inclusive, `to` exclusive. */
  constructor(from: number, to: number) {
    this.#from = from
    this.#to = to
  }

  /** Whether any alarm of the log is firing as far as is known. */
  get isFiring(): boolean {
    return this.#firing.size > 0
  }

  note({ alarm, rule, at, delay }: Change): void {
    const { id, startedAt, state } = alarm
    if (startedAt < this.#from || startedAt >= this.#to) return
    if (state === 'withdrawn') {
      this.#alarms.delete(id)
      this.#firing.delete(id)
      return
    }
    const before = this.#alarms.get(id)
    // What was not known before has been said when it began: a timer may have run out since the last reading.
    const saidAt = (before === undefined ? startedAt : at) + delay
    const calledAt = before?.calledAt ?? (isForDispatch(alarm, rule) ? saidAt : null)
    this.#alarms.set(id, { alarm, rule, calledAt })
    if (state === 'firing') this.#firing.add(id)
    else this.#firing.delete(id)
    if (this.#alarms.size > LIMIT) throw new TooManyAlarms()
  }

  /** What still fires will not be followed any further. */
  leave(): void {
    this.#firing.clear()
  }

  /** In the order in which they were first heard of. */
  all(): readonly LoggedAlarm[] {
    return [...this.#alarms.values()]
  }
}

/** By start, then by id. Throws {@link TooManyAlarms}. */
export function inOrder(alarms: readonly LoggedAlarm[]): readonly LoggedAlarm[] {
  if (alarms.length > LIMIT) throw new TooManyAlarms()
  return alarms.toSorted(({ alarm: a }, { alarm: b }) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
}
