import type { Retention } from './protocol.ts'

/** Where each consumer stands, on the main thread: ahead of what is on disk by a second at most. */
export class Cursors {
  readonly #positions = new Map<string, { next: number; rejected: number }>()
  /** Consumers of this run: only they hold readings back. */
  readonly #known = new Set<string>()
  readonly #moved = new Set<string>()

  /** As found on disk. */
  load(
    cursors: Iterable<{ readonly consumer: string; readonly next: number; readonly rejected: number }>,
  ): void {
    for (const { consumer, next, rejected } of cursors) this.#positions.set(consumer, { next, rejected })
  }

  register(consumer: string): void {
    this.#known.add(consumer)
  }

  knows(consumer: string): boolean {
    return this.#known.has(consumer)
  }

  /** Readings that the consumer's store can never take. */
  rejected(consumer: string): number {
    return this.#positions.get(consumer)?.rejected ?? 0
  }

  /** An unknown consumer starts at the tail; so does one whose readings are no longer held. */
  next(consumer: string, tail: number): number {
    return Math.max(this.#positions.get(consumer)?.next ?? tail, tail)
  }

  /** Never backwards. `rejected` have been committed already. */
  advance(consumer: string, next: number, rejected: number): void {
    const position = this.#positions.get(consumer)
    if (position === undefined) this.#positions.set(consumer, { next, rejected })
    else {
      position.next = Math.max(position.next, next)
      position.rejected += rejected
    }
    this.#moved.add(consumer)
  }

  /** Cursors that moved since the last call, to be written. */
  takeMoved(): { consumer: string; next: number; rejected: readonly [] }[] {
    const moves = Array.from(this.#moved, (consumer) => ({
      consumer,
      next: this.#positions.get(consumer)!.next,
      rejected: [] as const,
    }))
    this.#moved.clear()
    return moves
  }

  /** They could not be written: they go with the next ones. */
  putBack(): void {
    for (const consumer of this.#known) if (this.#positions.has(consumer)) this.#moved.add(consumer)
  }

  /** Every consumer of this run is past the readings below. */
  slowest(tail: number): Retention['below'] {
    let slowest = Number.MAX_SAFE_INTEGER
    for (const consumer of this.#known) slowest = Math.min(slowest, this.next(consumer, tail))
    return slowest
  }
}
