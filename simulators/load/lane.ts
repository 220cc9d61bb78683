/** One device's way into the gateway, with a fixed number of messages that may wait for their acknowledgement. */
export interface Lane {
  readonly device: string
  /** Resolves when it may send. */
  open(): Promise<void>
  /**
   * Hands over a message that should go out at `intendedAt` (performance.now()). It waits its turn when
   * every slot is taken, and its latency counts from `intendedAt` all the same: a stalled gateway must not
   * slow the clock that measures it.
   */
  offer(intendedAt: number): void
  close(): void
  /** Nothing can be sent any more. */
  readonly ended: boolean
}

export interface LaneListener {
  onSent(lane: Lane): void
  onAcked(lane: Lane, latency: number): void
  /** A message was refused, or the connection ended before it was closed. */
  onError(lane: Lane, reason: string): void
}

/** Messages in the order in which they should have gone out. */
export class Waiting {
  #times: number[] = []
  #head = 0

  get length(): number {
    return this.#times.length - this.#head
  }

  push(intendedAt: number): void {
    this.#times.push(intendedAt)
  }

  shift(): number {
    const time = this.#times[this.#head++]!
    // Dropped in one go now and then: Array#shift would copy the queue each time.
    if (this.#head > 1024 && this.#head * 2 > this.#times.length) {
      this.#times = this.#times.slice(this.#head)
      this.#head = 0
    }
    return time
  }
}

/**
 * Times of a device, each used once: two readings of a device never share their millisecond. A device that
 * sends more than 1,000 readings a second for long therefore runs ahead of the clock; spread such a load over
 * more devices.
 */
export class Instants {
  #next = 0

  /** The first of `count` consecutive milliseconds. */
  take(count: number): number {
    const first = Math.max(this.#next, Date.now())
    this.#next = first + count
    return first
  }
}
