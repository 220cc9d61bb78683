import { CLOSING_BRACKET, COMMA, OPENING_BRACKET } from './characters.ts'
import type { Key } from './key.ts'

/** Readings of one device in the order of their lines; nothing about them is checked. */
export interface Batch {
  readonly kind: string
  /** Undefined when the lines have no such tag. */
  readonly device: string | undefined
  readonly messages: readonly Message[]
}

export interface Message {
  /** A JSON array of readings. */
  readonly json: Uint8Array
  /** What `JSON.parse` would make of it, where that came along with the bytes; undefined where it did not. */
  readonly readings: readonly unknown[] | undefined
}

/** What one message may hold; a single longer reading is a message all the same. */
export interface MessageLimits {
  readonly readings: number
  readonly bytes: number
}

/** The readings of a device, as stretches of the output. */
export interface Group {
  readonly kind: string
  readonly device: string | undefined
  readonly starts: number[]
  readonly ends: number[]
  /** The same readings as values; undefined where one has to be parsed. */
  readonly readings: unknown[]
  /** Keys of the line before, since the next one has most probably the same. */
  readonly keys: Key[]
  /** Metrics of a line with just these keys: copies of it share its shape. Undefined when a key has changed. */
  template: Readonly<Record<string, number | boolean>> | undefined
}

export function messagesOf(
  { starts, ends, readings }: Group,
  output: Buffer,
  limits: MessageLimits,
): Message[] {
  const messages: Message[] = []
  for (let first = 0; first < starts.length;) {
    // Brackets, and a comma for each reading but one.
    let bytes = 1
    let next = first
    do {
      bytes += ends[next]! - starts[next]! + 1
      next++
    } while (
      next < starts.length &&
      next - first < limits.readings &&
      bytes + ends[next]! - starts[next]! < limits.bytes
    )
    const json = Buffer.allocUnsafe(bytes)
    let size = 0
    for (let i = first; i < next; i++) {
      json[size++] = i === first ? OPENING_BRACKET : COMMA
      size += output.copy(json, size, starts[i], ends[i])
    }
    json[size] = CLOSING_BRACKET
    const decoded = readings.slice(first, next)
    messages.push({ json, readings: decoded.includes(undefined) ? undefined : decoded })
    first = next
  }
  return messages
}
