import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import { BEGINNING_LIMIT_BYTES, PacketMeter } from './limits.ts'
import type { Grant } from '../model/user.ts'
import type { Peer } from './peers.ts'
import { pubacks, splitPublishes, type Publish } from './readings-lane.ts'

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

/** Takes readings in; resolves when all of them may be acknowledged. */
export type TakeReadings = (connection: Connection, publishes: readonly Publish[]) => Promise<void>

/**
 * One socket. aedes pulls from it by `read()`; there each chunk is measured before it is parsed, and there a sender
 * over its rate waits: its data stays in the kernel, nothing is lost. There, too, readings leave for the intake
 * (readings-lane.ts) and aedes gets the rest. As with aedes, nothing more is read while a chunk's are under way.
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
  /** The token that it signed in by: connections of one peer may differ in that. */
  grant: Grant | null = null
  session = ''
  /** Filters it holds, persistent or not. */
  readonly filters = new Set<string>()
  /** Messages that the intake has not answered yet. */
  pending = 0
  /** `performance.now()` of the last chunk. */
  heardAt = performance.now()
  /** The CONNACK is sent: from here on readings need not pass through aedes. */
  isOpen = false
  readonly #meter: PacketMeter
  readonly #takeReadings: TakeReadings
  readonly #drainTimeout: number
  #held = false
  #timer: NodeJS.Timeout | undefined
  /** Readings are under way to the disk. */
  #taking = false
  /** The beginning of a PUBLISH whose end is still to come. */
  #beginning: Buffer | null = null
  /** What follows readings that are under way, and is for aedes. */
  #remainder: Buffer | null = null
  /** aedes has the beginning of a packet, so it must have its end. */
  #aedesAwaits = false

  /** `drainTimeout`: for how long a peer may leave its acknowledgements unread, ms. */
  constructor(
    stream: Duplex,
    address: string,
    certificate: string | null,
    maxPacketBytes: number,
    takeReadings: TakeReadings,
    drainTimeout: number,
  ) {
    this.stream = stream
    this.address = address
    this.certificate = certificate
    this.#meter = new PacketMeter(maxPacketBytes)
    this.#takeReadings = takeReadings
    this.#drainTimeout = drainTimeout
  }

  /** Puts the gate before aedes. */
  guard(): void {
    const { stream } = this
    const read = stream.read.bind(stream) as (size?: number) => Buffer | null
    stream.read = (size?: number) => {
      // read(0) only asks the stream to fill its buffer, which is bounded.
      if (size === 0) return read(0)
      if (this.#held || this.#taking) return null
      if (this.#remainder !== null) return this.#forAedes(this.#remainder)
      const chunk = read()
      if (chunk === null) return null
      const admitted = this.#admit(stream.readableLength === 0 ? chunk : join(chunk, stream, read))
      return admitted === null ? null : this.#sort(admitted)
    }
    stream.once('close', () => clearTimeout(this.#timer))
  }

  /** Keeps the readings of a chunk; what is for aedes is returned, or stays back until they are acknowledged. */
  #sort(fresh: Buffer): Buffer | null {
    if (this.#aedesAwaits || !this.isOpen || this.peer === null || this.peer.readingsTopic === '')
      return this.#forAedes(fresh)
    const chunk = this.#beginning === null ? fresh : Buffer.concat([this.#beginning, fresh])
    this.#beginning = null
    const { publishes, end, next } = splitPublishes(chunk, this.peer.readingsTopicBytes)
    if (next !== 'nothing') {
      const left = end === 0 ? chunk : chunk.subarray(end)
      if (next === 'a beginning' && left.length <= BEGINNING_LIMIT_BYTES) this.#beginning = Buffer.from(left)
      else if (publishes.length === 0) return this.#forAedes(left)
      else this.#remainder = left
    }
    if (publishes.length > 0) this.#take(publishes)
    return null
  }

  /** Up to the end of what has come in so far: what the meter says of that end holds for aedes too. */
  #forAedes(chunk: Buffer): Buffer {
    this.#remainder = null
    this.#aedesAwaits = this.#meter.isWithinPacket
    return chunk
  }

  #take(publishes: readonly Publish[]): void {
    this.#taking = true
    this.#takeReadings(this, publishes).then(
      () => this.#acknowledge(publishes),
      (error: Error) => {
        this.stream.destroy(error)
      },
    )
  }

  #acknowledge(publishes: readonly Publish[]): void {
    const { stream } = this
    if (stream.destroyed) return
    if (stream.write(pubacks(publishes))) {
      this.#resume()
      return
    }
    const settled = () => {
      clearTimeout(frozen)
      stream.off('drain', drained)
      stream.off('close', settled)
    }
    const drained = () => {
      settled()
      this.#resume()
    }
    const frozen = setTimeout(
      () => stream.destroy(new Error('leaves its acknowledgements unread')),
      this.#drainTimeout,
    )
    stream.on('drain', drained)
    stream.on('close', settled)
  }

  #resume(): void {
    this.#taking = false
    const { stream } = this
    if (this.#remainder !== null || stream.readableLength > 0) stream.emit('readable')
    // Its end may have come meanwhile, and a stream says so only to who asks.
    else stream.read(0)
  }

  #admit(chunk: Buffer): Buffer | null {
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
