import { createHash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../model/clock.ts'
import { ADMIN, type Grant, type User } from '../model/user.ts'
import type { Database } from './database.ts'
import { digest, type Secrets, type StoredSecret } from './secrets.ts'
import type { Users } from './users.ts'

/** A session ends this long after its last use, ms, and … */
const IDLE = 12 * 3_600_000
/** … this long after sign-in, however much it is used. */
const LONGEST = 7 * 24 * 3_600_000
/** Sessions at once; the least used gives way. */
const MOST = 10_000
/** The same of one user: a program that signs in for every request must not send the others away. */
const MOST_OF_USER = 50
/** The last use on disk may be older by so much, ms: a request must not wait for a write. */
const NOTED_EVERY = 10 * 60_000

/** A session as its user may see it. */
export interface SessionView {
  /** Names it; opens nothing. */
  readonly id: string
  readonly startedAt: number
  readonly usedAt: number
  /** Where its user signed in. */
  readonly address: string
  /** The title of the token that it began with. */
  readonly token: string | null
}

interface Session {
  readonly user: string
  /** Of what the user signed in by: it ends with that. */
  readonly mark: string
  readonly token: string | null
  readonly startedAt: number
  readonly address: string
  usedAt: number
  notedAt: number
}

interface Row {
  readonly hash: string
  readonly user: string
  readonly mark: string
  readonly token: string | null
  readonly started: number
  readonly used: number
  readonly address: string
}

export interface SessionsOptions {
  readonly database: Database
  readonly clock: Clock
  readonly users: Pick<Users, 'get' | 'expiryOf' | 'tokens'>
  readonly secrets: Pick<Secrets, 'of'>
  readonly adminToken: string
}

/**
 * Sessions of the console, in memory and in SQLite: a restart in the night must not send two hundred crews back to
 * their passwords. Only a hash of the cookie's value is held, and nothing by which it could be found. A session ends
 * with the secret or the token that it began with, with its user, and when it has run out.
 */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #sessions: LRUCache<string, Session>
  readonly #marks = new WeakMap<StoredSecret, string>()
  readonly #adminMark: string

  constructor(options: SessionsOptions) {
    this.#options = options
    this.#adminMark = markOf(digest(options.adminToken))
    this.#sessions = new LRUCache({
      max: MOST,
      dispose: (_, hash, why) => why === 'evict' && this.#erase(hash),
    })
  }

  load(): void {
    const { database } = this.#options
    database.migrate(
      'sessions-1',
      `CREATE TABLE sessions (
         hash TEXT PRIMARY KEY,
         user TEXT NOT NULL,
         mark TEXT NOT NULL,
         token TEXT,
         started INTEGER NOT NULL,
         used INTEGER NOT NULL,
         address TEXT NOT NULL
       ) STRICT, WITHOUT ROWID`,
    )
    const ended: string[] = []
    for (const row of database.sql.prepare('SELECT * FROM sessions ORDER BY used').iterate()) {
      const { hash, user, mark, token, started, used, address } = row as unknown as Row
      const session = { user, mark, token, startedAt: started, address, usedAt: used, notedAt: used }
      if (this.#holder(session) === undefined) ended.push(hash)
      else this.#sessions.set(hash, session)
    }
    for (const hash of ended) this.#erase(hash)
  }

  /** The cookie's value: 256 random bits. A former one of the same browser ends with it. */
  open(user: User, grant: Grant | null, address: string, former?: string): string {
    const key = randomBytes(32).toString('base64url')
    const now = this.#options.clock.now()
    const mark = this.#markNow(user.name, grant?.token ?? null) ?? ''
    const token = grant?.token ?? null
    const session = { user: user.name, mark, token, startedAt: now, address, usedAt: now, notedAt: now }
    this.#options.database.transaction(() => {
      if (former !== undefined) this.close(former)
      const own = this.#of(user.name)
      for (const [hash] of own.slice(0, Math.max(0, own.length - MOST_OF_USER + 1))) this.#end(hash)
      this.#options.database.sql
        .prepare(
          'INSERT INTO sessions (hash, user, mark, token, started, used, address) VALUES (?, ?, ?, ?, ?, ?, ?)',
        )
        .run(hashOf(key), user.name, mark, token, now, now, address)
      this.#options.database.afterCommit(() => this.#sessions.set(hashOf(key), session))
    })
    return key
  }

  /** Whose session it is, with what rights; undefined once it has ended. */
  find(key: string): { readonly user: User; readonly grant: Grant | null } | 'expired' | undefined {
    const hash = hashOf(key)
    const session = this.#sessions.get(hash)
    if (session === undefined) return undefined
    const holder = this.#holder(session)
    if (holder === undefined) this.#end(hash)
    if (typeof holder !== 'object') return holder
    const now = this.#options.clock.now()
    session.usedAt = now
    if (now - session.notedAt > NOTED_EVERY) {
      session.notedAt = now
      this.#options.database.derive(() => {
        this.#options.database.sql.prepare('UPDATE sessions SET used = ? WHERE hash = ?').run(now, hash)
      })
    }
    return holder
  }

  close(key: string): void {
    this.#end(hashOf(key))
  }

  /** The id by which {@link list} names it. */
  idOf(key: string): string {
    return idOf(hashOf(key))
  }

  /** Last used first. */
  list(user: string): SessionView[] {
    const { tokens } = this.#options.users
    return this.#of(user)
      .filter(([, session]) => typeof this.#holder(session) === 'object')
      .map(([hash, { startedAt, usedAt, address, token }]) => ({
        id: idOf(hash),
        startedAt,
        usedAt,
        address,
        token: token === null ? null : (tokens.get(token)?.title ?? null),
      }))
      .toReversed()
  }

  /** Ends one of a user, or all of them; how many there were. */
  end(user: string, id?: string): number {
    const own = this.#of(user).filter(([hash]) => id === undefined || idOf(hash) === id)
    this.#options.database.transaction(() => {
      for (const [hash] of own) this.#end(hash)
    })
    return own.length
  }

  /** Least recently used first. */
  #of(user: string): [hash: string, session: Session][] {
    return [...this.#sessions.entries()]
      .filter(([, session]) => session.user === user)
      .sort(([, a], [, b]) => a.usedAt - b.usedAt)
  }

  #holder(session: Session): { user: User; grant: Grant | null } | 'expired' | undefined {
    const { clock, users } = this.#options
    const now = clock.now()
    if (now - session.usedAt > IDLE || now - session.startedAt > LONGEST) return undefined
    const user = session.user === ADMIN.name ? ADMIN : users.get(session.user)
    if (user === undefined || this.#markNow(session.user, session.token) !== session.mark) return undefined
    const hasEnded = (expires: number | null) => expires !== null && expires <= now
    if (hasEnded(users.expiryOf(user.name))) return 'expired'
    if (session.token === null) return { user, grant: null }
    const token = users.tokens.get(session.token)
    if (token === undefined) return undefined
    if (hasEnded(token.expires)) return 'expired'
    return { user, grant: { token: token.id, readOnly: token.readOnly } }
  }

  /** Changes when what a session began with changes. */
  #markNow(user: string, token: string | null): string | undefined {
    if (token !== null) return token
    if (user === ADMIN.name) return this.#adminMark
    const stored = this.#options.secrets.of(user)
    if (stored === undefined) return undefined
    const known = this.#marks.get(stored) ?? markOf(stored.hash)
    this.#marks.set(stored, known)
    return known
  }

  #end(hash: string): void {
    if (!this.#sessions.has(hash)) return
    this.#options.database.transaction(() => {
      this.#erase(hash)
      this.#options.database.afterCommit(() => this.#sessions.delete(hash))
    })
  }

  #erase(hash: string): void {
    this.#options.database.transaction(() => {
      this.#options.database.sql.prepare('DELETE FROM sessions WHERE hash = ?').run(hash)
    })
  }
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}

function idOf(hash: string): string {
  return hash.slice(0, 12)
}

/** What is kept of a secret, hashed once more: the row tells whether it is still the same one, and nothing else. */
function markOf(kept: Uint8Array): string {
  return createHash('sha256').update('session').update(kept).digest('base64url').slice(0, 22)
}
