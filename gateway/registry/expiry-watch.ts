import type { Clock } from '../model/clock.ts'
import type { Part } from '../model/pipeline.ts'
import type { Users } from './users.ts'

/** How often, ms: a connection outlives its right by so much at most. Requests ask the clock themselves. */
const EVERY = 1000

/** Told once for each user and each token whose time has come, so that live connections end with their right. */
export class ExpiryWatch implements Part {
  readonly #users: Users
  readonly #clock: Clock
  readonly #onUser: (name: string) => void
  readonly #onToken: (id: string) => void
  #lookedAt: number
  #timer: NodeJS.Timeout | undefined

  constructor(users: Users, clock: Clock, onUser: (name: string) => void, onToken: (id: string) => void) {
    this.#users = users
    this.#clock = clock
    this.#onUser = onUser
    this.#onToken = onToken
    this.#lookedAt = Number.NEGATIVE_INFINITY
  }

  async start(): Promise<void> {
    this.look()
    this.#timer = setInterval(() => this.look(), EVERY)
  }

  /** A clock that was set back and comes again tells again, which does no harm. */
  look(): void {
    const now = this.#clock.now()
    const since = Math.min(this.#lookedAt, now)
    this.#lookedAt = now
    const isNew = (expires: number) => expires > since && expires <= now
    for (const [name, expires] of this.#users.expiring()) if (isNew(expires)) this.#onUser(name)
    for (const { id, expires } of this.#users.tokens.all()) if (isNew(expires)) this.#onToken(id)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
  }
}
