import { isIdentifier } from '../model/identifier.ts'
import { ADMIN, ROLES, type Role, type User } from '../model/user.ts'
import type { Along, Database } from './database.ts'
import { RegistryError } from './registry-error.ts'
import { isGenerated, type Secrets } from './secrets.ts'
import { Tokens } from './tokens.ts'

export interface NewUser {
  readonly name: string
  readonly role: Role
  readonly street?: string | null | undefined
  readonly team?: string | null | undefined
  /** Lets nobody in from here on, epoch ms; never when left out. */
  readonly expires?: number | null | undefined
}

export interface UserChange {
  readonly what: 'removed' | 'secret' | 'expiry'
  readonly name: string
}

/** A user's secret in clear: shown once, kept nowhere. */
export interface UserCredential {
  readonly name: string
  readonly secret: string
}

/** What guessing has to get over where a person chose the secret: a device's PIN may be shorter. */
const SHORTEST_OF_PERSON = 8

/** People and programs that sign in, and their tokens: in memory and in SQLite. */
export class Users {
  readonly tokens: Tokens
  readonly #database: Database
  readonly #secrets: Secrets
  readonly #users = new Map<string, User>()
  readonly #expires = new Map<string, number>()
  readonly #listeners: ((change: UserChange) => void)[] = []

  constructor(database: Database, secrets: Secrets) {
    this.#database = database
    this.#secrets = secrets
    this.tokens = new Tokens(database)
  }

  load(): void {
    this.#database.migrate(
      'users-1',
      `CREATE TABLE users (
         name TEXT PRIMARY KEY,
         role TEXT NOT NULL,
         street TEXT CHECK ((street IS NOT NULL) = (role = 'street')),
         team TEXT CHECK ((team IS NOT NULL) = (role = 'team'))
       ) STRICT, WITHOUT ROWID`,
    )
    this.#database.migrate('users-2', 'ALTER TABLE users ADD COLUMN expires INTEGER')
    const rows = this.#database.sql.prepare('SELECT name, role, street, team, expires FROM users').iterate()
    for (const row of rows) {
      const { expires, ...user } = row as unknown as User & { readonly expires: number | null }
      this.#users.set(user.name, Object.freeze(user))
      if (expires !== null) this.#expires.set(user.name, expires)
    }
    this.tokens.load()
  }

  get(name: string): User | undefined {
    return this.#users.get(name)
  }

  /** When the user's right ends, epoch ms; null when it does not. */
  expiryOf(name: string): number | null {
    return this.#expires.get(name) ?? null
  }

  /** Users whose right ends, with the time. */
  expiring(): Iterable<readonly [name: string, expires: number]> {
    return this.#expires
  }

  /** By name; `cursor` is the last name of the page before. */
  list(query: { readonly limit: number; readonly cursor?: string | undefined }): {
    items: User[]
    cursor?: string
  } {
    const { limit, cursor = '' } = query
    const items = [...this.#users.values()]
      .filter(({ name }) => name > cursor)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    if (items.length <= limit) return { items }
    return { items: items.slice(0, limit), cursor: items[limit - 1]!.name }
  }

  /** The secret is made up unless one was `chosen`. */
  async create(candidate: NewUser, chosen?: string, along?: Along): Promise<UserCredential> {
    const user = checkedUser(candidate)
    const { expires = null } = candidate
    if (chosen !== undefined) checkChosenByPerson(user.name, chosen)
    this.#mustBeFree(user.name)
    const secret = await this.#secrets.prepare(chosen)
    this.#database.transaction(() => {
      this.#mustBeFree(user.name)
      this.#database.sql
        .prepare('INSERT INTO users (name, role, street, team, expires) VALUES (?, ?, ?, ?, ?)')
        .run(user.name, user.role, user.street, user.team, expires)
      this.#secrets.put(user.name, secret.stored)
      this.#database.afterCommit(() => {
        this.#users.set(user.name, user)
        this.#setExpiry(user.name, expires)
      })
      along?.()
    })
    return { name: user.name, secret: secret.text }
  }

  /** The old secret opens nothing from here on. */
  async rotateSecret(name: string, chosen?: string, along?: Along): Promise<UserCredential> {
    this.#mustExist(name)
    if (chosen !== undefined) checkChosenByPerson(name, chosen)
    const secret = await this.#secrets.prepare(chosen)
    this.#mustExist(name)
    this.#database.transaction(() => {
      this.#secrets.put(name, secret.stored)
      this.#database.afterCommit(() => this.#tell('secret', name))
      along?.()
    })
    return { name, secret: secret.text }
  }

  /** Null for no end. One that has passed ends the right at once. */
  setExpiry(name: string, expires: number | null, along?: Along): void {
    this.#mustExist(name)
    this.#database.transaction(() => {
      this.#database.sql.prepare('UPDATE users SET expires = ? WHERE name = ?').run(expires, name)
      this.#database.afterCommit(() => {
        this.#setExpiry(name, expires)
        this.#tell('expiry', name)
      })
      along?.()
    })
  }

  #setExpiry(name: string, expires: number | null): void {
    if (expires === null) this.#expires.delete(name)
    else this.#expires.set(name, expires)
  }

  remove(name: string, along?: Along): void {
    this.#mustExist(name)
    this.#database.transaction(() => {
      this.tokens.removeAll(name)
      this.#database.sql.prepare('DELETE FROM users WHERE name = ?').run(name)
      this.#secrets.remove(name)
      this.#database.afterCommit(() => {
        this.#users.delete(name)
        this.#expires.delete(name)
        this.#tell('removed', name)
      })
      along?.()
    })
  }

  /** Told after the commit. */
  onChange(listener: (change: UserChange) => void): void {
    this.#listeners.push(listener)
  }

  #tell(what: UserChange['what'], name: string): void {
    for (const listener of this.#listeners) listener({ what, name })
  }

  #mustExist(name: string): void {
    if (!this.#users.has(name))
      throw new RegistryError('not_found', `user ${JSON.stringify(name)} does not exist`)
  }

  #mustBeFree(name: string): void {
    if (this.#users.has(name)) throw new RegistryError('exists', `name: "${name}" exists already`)
    if (this.#secrets.of(name) !== undefined)
      throw new RegistryError('exists', `name: "${name}" is a device's id`)
  }
}

/** Role, street and team must fit together (contract §5). */
function checkedUser({ name, role, street = null, team = null }: NewUser): User {
  if (!isIdentifier(name) || name === ADMIN.name) {
    throw invalid(
      `name: ${JSON.stringify(name)}; expected 1 to 64 letters, digits, "_", "-" or ".", not reserved`,
    )
  }
  if (!ROLES.includes(role))
    throw invalid(`role: ${JSON.stringify(role)}; expected one of ${ROLES.join(', ')}`)
  for (const [key, value] of Object.entries({ street, team })) {
    if (role === key && value === null) throw invalid(`${key}: missing; role ${role} needs one`)
    if (role !== key && value !== null) throw invalid(`${key}: role ${role} has none`)
    if (value !== null && !isIdentifier(value)) throw invalid(`${key}: ${JSON.stringify(value)} is not an id`)
  }
  return Object.freeze({ name, role, street, team })
}

/** Those of devices may be as short as a PIN; a generated one comes from a program. */
function checkChosenByPerson(name: string, secret: string): void {
  if (isGenerated(secret)) return
  if (secret.length < SHORTEST_OF_PERSON)
    throw invalid(
      `secret: too short; expected at least ${SHORTEST_OF_PERSON} characters, or none to have one made up`,
    )
  if (secret.toLowerCase() === name.toLowerCase()) throw invalid('secret: is the name; expected another one')
}

function invalid(message: string): RegistryError {
  return new RegistryError('invalid', message)
}
