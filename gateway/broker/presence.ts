import type { Clock } from '../model/clock.ts'

/**
 * Which devices are here: from sign-in until the last connection closes, unless they say otherwise on `status`.
 * Each change is told once, and retained on `v1/{device}/status`.
 */
export class Presence {
  readonly #online = new Set<string>()
  readonly #onStatus: (device: string, online: boolean, at: number) => void
  readonly #retain: (topic: string, payload: string) => void
  readonly #clock: Clock

  constructor(
    onStatus: (device: string, online: boolean, at: number) => void,
    retain: (topic: string, payload: string) => void,
    clock: Clock,
  ) {
    this.#onStatus = onStatus
    this.#retain = retain
    this.#clock = clock
  }

  set(device: string, online: boolean): void {
    if (this.#online.has(device) === online) return
    if (online) this.#online.add(device)
    else this.#online.delete(device)
    this.#onStatus(device, online, this.#clock.now())
    this.#retain(`v1/${device}/status`, JSON.stringify({ online }))
  }

  /** After a start nobody is here yet, whatever the last run left retained. */
  settle(retained: Iterable<{ readonly topic: string; readonly payload: Buffer | string }>): void {
    for (const { topic, payload } of Array.from(retained)) {
      if (payload.toString() !== '{"online":true}') continue
      const device = topic.split('/')[1]!
      this.#online.add(device)
      this.set(device, false)
    }
  }
}
