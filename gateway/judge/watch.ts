import { alarmOf } from '../../rules/alarm-of.ts'
import type { DeviceState, Finding } from '../../rules/device-state.ts'
import { nextDue } from '../../rules/engine.ts'
import type { Alarm, AlarmEnd } from '../model/alarm.ts'
import type { Origin } from '../model/reading.ts'
import type { Schedule } from './schedule.ts'

/** Rules that look at other devices too are judged in a state of their own (`rules/links.ts`). */
export type Part = 'own' | 'linked'

/** By which a part of a device, or of a kind, is known. No id and no kind has a `~`. */
export function nameOf(part: Part, of: string): string {
  return part === 'own' ? of : `${of}~linked`
}

/** A device under watch, or that part of it which looks at others: its tags, its state, and what the judge has yet to do about it. */
export class Watch {
  readonly part: Part
  readonly name: string
  origin: Origin
  state: DeviceState
  /** Readings below this number are in the state already; for what is replayed after a start. */
  readonly covered: number
  /** First reading that its saved state does not hold; null when it holds all. */
  unsavedFrom: number | null = null
  /** When the schedule will come back to it; Infinity when it will not. */
  #awaited = Infinity

  constructor(part: Part, origin: Origin, state: DeviceState, covered: number) {
    this.part = part
    this.name = nameOf(part, origin.device)
    this.origin = origin
    this.state = state
    this.covered = covered
  }

  /**
   * Has the schedule come back when the next timer is due; silence does not count before `absentFrom`. Only an
   * earlier time makes a new entry: most readings move the timers of `absent` further away, at no cost.
   */
  await(schedule: Schedule<Watch>, absentFrom: number): void {
    const time = nextDue(this.state, absentFrom)
    if (time >= this.#awaited) return
    this.#awaited = time
    schedule.add(time, this)
  }

  /** Whether an entry of the schedule is the one that was meant last. */
  answers(time: number): boolean {
    if (time !== this.#awaited) return false
    this.#awaited = Infinity
    return true
  }

  alarmOf(finding: Finding, reason?: AlarmEnd): Omit<Alarm, 'case'> {
    return alarmOf(finding, this.origin, reason)
  }
}
