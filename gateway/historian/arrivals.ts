import { delayOf, type Delivery, type StoredReading } from '../model/reading.ts'

interface Newest {
  readonly kind: string
  /** Event time, epoch milliseconds. */
  ts: number
}

/**
 * Notes on readings how they came, for the historian to keep: how long they had been under way, and how far
 * they were behind their device's newest. From these two a back-test knows what was judged, and what was
 * stale, without the order in which everything came in.
 *
 * It follows the journal. Where it begins in its middle, `past` has the deliveries before: they are looked at
 * once a device is heard for the first time that sends what is old. What the journal has dropped by then is
 * not known; a device whose silence was that long is taken to begin anew.
 */
export class Arrivals {
  readonly #past: () => Iterable<Delivery>
  readonly #newest = new Map<string, Newest>()
  #knowsPast = false

  constructor(past: () => Iterable<Delivery>) {
    this.#past = past
  }

  /** In place: nobody else has the delivery. One after another, in the journal's order. */
  note(delivery: Delivery): void {
    if (!this.#knowsPast && this.#isStrange(delivery)) {
      this.#knowsPast = true
      for (const past of this.#past()) this.#take(past)
    }
    const { receivedAt, readings } = delivery
    const newest = this.#newestOf(delivery).ts
    for (const reading of readings) {
      const open = reading as { -readonly [K in keyof StoredReading]: StoredReading[K] }
      const delay = delayOf(reading, receivedAt)
      if (delay !== 0) open.delay = delay
      // Behind what came before the message: the parts of one are put in order before they are judged.
      if (reading.ts < newest) open.behind = newest - reading.ts
    }
    this.#take(delivery)
  }

  /** What comes at once cannot be late, whatever came before. */
  #isStrange({ origin, receivedAt, readings }: Delivery): boolean {
    return !this.#newest.has(origin.device) && readings.some((reading) => delayOf(reading, receivedAt) > 0)
  }

  #take(delivery: Delivery): void {
    const newest = this.#newestOf(delivery)
    for (const { ts } of delivery.readings) if (ts > newest.ts) newest.ts = ts
  }

  /** A device that has become one of another kind begins anew. */
  #newestOf({ origin: { device, kind } }: Delivery): Newest {
    const known = this.#newest.get(device)
    if (known?.kind === kind) return known
    const first = { kind, ts: -Infinity }
    this.#newest.set(device, first)
    return first
  }
}
