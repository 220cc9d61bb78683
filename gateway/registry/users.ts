import { isIdentifier } from '../model/identifier.ts'
import { ADMIN, ROLES, type Role, type User } from '../model/user.ts'
import type { Along, Database } from './database.ts'
import { RegistryError } from './registry-error.ts'
import type { Secrets } from './secrets.ts'

export interface NewUser {
  readonly name: string
  readonly role: Role
  readonly street?: string | null | undefined
  readonly team?: string | null | undefined
}

export interface UserChange {
  readonly what: 'removed' | 'secret'
  readonly name: string
}

/** A user's secret in clear: shown once, kept nowhere. */
export interface UserCredential {
  readonly name: string
  readonly secret: string
}

/** People and programs that sign in: in memory and in SQLite. */
export class Users {
  readonly #database: Database
  readonly #secrets: Secrets
  readonly #users = new Map<string, User>()
  readonly #listeners: ((change: UserChange) => void)[] = []

  constructor(database: Database, secrets: Secrets) {
    this.#database = database
    this.#secrets = secrets
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
    for (const row of this.#database.sql.prepare('SELECT name, role, street, team FROM users').iterate()) {
      const user = { ...(row as unknown as User) }
      this.#users.set(user.name, Object.freeze(user))
    }
  }

  get(name: string): User | undefined {
    return this.#users.get(name)
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
    this.#mustBeFree(user.name)
    const secret = await this.#secrets.prepare(chosen)
    this.#database.transaction(() => {
      this.#mustBeFree(user.name)
      this.#database.sql
        .prepare('INSERT INTO users (name, role, street, team) VALUES (?, ?, ?, ?)')
        .run(user.name, user.role, user.street, user.team)
      this.#secrets.put(user.name, secret.stored)
      this.#database.afterCommit(() => this.#users.set(user.name, user))
      along?.()
    })
    return { name: user.name, secret: secret.text }
  }

  /** The old secret opens nothing from here on. */
  async rotateSecret(name: string, chosen?: string, along?: Along): Promise<UserCredential> {
    this.#mustExist(name)
    const secret = await this.#secrets.prepare(chosen)
    this.#mustExist(name)
    this.#database.transaction(() => {
      this.#secrets.put(name, secret.stored)
      this.#database.afterCommit(() => this.#tell('secret', name))
      along?.()
    })
    return { name, secret: secret.text }
  }

  remove(name: string, along?: Along): void {
    this.#mustExist(name)
    this.#database.transaction(() => {
      this.#database.sql.prepare('DELETE FROM users WHERE name = ?').run(name)
      this.#secrets.remove(name)
      this.#database.afterCommit(() => {
        this.#users.delete(name)
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

function invalid(message: string): RegistryError {
  return new RegistryError('invalid', message)
}
