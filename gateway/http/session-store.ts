import { createHash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../model/clock.ts'
import type { User } from '../model/user.ts'
import type { Secrets, StoredSecret } from '../registry/secrets.ts'

/** A session ends this long after its last use, ms, and … */
const IDLE = 12 * 3_600_000
/** … this long after sign-in, however much it is used. */
const LONGEST = 7 * 24 * 3_600_000
/** Sessions at once; the least used gives way. */
const MOST = 10_000

interface Session {
  readonly user: User
  /** What the user signed in against; undefined for the admin token. Another object once it changes. */
  readonly secret: StoredSecret | undefined
  readonly startedAt: number
  usedAt: number
}

/**
 * Sessions of the console, in memory: a restart ends them all, so a rotated admin token or secret ends them
 * too. Only a hash of the cookie's value is held.
 */
export class SessionStore {
  readonly #clock: Clock
  readonly #secrets: Pick<Secrets, 'of'>
  readonly #sessions = new LRUCache<string, Session>({ max: MOST })

  constructor(clock: Clock, secrets: Pick<Secrets, 'of'>) {
    this.#clock = clock
    this.#secrets = secrets
  }

  /** The cookie's value: 256 random bits. */
  open(user: User): string {
    const key = randomBytes(32).toString('base64url')
    const now = this.#clock.now()
    this.#sessions.set(hash(key), {
      user,
      secret: this.#secrets.of(user.name),
      startedAt: now,
      usedAt: now,
    })
    return key
  }

  /** Whose session it is; undefined once it has run out, or its user's secret has changed or is gone. */
  find(key: string): User | undefined {
    const id = hash(key)
    const session = this.#sessions.get(id)
    if (session === undefined) return undefined
    const now = this.#clock.now()
    const ranOut = now - session.usedAt > IDLE || now - session.startedAt > LONGEST
    if (ranOut || this.#secrets.of(session.user.name) !== session.secret) {
      this.#sessions.delete(id)
      return undefined
    }
    session.usedAt = now
    return session.user
  }

  close(key: string): void {
    this.#sessions.delete(hash(key))
  }
}

function hash(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}
