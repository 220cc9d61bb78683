import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import { PacketMeter } from './limits.ts'
import type { Peer } from './peers.ts'

/** What a CONNECT asked for, kept until its sender has proved who it is. */
export interface ConnectRequest {
  readonly clientId: string
  readonly clean: boolean
  readonly will: string | null
  /** Seconds, already bounded. */
  readonly keepalive: number
}

/** aedes' client with ours attached: a property, because it is read at every message. */
export type AttachedClient = Client & { connection?: Connection }

/**
 * One socket. aedes pulls from it by `read()`; there each chunk is measured before it is parsed, and there a sender
 * over its rate waits: its data stays in the kernel, nothing is lost.
 */
export class Connection {
  readonly stream: Duplex
  readonly address: string
  /** Common name of a verified client certificate. */
  readonly certificate: string | null
  client: Client | null = null
  request: ConnectRequest | null = null
  /** Set by a successful sign-in; until then nothing it sends is looked at. */
  peer: Peer | null = null
  session = ''
  /** Filters it holds, persistent or not. */
  readonly filters = new Set<string>()
  /** Messages that the intake has not answered yet. */
  pending = 0
  /** `performance.now()` of the last chunk. */
  heardAt = performance.now()
  readonly #meter: PacketMeter
  #held = false
  #timer: NodeJS.Timeout | undefined

  constructor(stream: Duplex, address: string, certificate: string | null, maxPacketBytes: number) {
    this.stream = stream
    this.address = address
    this.certificate = certificate
    this.#meter = new PacketMeter(maxPacketBytes)
  }

  /** Puts the gate before aedes. */
  guard(): void {
    const { stream } = this
    const read = stream.read.bind(stream) as (size?: number) => Buffer | null
    stream.read = (size?: number) => {
      // read(0) only asks the stream to fill its buffer, which is bounded.
      if (size === 0) return read(0)
      if (this.#held) return null
      const chunk = read()
      return chunk === null
        ? null
        : this.#admit(stream.readableLength === 0 ? chunk : join(chunk, stream, read))
    }
    stream.once('close', () => clearTimeout(this.#timer))
  }

  #admit(chunk: Uint8Array): Uint8Array | null {
    const costs = this.#meter.count(chunk)
    if (typeof costs === 'string') {
      this.stream.destroy(new Error(costs))
      return null
    }
    this.heardAt = performance.now()
    if (costs > 0 && this.peer !== null) {
      const wait = this.peer.allowance.spend(costs, this.heardAt)
      if (wait > 0) this.#hold(wait)
    }
    return chunk
  }

  #hold(wait: number): void {
    this.#held = true
    this.#timer = setTimeout(() => {
      this.#held = false
      this.stream.emit('readable')
    }, wait)
  }

  /** Takes nothing more in; what is under way is still answered. */
  stopReading(): void {
    clearTimeout(this.#timer)
    this.#held = true
  }

  /**
   * Silent for more than 1.5 times its keepalive [MQTT-3.1.2-24]. Time in which we did not read it does not count:
   * aedes' own timer would punish a device for our slow disk.
   */
  isSilent(now: number): boolean {
    if (this.request === null || this.pending > 0 || this.#held) return false
    return now - this.heardAt > this.request.keepalive * 1500
  }
}

/**
 * Since Node 26 `read()` gives one buffer at a time, but aedes 1.2 reads once for each 'readable' and would leave
 * the others lying there: a packet in several pieces would wait for its end for ever. Bounded by the stream's
 * high-water mark.
 */
function join(first: Buffer, stream: Duplex, read: () => Buffer | null): Buffer {
  const parts = [first]
  while (stream.readableLength > 0) {
    const next = read()
    if (next === null) break
    parts.push(next)
  }
  return Buffer.concat(parts)
}
