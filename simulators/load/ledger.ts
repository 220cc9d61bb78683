import { setTimeout as sleep } from 'node:timers/promises'

/** What the gateway's own ledger (contract §5) says of the time between two moments, readings. */
export interface LedgerChange {
  readonly received: number
  readonly accepted: number
  readonly duplicates: number
  readonly quarantined: number
  readonly stored: number
  /** Accepted, but too far behind their device's newest to be judged: out of order. */
  readonly late: number
}

interface Ledger extends LedgerChange {
  readonly pending: number
}

/** At rest when nothing has come for this long, ms. */
const REST = 2_000
/** The historian may take this long to store what waits, ms. */
const STORING = 60_000

/** Looks at the ledger before and after. What others send meanwhile is in it too. */
export class LedgerWatch {
  readonly #url: string
  readonly #token: string
  #before: Ledger | undefined

  constructor(httpUrl: string, token: string) {
    this.#url = httpUrl
    this.#token = token
  }

  /** Answers how many readings had been accepted: nothing of what comes now has a lower number in the journal. */
  async start(): Promise<number> {
    this.#before = await this.#read()
    return this.#before.accepted
  }

  /** Waits until so many have been received, or nothing more comes. */
  async change(expected: number): Promise<LedgerChange> {
    return await this.#settled(({ received }) => received >= expected, REST)
  }

  /** Waits until everything that was accepted is stored, or no more is. */
  async stored(): Promise<LedgerChange> {
    return await this.#settled(({ pending }) => pending === 0, STORING)
  }

  async #settled(isDone: (change: Ledger) => boolean, patience: number): Promise<LedgerChange> {
    let change = this.#since(await this.#read())
    let movedAt = performance.now()
    while (!isDone(change) && performance.now() - movedAt < patience) {
      await sleep(100)
      const next = this.#since(await this.#read())
      if (next.received !== change.received || next.pending !== change.pending) movedAt = performance.now()
      change = next
    }
    const { received, accepted, duplicates, quarantined, stored, late } = change
    return { received, accepted, duplicates, quarantined, stored, late }
  }

  #since(now: Ledger): Ledger {
    const before = this.#before!
    return {
      received: now.received - before.received,
      accepted: now.accepted - before.accepted,
      duplicates: now.duplicates - before.duplicates,
      quarantined: now.quarantined - before.quarantined,
      stored: now.stored - before.stored,
      late: now.late - before.late,
      pending: now.pending,
    }
  }

  async #read(): Promise<Ledger> {
    const response = await fetch(new URL('/api/v1/ledger', this.#url), {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(30_000),
    })
    if (response.status === 429) {
      // Devices that were registered just now have used up what one address may ask in a second.
      await sleep(1000)
      return await this.#read()
    }
    if (!response.ok) throw new Error(`the ledger cannot be read (${response.status})`)
    return (await response.json()) as Ledger
  }
}
