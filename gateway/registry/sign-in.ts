import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../model/clock.ts'
import type { DeviceDirectory } from '../model/device.ts'
import { isIdentifier } from '../model/identifier.ts'
import { ADMIN, type Grant, type Principal, type SignIn, type Verdict } from '../model/user.ts'
import { isTooShort } from './admin-token.ts'
import type { Lockouts } from './lockouts.ts'
import { network } from './network.ts'
import { digest, isGenerated, type Secrets, type StoredSecret } from './secrets.ts'
import type { SlowHash } from './slow-hash.ts'
import { Throttle } from './throttle.ts'
import { isTokenText, type Token } from './tokens.ts'
import type { Users } from './users.ts'

export interface SignInOptions {
  readonly devices: Pick<DeviceDirectory, 'get'>
  readonly users: Pick<Users, 'get' | 'expiryOf' | 'tokens'>
  readonly secrets: Secrets
  readonly slowHash: SlowHash
  readonly lockouts: Lockouts
  readonly adminToken: string
  readonly clock: Clock
}

/** Longest secret worth looking at, bytes. */
const LONGEST = 256

/** Wrong chosen secrets: five at once for a name from an address, then one in ten seconds. */
const PER_NAME = { burst: 5, everyMs: 10_000 } as const
/** And sixty at once for all names from an address, then one a second. */
const PER_ADDRESS = { burst: 60, everyMs: 1000 } as const

/** Guesses at an admin token that is short enough to be guessed, from an address. */
const PER_ADMIN = { burst: 30, everyMs: 10_000 } as const
/** Wrong guesses at it that are known again, so that a program that repeats one counts once. */
const GUESSES = 10_000

/** Sign-ins by chosen secrets that are remembered. */
const CACHED = 50_000

interface Verified {
  readonly stored: StoredSecret
  readonly mac: Buffer
}

/**
 * Proof of identity against the registry.
 *
 * A generated secret costs one SHA-256 and can be tried as often as anyone likes: it cannot be guessed.
 * A chosen one costs a slow hash, once: then an HMAC of it under a key that dies with the process stands
 * for it, until the secret changes or its owner is removed. Guessing at chosen ones is slowed down by name
 * and address together, so nobody is locked out from somebody else's address; what goes beyond is answered
 * without looking, right or wrong. Guessing from many addresses is what {@link Lockouts} are for. An admin token that
 * is shorter than it should be is treated as one that was chosen.
 *
 * The time that an answer takes depends on the form of the offered secret alone, never on whether the name
 * exists: an unknown name, too, has its slow hash.
 */
export class RegistrySignIn implements SignIn {
  readonly #options: SignInOptions
  readonly #adminDigest: Buffer
  readonly #key = randomBytes(32)
  readonly #verified = new LRUCache<string, Verified>({ max: CACHED })
  /** Slow hashes that are under way, so that connections that arrive together share one. */
  readonly #underWay = new Map<string, Promise<boolean>>()
  readonly #perName: Throttle
  readonly #perAddress: Throttle
  readonly #perAdmin: Throttle
  readonly #guesses = new LRUCache<string, true>({ max: GUESSES })
  readonly #nobodysSalt: Uint8Array

  constructor(options: SignInOptions) {
    this.#options = options
    this.#adminDigest = digest(options.adminToken)
    this.#perName = new Throttle(PER_NAME.burst, PER_NAME.everyMs, options.clock)
    this.#perAddress = new Throttle(PER_ADDRESS.burst, PER_ADDRESS.everyMs, options.clock)
    this.#perAdmin = new Throttle(PER_ADMIN.burst, PER_ADMIN.everyMs, options.clock)
    this.#nobodysSalt = options.slowHash.newSalt()
  }

  async password(name: string, secret: Uint8Array, address: string): Promise<Verdict> {
    if (!isIdentifier(name) || secret.length === 0 || secret.length > LONGEST) return null
    const text = Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength).toString('latin1')
    if (name === ADMIN.name) return this.#isAdminToken(secret, address) ? { type: 'user', user: ADMIN } : null
    if (isTokenText(text)) return this.#byToken(text, name)
    if (isGenerated(text)) return this.#options.secrets.nameOf(text) === name ? this.#principal(name) : null
    return (await this.#checkChosen(name, secret, address)) ? this.#principal(name) : null
  }

  certificate(commonName: string): Principal | null {
    return this.#options.devices.get(commonName) === undefined ? null : { type: 'device', device: commonName }
  }

  async bearer(token: string, address: string): Promise<Verdict> {
    const bytes = Buffer.from(token)
    if (this.#isAdminToken(bytes, address)) return { type: 'user', user: ADMIN }
    if (isTokenText(token)) return this.#byToken(token)
    const owner = this.#options.secrets.nameOf(token)
    if (owner !== undefined) return this.#principal(owner)
    // No name has a colon in it, a chosen secret may.
    const colon = token.indexOf(':')
    if (colon < 1) return null
    return this.password(token.slice(0, colon), Buffer.from(token.slice(colon + 1)), address)
  }

  /** Digests first: they have one length, and comparing them takes the same time wherever they differ. */
  #isAdminToken(offered: Uint8Array, address: string): boolean {
    const fingerprint = digest(offered)
    const right = timingSafeEqual(fingerprint, this.#adminDigest)
    if (!isTooShort(this.#options.adminToken) || !this.#mayBeAdminToken(offered)) return right
    const { lockouts } = this.#options
    const place = network(address)
    if (!this.#perAdmin.allows(place)) return false
    if (right) {
      if (lockouts.isLocked(ADMIN.name, place)) return false
      lockouts.succeeded(ADMIN.name, place)
      return true
    }
    const guess = fingerprint.toString('base64')
    if (!this.#guesses.has(`${place} ${guess}`)) {
      this.#guesses.set(`${place} ${guess}`, true)
      this.#perAdmin.count(place)
      lockouts.failed(ADMIN.name, place, guess)
    }
    return false
  }

  /** Every device's `name:secret` comes by here too, and is no guess at a token without a colon. */
  #mayBeAdminToken(offered: Uint8Array): boolean {
    const text = Buffer.from(offered).toString('latin1')
    if (isTokenText(text) || isGenerated(text)) return false
    return !text.includes(':') || this.#options.adminToken.includes(':')
  }

  #principal(name: string): Verdict {
    const { users } = this.#options
    const user = users.get(name)
    if (user === undefined) return this.certificate(name)
    return this.#hasEnded(users.expiryOf(name)) ? 'expired' : { type: 'user', user }
  }

  /** Like a generated secret it costs one SHA-256 and cannot be guessed. */
  #byToken(text: string, name?: string): Verdict {
    const { tokens } = this.#options.users
    const token = tokens.named(text)
    if (token === undefined || (name !== undefined && token.user !== name)) return null
    const principal = this.#principal(token.user)
    if (this.#hasEnded(token.expires) || principal === 'expired') return 'expired'
    if (principal?.type !== 'user') return null
    tokens.used(token, this.#options.clock.now())
    return { ...principal, grant: grantOf(token) }
  }

  #hasEnded(expires: number | null): boolean {
    return expires !== null && expires <= this.#options.clock.now()
  }

  async #checkChosen(name: string, secret: Uint8Array, address: string): Promise<boolean> {
    const mac = createHmac('sha256', this.#key).update(name).update('\0').update(secret).digest()
    const key = mac.toString('base64')
    const shared = this.#underWay.get(key)
    if (shared !== undefined) return shared

    const place = network(address)
    const nameAndPlace = `${name} ${place}`
    if (!this.#perName.allows(nameAndPlace)) return false
    const { lockouts, secrets, users } = this.#options
    const stored = secrets.of(name)
    const isUser = users.get(name) !== undefined
    // During a lock the right secret takes as long as a wrong one, and is answered the same.
    const isLocked = () => isUser && lockouts.isLocked(name, place)
    if (this.#isVerified(name, stored, mac) && !isLocked()) {
      if (isUser) lockouts.succeeded(name, place)
      return true
    }
    if (!this.#perAddress.allows(place)) return false
    // Counted in advance, so that a thousand guesses at once count too.
    this.#perName.count(nameAndPlace)
    const verdict = this.#slowCheck(stored, secret).then((right) => {
      // Counted afterwards: a whole site may come back through one address at once.
      if (right === false) this.#perAddress.count(place)
      else if (!isLocked()) this.#perName.giveBack(nameAndPlace)
      if (right === false && isUser && stored?.method === 'scrypt') lockouts.failed(name, place, key)
      // The secret may have changed meanwhile.
      if (right !== true || stored === undefined || secrets.of(name) !== stored || isLocked()) return false
      this.#verified.set(name, { stored, mac })
      if (isUser) lockouts.succeeded(name, place)
      return true
    })
    this.#underWay.set(key, verdict)
    try {
      return await verdict
    } finally {
      this.#underWay.delete(key)
    }
  }

  #isVerified(name: string, stored: StoredSecret | undefined, mac: Buffer): boolean {
    const verified = this.#verified.get(name)
    return verified !== undefined && verified.stored === stored && timingSafeEqual(verified.mac, mac)
  }

  /** Null: the line was too long to look, which is nobody's wrong guess. */
  async #slowCheck(stored: StoredSecret | undefined, secret: Uint8Array): Promise<boolean | null> {
    const chosen = stored?.method === 'scrypt'
    const hash = await this.#options.slowHash.hash(secret, chosen ? stored.salt : this.#nobodysSalt)
    if (hash === null) return null
    return chosen && timingSafeEqual(hash, stored.hash)
  }
}

function grantOf({ id, readOnly }: Token): Grant {
  return { token: id, readOnly }
}
