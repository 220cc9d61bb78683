import { LRUCache } from 'lru-cache'
import type { Kinds } from '../../gateway/model/kind.ts'
import { fieldsOf, type Packet } from './codec.ts'
import type { Checksum } from './crc.ts'
import type { Profiles } from './profile.ts'

/** Why a sender of right frames is not heard. */
export type Trouble = 'unknown_mn' | 'wrong_crc' | 'wrong_pw'

/** A sender that an operator should look at. */
export interface Stranger {
  readonly mn: string
  readonly trouble: Trouble
  /** Epoch milliseconds. */
  readonly firstSeen: number
  readonly lastSeen: number
  readonly frames: number
  /** Where its last frame came from. */
  readonly address: string
  readonly st: string | null
  /** Factor codes that it has sent. */
  readonly factors: readonly string[]
  /** What to register it as: a kind and profile that know most of its factors, and the checksum that it uses. */
  readonly suggestion: {
    readonly kind: string | null
    readonly profile: string | null
    readonly crc: Checksum
  }
}

/** Senders remembered; the ones not heard of for longest go first. */
const SENDERS = 1000
/** Of each. */
const FACTORS = 100

interface Sighting {
  readonly trouble: Trouble
  readonly firstSeen: number
  lastSeen: number
  frames: number
  address: string
  st: string | null
  crc: Checksum
  readonly factors: Set<string>
}

/** Senders whose frames are right by some checksum and still cannot be taken for a device's. */
export class Strangers {
  readonly #kinds: Kinds
  readonly #profiles: Profiles
  readonly #seen = new LRUCache<string, Sighting>({ max: SENDERS })

  constructor(kinds: Kinds, profiles: Profiles) {
    this.#kinds = kinds
    this.#profiles = profiles
  }

  note(packet: Packet, trouble: Trouble, crc: Checksum, address: string, now: number): void {
    let seen = this.#seen.get(packet.mn)
    if (seen === undefined || seen.trouble !== trouble) {
      seen = { trouble, firstSeen: now, lastSeen: now, frames: 0, address, st: null, crc, factors: new Set() }
      this.#seen.set(packet.mn, seen)
    }
    seen.lastSeen = now
    seen.frames++
    seen.address = address
    seen.st = packet.st ?? seen.st
    seen.crc = crc
    for (const [name] of fieldsOf(packet)) {
      const dash = name.indexOf('-')
      if (dash > 0 && dash <= 32 && seen.factors.size < FACTORS) seen.factors.add(name.slice(0, dash))
    }
  }

  forget(mn: string): void {
    this.#seen.delete(mn)
  }

  /** Newest first. */
  list(): Stranger[] {
    return [...this.#seen].map(([mn, { crc, factors, ...seen }]) => ({
      mn,
      ...seen,
      factors: [...factors],
      suggestion: { ...this.#bestFor(factors, seen.st), crc },
    }))
  }

  /** Of those that know most of the codes: one made for the system type, else the standard. */
  #bestFor(codes: ReadonlySet<string>, st: string | null): { kind: string | null; profile: string | null } {
    let best = { kind: null as string | null, profile: null as string | null, known: 0, rank: 0 }
    for (const [profile, { factors, states = {}, systems = [] }] of this.#profiles) {
      const rank = systems.includes(st ?? '') ? 2 : profile === 'standard' ? 1 : 0
      for (const [kind, { metrics }] of this.#kinds) {
        const known = [...codes].filter((code) =>
          Object.hasOwn(metrics, factors[code]?.metric ?? states[code] ?? ''),
        ).length
        if (known > best.known || (known === best.known && known > 0 && rank > best.rank))
          best = { kind, profile, known, rank }
      }
    }
    return { kind: best.kind, profile: best.profile }
  }
}
