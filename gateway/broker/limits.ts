import { LRUCache } from 'lru-cache'
import { Allowance } from '../model/allowance.ts'

/** Bounds that stand in front of aedes. Those of `gateway.yaml` come from the configuration; these are fixed. */

/** The largest CONNECT: a client id, a user name, a password and a will's topic are short, its payload may be 64 KiB. */
export const CONNECT_LIMIT_BYTES = 72 * 1024
/** A client that names no keepalive, or a longer one, is cut off after 1.5 times this many seconds of silence. */
export const KEEPALIVE_LIMIT_SECONDS = 3600
/** Filters that one client may hold at once. */
export const SUBSCRIPTIONS_PER_CLIENT = 100
/** Levels of a topic; the contract's longest has five. */
export const TOPIC_LEVELS = 16
/** Messages that wait for one absent client; the oldest go first. */
export const OFFLINE_QUEUE_LIMIT = 1000
/** Persistent sessions of one device or user; the ones not seen for longest go first. */
export const SESSIONS_PER_OWNER = 8
/** An absent client's session is forgotten after this, ms. */
export const SESSION_EXPIRY_MS = 7 * 86_400_000
/** QoS 2 messages of one client between PUBLISH and PUBREL. */
export const INFLIGHT_QOS2 = 100
/** Packets that may follow a CONNECT in its own chunk, before it is answered. */
export const PIPELINED_PACKETS = 1000
/** A connection silent for this long, ms, makes room for a new one of the same device (see peers.ts). */
export const MAKES_ROOM_AFTER_MS = 10_000
/** Messages on a device's `errors` topic each second. */
export const ERRORS_PER_SECOND = 10
/** The beginning of a PUBLISH that is kept until its end comes; a longer one is left to aedes, which need not copy it. */
export const BEGINNING_LIMIT_BYTES = 16 * 1024
/** Largest `status` payload, bytes. */
export const STATUS_LIMIT_BYTES = 1024

/** Control packet types [MQTT-2.2.1, table 2.1]. */
const CONNECT = 1
const PUBLISH = 3
const SUBSCRIBE = 8
const UNSUBSCRIBE = 10

/**
 * What a packet takes from its sender's rate, in messages. A SUBSCRIBE may hold a hundred thousand filters, and each
 * is looked up: it is measured by its bytes. A ping or an acknowledgement is cheap, but a million of them is not.
 */
function cost(type: number, length: number): number {
  if (type === PUBLISH) return 1
  if (type === SUBSCRIBE || type === UNSUBSCRIBE) return 1 + Math.floor(length / 64)
  return type === CONNECT ? 0 : 0.1
}

/**
 * Follows the fixed headers [MQTT-2.2] of a connection through its chunks, a step per packet and not per byte, so
 * that a packet is refused as soon as its header gives its length, before anything of it is kept.
 */
export class PacketMeter {
  readonly #maxBytes: number
  #first = true
  #type = 0
  /** Bytes of the packet under way that are still to come. */
  #left = 0
  #inLength = false
  #length = 0
  #weight = 1

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether the last chunk ended within a packet. */
  get isWithinPacket(): boolean {
    return this.#left > 0 || this.#inLength
  }

  /** What the packets that begin in the chunk take from the rate, or what is wrong with it. */
  count(chunk: Uint8Array): number | string {
    let costs = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - at)
        this.#left -= step
        at += step
        continue
      }
      const byte = chunk[at++]!
      if (!this.#inLength) {
        this.#type = byte >> 4
        // [MQTT-3.1.0-1]
        if (this.#first && this.#type !== CONNECT) return 'the first packet is not a CONNECT'
        this.#inLength = true
        this.#length = 0
        this.#weight = 1
        continue
      }
      this.#length += (byte & 0x7f) * this.#weight
      this.#weight *= 0x80
      const limit = this.#first ? Math.min(CONNECT_LIMIT_BYTES, this.#maxBytes) : this.#maxBytes
      if (this.#length > limit) return `a packet of more than ${limit} bytes`
      if (byte < 0x80) {
        this.#inLength = false
        this.#first = false
        this.#left = this.#length
        costs += cost(this.#type, this.#length)
      } else if (this.#weight > 0x80 ** 3) {
        return 'a malformed packet length'
      }
    }
    return costs
  }
}

/**
 * Slows down whoever guesses: an address that keeps failing gets each refusal later, so a guess costs it a second
 * and us a timer. Sign-ins that succeed are never held up: devices behind one address do not suffer for each other.
 */
export class FailedSignIns {
  readonly #failures = new LRUCache<string, Allowance>({ max: 10_000 })

  /** For how long to hold the refusal back, ms. */
  record(address: string, now: number): number {
    let allowance = this.#failures.get(address)
    if (allowance === undefined) {
      allowance = new Allowance(10, now)
      this.#failures.set(address, allowance)
    }
    return allowance.spend(1, now) > 0 ? 1000 : 0
  }
}
