import { CLOSING_BRACKET, COMMA, OPENING_BRACKET } from './characters.ts'
import type { Key } from './key.ts'

/** Readings of one device in the order of their lines; nothing about them is checked. */
export interface Batch {
  readonly kind: string
  /** Undefined when the lines have no such tag. */
  readonly device: string | undefined
  /** Each a JSON array of readings. */
  readonly messages: readonly Uint8Array[]
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
  /** Keys of the line before, since the next one has most probably the same. */
  readonly keys: Key[]
}

export function messagesOf({ starts, ends }: Group, output: Buffer, limits: MessageLimits): Buffer[] {
  const messages: Buffer[] = []
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
    const message = Buffer.allocUnsafe(bytes)
    let size = 0
    for (let i = first; i < next; i++) {
      message[size++] = i === first ? OPENING_BRACKET : COMMA
      size += output.copy(message, size, starts[i], ends[i])
    }
    message[size] = CLOSING_BRACKET
    messages.push(message)
    first = next
  }
  return messages
}
