import { LRUCache } from 'lru-cache'
import { DateTime } from 'luxon'
import type { Clock } from '../model/clock.ts'
import type { Audit } from './audit.ts'
import type { Along, Database } from './database.ts'
import type { Users } from './users.ts'

/** So many different wrong secrets … */
const FAILURES = 10
/** … within this, ms, from places that the account does not know, lock it … */
const WINDOW = 15 * 60_000
/** … for so long, ms, twice as long each time, … */
const SHORTEST = 15 * 60_000
/** … up to this. */
const LONGEST = 4 * 3_600_000
/** After a day without, the next lock is the shortest again, ms. */
const FORGIVEN = 24 * 3_600_000

/** A place where the right secret was given stays known for so long after the last time, ms, … */
const KNOWN = 30 * 86_400_000
/** … and its last time is noted once in so long, ms. */
const NOTED_EVERY = 86_400_000
/** Of one account; the one that was not used for longest goes. */
const MOST_PLACES = 20
/** Accounts whose failures are counted. */
const COUNTED = 10_000

interface Lock {
  readonly until: number
  /** How often it was locked without a day between. */
  readonly level: number
}

/**
 * Locks on accounts whose secret a person chose, against guesses from many addresses, where the throttle of each
 * address counts too little.
 *
 * A lock must not be a weapon: whoever knows a name could keep its crew out. So it holds only for places (an IPv4
 * address, an IPv6 /64) where the right secret has not been given within 30 days, it ends no session, and it does
 * not concern what cannot be guessed (generated secrets, tokens, certificates) nor devices, which come from anywhere.
 * The same wrong secret counts once: a phone that keeps trying its old one locks nobody out. Guesses during a lock
 * count nothing, so that it ends. This machine itself is always let try, at the pace of the throttle.
 */
export class Lockouts {
  readonly #database: Database
  readonly #audit: Audit
  readonly #clock: Clock
  readonly #locks = new Map<string, Lock>()
  /** When the right secret was last given, by account and place. */
  readonly #places = new Map<string, Map<string, number>>()
  /** Times of wrong secrets, by account and a fingerprint of the secret. */
  readonly #failures = new LRUCache<string, Map<string, number>>({ max: COUNTED })

  constructor(database: Database, audit: Audit, clock: Clock) {
    this.#database = database
    this.#audit = audit
    this.#clock = clock
  }

  /** Locks and places go with the secret that they were about. */
  load(users: Pick<Users, 'onChange'>): void {
    users.onChange(({ what, name }) => {
      if (what !== 'expiry') this.#forget(name)
    })
    this.#database.migrate(
      'lockouts-1',
      `CREATE TABLE lockouts (name TEXT PRIMARY KEY, until INTEGER NOT NULL, level INTEGER NOT NULL) STRICT, WITHOUT ROWID;
       CREATE TABLE known_places (
         name TEXT NOT NULL, place TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (name, place)
       ) STRICT, WITHOUT ROWID`,
    )
    const { sql } = this.#database
    sql.prepare('DELETE FROM known_places WHERE at < ?').run(this.#clock.now() - KNOWN)
    for (const row of sql.prepare('SELECT name, until, level FROM lockouts').iterate()) {
      const { name, until, level } = row as unknown as Lock & { name: string }
      this.#locks.set(name, { until, level })
    }
    for (const row of sql.prepare('SELECT name, place, at FROM known_places').iterate()) {
      const { name, place, at } = row as { name: string; place: string; at: number }
      this.#placesOf(name).set(place, at)
    }
  }

  /** Whether even the right secret opens nothing from there. */
  isLocked(name: string, place: string): boolean {
    return this.lockedUntil(name) !== null && !this.#knows(name, place)
  }

  lockedUntil(name: string): number | null {
    const until = this.#locks.get(name)?.until
    return until !== undefined && until > this.#clock.now() ? until : null
  }

  /** The right secret was given there, and it was not locked. */
  succeeded(name: string, place: string): void {
    const now = this.#clock.now()
    const places = this.#placesOf(name)
    const before = places.get(place)
    if (before !== undefined && now - before < NOTED_EVERY) return
    places.set(place, now)
    const [oldest] = [...places].reduce((a, b) => (b[1] < a[1] ? b : a))
    if (places.size > MOST_PLACES) places.delete(oldest)
    this.#database.derive(() => {
      const { sql } = this.#database
      sql
        .prepare('INSERT OR REPLACE INTO known_places (name, place, at) VALUES (?, ?, ?)')
        .run(name, place, now)
      if (!places.has(oldest))
        sql.prepare('DELETE FROM known_places WHERE name = ? AND place = ?').run(name, oldest)
    })
  }

  /** A wrong secret was given there; `fingerprint` tells it from others. */
  failed(name: string, place: string, fingerprint: string): void {
    const now = this.#clock.now()
    if (this.lockedUntil(name) !== null || this.#knows(name, place)) return
    const failures = this.#failures.get(name) ?? new Map<string, number>()
    for (const [other, at] of failures) if (at <= now - WINDOW || at > now) failures.delete(other)
    failures.set(fingerprint, now)
    this.#failures.set(name, failures)
    if (failures.size < FAILURES) return
    this.#failures.delete(name)
    const last = this.#locks.get(name)
    const level = last === undefined || now - last.until > FORGIVEN ? 0 : last.level + 1
    const until = now + Math.min(LONGEST, SHORTEST * 2 ** level)
    this.#locks.set(name, { until, level })
    // Whoever guesses must not be able to tell by the time of an answer that there was something to lock.
    setImmediate(() => this.#store(name, until, level))
  }

  #store(name: string, until: number, level: number): void {
    if (!this.#database.sql.isOpen) return
    this.#database.transaction(() => {
      this.#database.sql
        .prepare('INSERT OR REPLACE INTO lockouts (name, until, level) VALUES (?, ?, ?)')
        .run(name, until, level)
      const time = DateTime.fromMillis(until, { zone: 'Asia/Shanghai' }).toISO()
      this.#audit.note('gateway', 'user.locked', name, `${FAILURES} wrong secrets; until ${time}`)
    })
  }

  /** False when there was nothing to unlock. */
  unlock(name: string, along?: Along): boolean {
    if (this.lockedUntil(name) === null) return false
    this.#database.transaction(() => {
      this.#database.sql.prepare('DELETE FROM lockouts WHERE name = ?').run(name)
      this.#database.afterCommit(() => {
        this.#locks.delete(name)
        this.#failures.delete(name)
      })
      along?.()
    })
    return true
  }

  #forget(name: string): void {
    this.#database.transaction(() => {
      this.#database.sql.prepare('DELETE FROM lockouts WHERE name = ?').run(name)
      this.#database.sql.prepare('DELETE FROM known_places WHERE name = ?').run(name)
    })
    this.#locks.delete(name)
    this.#failures.delete(name)
    this.#places.delete(name)
  }

  #knows(name: string, place: string): boolean {
    if (place === '::1' || place === '0:0:0:0' || place.startsWith('127.')) return true
    const at = this.#places.get(name)?.get(place)
    return at !== undefined && this.#clock.now() - at <= KNOWN
  }

  #placesOf(name: string): Map<string, number> {
    const places = this.#places.get(name) ?? new Map<string, number>()
    this.#places.set(name, places)
    return places
  }
}
