import type { Delivery, Origin, Reading } from '../model/reading.ts'

/** The newest reading of a device, as pages and event streams show it. */
export interface LiveReading extends Origin, Reading {
  readonly receivedAt: number
}

interface Newest {
  readonly origin: Origin
  readonly reading: Reading
  readonly receivedAt: number
}

/**
 * The newest reading of each device, and which of them have changed since they were last told. A device
 * that sends faster than its turn comes is told with its newest reading only, so telling costs the same
 * however much comes in. Memory: one reading for each registered device.
 */
export class LiveReadings {
  readonly #newest = new Map<string, Newest>()
  readonly #changed = new Set<string>()

  /** On the intake's path: takes note, does not work. */
  note(deliveries: readonly Delivery[]): void {
    for (const { origin, receivedAt, readings } of deliveries) {
      const reading = readings.at(-1)
      if (reading === undefined) continue
      // A late reading is history, not the present.
      if ((this.#newest.get(origin.device)?.reading.ts ?? -Infinity) > reading.ts) continue
      this.#newest.set(origin.device, { origin, reading, receivedAt })
      this.#changed.add(origin.device)
    }
  }

  get(device: string): LiveReading | undefined {
    const newest = this.#newest.get(device)
    return newest && shown(newest)
  }

  forget(device: string): void {
    this.#newest.delete(device)
    this.#changed.delete(device)
  }

  /** At most `most` devices that changed, those that have waited longest first. */
  take(most: number): LiveReading[] {
    const taken: LiveReading[] = []
    for (const device of this.#changed) {
      if (taken.length === most) break
      this.#changed.delete(device)
      taken.push(shown(this.#newest.get(device)!))
    }
    return taken
  }
}

function shown({ origin, reading, receivedAt }: Newest): LiveReading {
  return { ...origin, ...reading, receivedAt }
}
