import type { Key } from './key.ts'

export type Scalar = number | boolean | string

/** Readings of one device in the order of their lines; nothing about them is checked. */
export interface Batch {
  readonly kind: string
  /** Undefined when the lines have no such tag. */
  readonly device: string | undefined
  /** Readings (contract §2) that are handed in together. */
  readonly messages: readonly (readonly unknown[])[]
}

/** What one message may hold; `bytes` of its lines. A single longer line is a message all the same. */
export interface MessageLimits {
  readonly readings: number
  readonly bytes: number
}

/** The readings of a device. */
export interface Group {
  readonly kind: string
  readonly device: string | undefined
  readonly readings: unknown[]
  /** Bytes of the line of each. */
  readonly sizes: number[]
  /** Keys of the line before, since the next one has most probably the same. */
  readonly keys: Key[]
  /** Metrics of a line of just these keys; undefined when one of them has changed since. */
  template: Readonly<Record<string, Scalar>> | undefined
}

export function messagesOf({ readings, sizes }: Group, limits: MessageLimits): unknown[][] {
  const messages: unknown[][] = []
  for (let first = 0; first < readings.length;) {
    let bytes = 0
    let next = first
    do bytes += sizes[next++]!
    while (next < readings.length && next - first < limits.readings && bytes + sizes[next]! <= limits.bytes)
    messages.push(readings.slice(first, next))
    first = next
  }
  return messages
}
