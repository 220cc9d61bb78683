import type { Payload } from './payload.ts'

/**
 * The few MQTT 3.1.1 frames that a load generator needs, made by hand. mqtt.js takes 10 to 20 µs of CPU for a
 * publish and its acknowledgement, as much as the gateway; a prepared frame that is patched takes 3, so one core
 * can saturate the other (measured against mosquitto: 280,000 readings a second from one process).
 */

export interface Credentials {
  readonly username: string
  readonly password: string
}

const CONNECT = 0x10
const CONNACK = 0x20
const PUBLISH = 0x30
const PUBACK = 0x40
const PUBREC = 0x50
/** With the flags that it must have [MQTT-3.6.1-1]. */
const PUBREL = 0x62
const PUBCOMP = 0x70

/** At 0 nothing is acknowledged; at 2 it takes four frames. */
export type Qos = 0 | 1 | 2

/** CONNECT with a clean session and no keepalive [MQTT-3.1]. */
export function connectFrame(clientId: string, credentials: Credentials | undefined): Buffer {
  const flags = 0x02 | (credentials === undefined ? 0 : 0xc0)
  const body = Buffer.concat([
    field('MQTT'),
    Buffer.from([4, flags, 0, 0]),
    field(clientId),
    ...(credentials === undefined ? [] : [field(credentials.username), field(credentials.password)]),
  ])
  return Buffer.concat([Buffer.from([CONNECT]), remainingLength(body.length), body])
}

/** DISCONNECT [MQTT-3.14]: a clean end, so that no will is sent. */
export const DISCONNECT = Buffer.from([0xe0, 0])

/** A length-prefixed string [MQTT-1.5.3]. */
function field(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.allocUnsafe(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Seven bits a byte, lowest first [MQTT-2.2.3]. */
function remainingLength(length: number): Buffer {
  const bytes: number[] = []
  let rest = length
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>>= 7
  } while (rest > 0)
  return Buffer.from(bytes)
}

/** PUBREL of a message at QoS 2 [MQTT-3.6]. */
export function releaseFrame(packetId: number): Buffer {
  return Buffer.from([PUBREL, 2, packetId >> 8, packetId & 0xff])
}

/** A PUBLISH whose packet id (none at QoS 0) and times are filled in for each message. */
export class PublishTemplate {
  readonly qos: Qos
  readonly #frame: Buffer
  readonly #packetId: number
  readonly #times: readonly number[]

  constructor(topic: string, { bytes, times }: Payload, qos: Qos = 1) {
    this.qos = qos
    const name = field(topic)
    const id = Buffer.alloc(qos === 0 ? 0 : 2)
    const length = remainingLength(name.length + id.length + bytes.length)
    this.#packetId = 1 + length.length + name.length
    this.#frame = Buffer.concat([Buffer.from([PUBLISH | (qos << 1)]), length, name, id, bytes])
    this.#times = times.map((offset) => this.#packetId + id.length + offset)
  }

  get size(): number {
    return this.#frame.length
  }

  /** Writes the frame with `ts`, `ts` + 1, … as its times. */
  write(target: Buffer, at: number, packetId: number, ts: number): void {
    this.#frame.copy(target, at)
    if (this.qos !== 0) target.writeUInt16BE(packetId, at + this.#packetId)
    for (let index = 0; index < this.#times.length; index++) {
      writeTime(target, at + this.#times[index]!, ts + index)
    }
  }
}

/** Epoch milliseconds as 13 digits: enough until the year 2286. */
export function writeTime(target: Buffer, at: number, ts: number): void {
  let rest = ts
  for (let index = at + 12; index >= at; index--) {
    const next = Math.floor(rest / 10)
    target[index] = 48 + rest - next * 10
    rest = next
  }
}

export interface AckListener {
  onConnack(returnCode: number): void
  /** PUBACK, or the PUBCOMP of QoS 2. */
  onAcknowledged(packetId: number): void
  /** PUBREC: it wants its PUBREL. */
  onReceived(packetId: number): void
}

/** Finds CONNACK and acknowledgements in a stream that is cut anywhere; passes over what else a broker may send. */
export class AckReader {
  readonly #listener: AckListener
  #rest: Buffer = Buffer.alloc(0)

  constructor(listener: AckListener) {
    this.#listener = listener
  }

  push(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (at < data.length) {
      // Nearly every frame is a PUBACK of four bytes.
      let length = 0
      let header = at + 1
      let shift = 0
      let byte: number
      do {
        if (header >= data.length) return this.#keep(data, at)
        byte = data[header++]!
        length |= (byte & 0x7f) << shift
        shift += 7
      } while ((byte & 0x80) !== 0)
      if (header + length > data.length) return this.#keep(data, at)
      const type = data[at]! & 0xf0
      const packetId = (data[header]! << 8) | data[header + 1]!
      if (type === PUBACK || type === PUBCOMP) this.#listener.onAcknowledged(packetId)
      else if (type === PUBREC) this.#listener.onReceived(packetId)
      else if (type === CONNACK) this.#listener.onConnack(data[header + 1]!)
      at = header + length
    }
    this.#rest = Buffer.alloc(0)
  }

  /** A copy: the chunk's memory is used again for the next one. */
  #keep(data: Buffer, from: number): void {
    this.#rest = Buffer.from(data.subarray(from))
  }
}
