import { createHash, randomBytes } from 'node:crypto'
import type { Database } from './database.ts'
import { RegistryError } from './registry-error.ts'
import type { SlowHash } from './slow-hash.ts'

/**
 * A generated secret: 256 random bits behind a prefix by which scanners find leaked ones. Nobody can search
 * 2^256 values, so a fast hash keeps it as safe as a slow one would, and without a salt it can be looked up
 * by its hash alone. The look-up need not be constant in time: what it could leak is about a hash that
 * the caller cannot steer.
 *
 * A secret of this form that comes from elsewhere (a list from another gateway) is treated as generated:
 * only programs write such secrets.
 */
const PREFIX = 'gw_'
const generated = /^gw_[A-Za-z0-9_-]{43}$/

export function generateSecret(): string {
  return PREFIX + randomBytes(32).toString('base64url')
}

export function isGenerated(secret: string): boolean {
  return generated.test(secret)
}

export function digest(secret: string | Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest()
}

/**
 * Length of a secret that a person chose, in bytes of UTF-8. Four is what a PIN has; guessing is slowed down where
 * they are checked.
 */
const CHOSEN = { shortest: 4, longest: 256 } as const

export function checkChosen(secret: string): void {
  const length = Buffer.byteLength(secret)
  if (length >= CHOSEN.shortest && length <= CHOSEN.longest) return
  const expected = `expected ${CHOSEN.shortest} to ${CHOSEN.longest}, or none to have one made up`
  throw new RegistryError('invalid', `secret: ${length} bytes long; ${expected}`)
}

/** What is kept of a secret. A new object whenever the secret changes, so caches can tell by identity. */
export interface StoredSecret {
  readonly method: 'sha256' | 'scrypt'
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

/** A secret, to be shown once, and what will be kept of it. */
export interface NewSecret {
  readonly text: string
  readonly stored: StoredSecret
}

/** Secrets of devices and users, by name: a name is a device's or a user's, never both's. */
export class Secrets {
  readonly #database: Database
  readonly #slowHash: SlowHash
  readonly #byName = new Map<string, StoredSecret>()
  readonly #nameByDigest = new Map<string, string>()

  constructor(database: Database, slowHash: SlowHash) {
    this.#database = database
    this.#slowHash = slowHash
  }

  load(): void {
    this.#database.migrate(
      'secrets-1',
      `CREATE TABLE secrets (
         name TEXT PRIMARY KEY,
         method TEXT NOT NULL CHECK (method IN ('sha256', 'scrypt')),
         salt BLOB NOT NULL,
         hash BLOB NOT NULL
       ) STRICT, WITHOUT ROWID`,
    )
    for (const row of this.#database.sql.prepare('SELECT name, method, salt, hash FROM secrets').iterate()) {
      const { name, method, salt, hash } = row as unknown as StoredSecret & { name: string }
      this.#remember(name, { method, salt, hash })
    }
  }

  of(name: string): StoredSecret | undefined {
    return this.#byName.get(name)
  }

  /** Whose generated secret this is. */
  nameOf(secret: string): string | undefined {
    return isGenerated(secret) ? this.#nameByDigest.get(digest(secret).toString('base64')) : undefined
  }

  /** Hashes a chosen secret, or makes up a new one. */
  async prepare(chosen?: string): Promise<NewSecret> {
    const text = chosen ?? generateSecret()
    if (isGenerated(text)) {
      return { text, stored: { method: 'sha256', salt: new Uint8Array(), hash: digest(text) } }
    }
    checkChosen(text)
    const bytes = Buffer.from(text)
    const salt = this.#slowHash.newSalt()
    const hash = await this.#slowHash.hash(bytes, salt)
    if (hash === null)
      throw new RegistryError('busy', 'too many secrets are being checked; try again shortly')
    return { text, stored: { method: 'scrypt', salt, hash } }
  }

  /** Joins the caller's transaction, like {@link remove}. */
  put(name: string, stored: StoredSecret): void {
    this.#database.transaction(() => {
      this.#database.sql
        .prepare('INSERT OR REPLACE INTO secrets (name, method, salt, hash) VALUES (?, ?, ?, ?)')
        .run(name, stored.method, stored.salt, stored.hash)
      this.#database.afterCommit(() => {
        this.#forget(name)
        this.#remember(name, stored)
      })
    })
  }

  remove(name: string): void {
    this.#database.transaction(() => {
      this.#database.sql.prepare('DELETE FROM secrets WHERE name = ?').run(name)
      this.#database.afterCommit(() => this.#forget(name))
    })
  }

  #remember(name: string, stored: StoredSecret): void {
    this.#byName.set(name, stored)
    if (stored.method === 'sha256') this.#nameByDigest.set(Buffer.from(stored.hash).toString('base64'), name)
  }

  #forget(name: string): void {
    const stored = this.#byName.get(name)
    if (stored === undefined) return
    this.#byName.delete(name)
    if (stored.method === 'sha256') this.#nameByDigest.delete(Buffer.from(stored.hash).toString('base64'))
  }
}
