import { setTimeout as wait } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { Allowance } from '../model/allowance.ts'
import type { Clock } from '../model/clock.ts'
import { MESSAGE_LIMIT } from '../model/reading.ts'
import type { Caller } from './auth.ts'
import { Problem } from './problem.ts'

/** A request that would have to wait longer is refused, ms. */
const LONGEST_WAIT = 2000
/** Devices that are remembered; one that comes back after so many others starts afresh. */
const REMEMBERED = 10_000

/**
 * `mqtt.messagesPerSecond` for devices that hand in readings over HTTP: a request counts as one message for each
 * 1,000 readings in it. A device that is faster has to wait, its body unread; one that sends more and more requests
 * at once is refused. Admins are trusted to know what they do.
 */
export class HandInRate {
  readonly #perSecond: number
  readonly #clock: Clock
  readonly #allowances = new LRUCache<string, Allowance>({ max: REMEMBERED })

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
  }

  /** Before the body is read: resolves when the device may go on, rejects with `too_many_requests`. */
  async admit(caller: Caller): Promise<void> {
    if (caller.type !== 'device') return
    const allowance = this.#of(caller.device)
    const delay = allowance.spend(1, this.#clock.now())
    if (delay === 0) return
    if (delay > LONGEST_WAIT) {
      allowance.spend(-1, this.#clock.now())
      throw new Problem('too_many_requests', `at most ${this.#perSecond} messages a second`)
    }
    await wait(delay)
  }

  /** Once it is known how much there is in an admitted request: what is over is the next one's to wait for. */
  charge(caller: Caller, readings: number): void {
    if (caller.type !== 'device' || readings <= MESSAGE_LIMIT) return
    this.#of(caller.device).spend(Math.ceil(readings / MESSAGE_LIMIT) - 1, this.#clock.now())
  }

  #of(device: string): Allowance {
    let allowance = this.#allowances.get(device)
    if (allowance === undefined) {
      allowance = new Allowance(this.#perSecond, this.#clock.now())
      this.#allowances.set(device, allowance)
    }
    return allowance
  }
}
