/**
 * The short way of readings: the QoS 1 PUBLISH packets of a signed-in device on its own `readings` topic go from
 * the chunk straight to the intake, and their PUBACKs back in one write. A sensor sends nothing else for years, and
 * aedes' parser, packet objects and corked writes cost more than all our stages together. Whatever is not exactly
 * such a packet is aedes' business, from its first byte on.
 */

/** A PUBLISH of readings [MQTT-3.3]. */
export interface Publish {
  /** Packet identifier, not 0. */
  readonly id: number
  /** A view of the chunk. */
  readonly payload: Buffer
}

export interface Split {
  readonly publishes: readonly Publish[]
  /** Where the first byte lies that they do not cover. */
  readonly end: number
  /** What begins there: nothing, a PUBLISH that may become one of these, or something else. */
  readonly next: 'nothing' | 'a beginning' | 'something else'
}

/** First byte of a PUBLISH with QoS 1, whatever its DUP and RETAIN [MQTT-3.3.1]. */
const PUBLISH_QOS1 = 0x32
const DUP_AND_RETAIN = 0b1001

/** Splits a chunk that begins with a packet. `topic`: the topic's bytes as a string of UTF-8 [MQTT-1.5.3], length first. */
export function splitPublishes(chunk: Buffer, topic: Buffer): Split {
  const publishes: Publish[] = []
  let at = 0
  while (at < chunk.length) {
    if ((chunk[at]! & ~DUP_AND_RETAIN) !== PUBLISH_QOS1) return { publishes, end: at, next: 'something else' }
    // Remaining length [MQTT-2.2.3]; its bounds have been checked by the meter.
    let length = 0
    let body = at + 1
    for (let weight = 1; ; weight *= 0x80) {
      if (body === chunk.length) return { publishes, end: at, next: 'a beginning' }
      const byte = chunk[body++]!
      length += (byte & 0x7f) * weight
      if (byte < 0x80) break
    }
    const end = body + length
    if (end > chunk.length) return { publishes, end: at, next: 'a beginning' }
    const id = body + topic.length
    if (id + 2 > end || !startsWith(chunk, body, topic)) return { publishes, end: at, next: 'something else' }
    const number = chunk[id]! * 0x100 + chunk[id + 1]!
    // [MQTT-2.3.1-1]: aedes knows what to do with a 0.
    if (number === 0) return { publishes, end: at, next: 'something else' }
    publishes.push({ id: number, payload: chunk.subarray(id + 2, end) })
    at = end
  }
  return { publishes, end: at, next: 'nothing' }
}

function startsWith(chunk: Buffer, at: number, bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i++) if (chunk[at + i] !== bytes[i]) return false
  return true
}

/** The topic as it stands in a PUBLISH. */
export function topicBytes(topic: string): Buffer {
  const text = Buffer.from(topic)
  return Buffer.concat([Buffer.from([text.length >> 8, text.length & 0xff]), text])
}

/** PUBACKs in the order of their PUBLISH packets [MQTT-3.4, MQTT-4.6.0-2]. */
export function pubacks(publishes: readonly Publish[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * publishes.length)
  for (let i = 0; i < publishes.length; i++) {
    const { id } = publishes[i]!
    bytes[4 * i] = 0x40
    bytes[4 * i + 1] = 2
    bytes[4 * i + 2] = id >> 8
    bytes[4 * i + 3] = id & 0xff
  }
  return bytes
}
