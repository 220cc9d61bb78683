import { randomBytes } from 'node:crypto'
import { DateTime } from 'luxon'
import type { Along, Database } from './database.ts'
import { RegistryError } from './registry-error.ts'
import { digest } from './secrets.ts'

/**
 * A token is a second key of a user, for one program or phone: it has a title, an end, and opens what its user may
 * open, or only lets it look. 256 random bits behind a prefix of its own, by which scanners find leaked ones and by
 * which it is told from a secret (`gw_`). Only its SHA-256 is kept.
 */
const PREFIX = 'gwt_'
const form = /^gwt_[A-Za-z0-9_-]{43}$/

/** Longest life, ms: whoever needs one for longer looks at it once a year. */
const LONGEST = 400 * 86_400_000
/** Of one user, those that have ended included. */
const MOST = 50
/** One that has ended is still told from one that never was for so long, ms. */
const REMEMBERED = 30 * 86_400_000

export interface Token {
  /** Names it in lists and in the audit; opens nothing. */
  readonly id: string
  readonly user: string
  readonly title: string
  readonly readOnly: boolean
  readonly createdAt: number
  readonly expires: number
  /** The day in Asia/Shanghai on which it was last used: enough to tell which one nobody needs. */
  readonly lastUsed: string | null
}

export interface NewToken {
  readonly title: string
  /** Epoch ms. */
  readonly expires: number
  readonly readOnly: boolean
}

interface Row {
  readonly id: string
  readonly user: string
  readonly title: string
  readonly digest: Uint8Array
  readonly read_only: number
  readonly created: number
  readonly expires: number
  readonly last_used: string | null
}

export function isTokenText(text: string): boolean {
  return form.test(text)
}

/** Tokens of users: in memory and in SQLite. {@link Users} owns them, for they go with their user. */
export class Tokens {
  readonly #database: Database
  readonly #byId = new Map<string, Token>()
  readonly #idByDigest = new Map<string, string>()
  readonly #listeners: ((token: Token) => void)[] = []

  constructor(database: Database) {
    this.#database = database
  }

  load(): void {
    this.#database.migrate(
      'tokens-1',
      `CREATE TABLE tokens (
         id TEXT PRIMARY KEY,
         user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
         title TEXT NOT NULL,
         digest BLOB NOT NULL UNIQUE,
         read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
         created INTEGER NOT NULL,
         expires INTEGER NOT NULL,
         last_used TEXT
       ) STRICT, WITHOUT ROWID;
       CREATE INDEX tokens_by_user ON tokens (user)`,
    )
    for (const row of this.#database.sql.prepare('SELECT * FROM tokens').iterate()) {
      const { id, user, title, digest: hash, read_only, created, expires, last_used } = row as unknown as Row
      const readOnly = read_only === 1
      this.#remember({ id, user, title, readOnly, createdAt: created, expires, lastUsed: last_used }, hash)
    }
  }

  get(id: string): Token | undefined {
    return this.#byId.get(id)
  }

  /** Whose it is and what it may, ended or not. */
  named(text: string): Token | undefined {
    if (!isTokenText(text)) return undefined
    const id = this.#idByDigest.get(digest(text).toString('base64'))
    return id === undefined ? undefined : this.#byId.get(id)
  }

  /** Oldest first. */
  of(user: string): Token[] {
    return [...this.#byId.values()]
      .filter((token) => token.user === user)
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
  }

  all(): Iterable<Token> {
    return this.#byId.values()
  }

  /** The text is shown once and kept nowhere. The user must exist. */
  create(
    user: string,
    { title, expires, readOnly }: NewToken,
    now: number,
    along?: (token: Token) => void,
  ): { token: Token; text: string } {
    if (title.trim() === '' || title.length > 100) throw invalid('title: expected 1 to 100 characters')
    if (!(expires > now && expires <= now + LONGEST)) {
      throw invalid(`expires: ${expires}; expected a time within ${LONGEST / 86_400_000} days from now`)
    }
    const text = PREFIX + randomBytes(32).toString('base64url')
    const hash = digest(text)
    const id = randomBytes(9).toString('base64url')
    const token = { id, user, title, readOnly, createdAt: now, expires, lastUsed: null }
    this.#database.transaction(() => {
      if (this.of(user).length - this.#dropEnded(user, now) >= MOST) {
        throw new RegistryError('exists', `"${user}" has ${MOST} tokens already; revoke one first`)
      }
      this.#database.sql
        .prepare(
          'INSERT INTO tokens (id, user, title, digest, read_only, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)',
        )
        .run(id, user, title, hash, readOnly ? 1 : 0, now, expires)
      this.#database.afterCommit(() => this.#remember(token, hash))
      along?.(token)
    })
    return { token, text }
  }

  /** It opens nothing from here on. */
  revoke(user: string, id: string, along?: Along): void {
    const token = this.#byId.get(id)
    if (token === undefined || token.user !== user) {
      throw new RegistryError('not_found', `"${user}" has no token ${JSON.stringify(id)}`)
    }
    this.#database.transaction(() => {
      this.#delete(token)
      along?.()
    })
  }

  /** Those of a user who goes. Joins the caller's transaction. */
  removeAll(user: string): void {
    for (const token of this.of(user)) this.#delete(token)
  }

  /** Noted by the day, without a wait for the disk. */
  used(token: Token, now: number): void {
    const day = DateTime.fromMillis(now, { zone: 'Asia/Shanghai' }).toISODate()
    const known = this.#byId.get(token.id)
    if (known === undefined || known.lastUsed === day) return
    this.#database.derive(() => {
      this.#database.sql.prepare('UPDATE tokens SET last_used = ? WHERE id = ?').run(day, token.id)
    })
    this.#byId.set(token.id, { ...known, lastUsed: day })
  }

  /** Told after the commit that a token was revoked, or went with its user. */
  onRevoked(listener: (token: Token) => void): void {
    this.#listeners.push(listener)
  }

  /** How many went. */
  #dropEnded(user: string, now: number): number {
    const ended = this.of(user).filter(({ expires }) => expires + REMEMBERED < now)
    for (const token of ended) this.#delete(token)
    return ended.length
  }

  #delete(token: Token): void {
    this.#database.transaction(() => {
      this.#database.sql.prepare('DELETE FROM tokens WHERE id = ?').run(token.id)
      this.#database.afterCommit(() => {
        this.#byId.delete(token.id)
        for (const [hash, id] of this.#idByDigest) if (id === token.id) this.#idByDigest.delete(hash)
        for (const listener of this.#listeners) listener(token)
      })
    })
  }

  #remember(token: Token, hash: Uint8Array): void {
    this.#byId.set(token.id, token)
    this.#idByDigest.set(Buffer.from(hash).toString('base64'), token.id)
  }
}

function invalid(message: string): RegistryError {
  return new RegistryError('invalid', message)
}
