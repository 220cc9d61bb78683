import type { JsonText } from './json-text.ts'
import type { Key } from './key.ts'
import type { Layout } from './layout.ts'

export type Scalar = number | boolean | string

/** Readings of one device in the order of their lines; nothing about them is checked. */
export interface Batch {
  readonly kind: string
  /** Undefined when the lines have no such tag. */
  readonly device: string | undefined
  readonly messages: readonly Message[]
}

/** What is handed in together. */
export interface Message {
  /** As of contract §2. */
  readonly readings: readonly unknown[]
  /** The JSON array that says the same. */
  readonly text: Buffer
}

/** What one message may hold; `bytes` of its lines. A single longer line is a message all the same. */
export interface MessageLimits {
  readonly readings: number
  readonly bytes: number
}

interface Open {
  readonly readings: unknown[]
  /** Where they stand in the text; see {@link JsonText.arrayOf}. */
  readonly stretches: number[]
}

/** The lines of a device. */
export class Group {
  readonly kind: string
  readonly device: string | undefined
  /** Keys of the line before, since the next one has most probably the same. */
  readonly keys: Key[]
  /** What the line before looked like. */
  layout: Layout | undefined
  readonly #limits: MessageLimits
  readonly #messages: Open[] = []
  #bytes = 0

  /** `last`: of the line before, which the first of this one may look like. */
  constructor(kind: string, device: string | undefined, limits: MessageLimits, last: Group | undefined) {
    this.kind = kind
    this.device = device
    this.keys = last === undefined ? [] : [...last.keys]
    this.layout = last?.layout
    this.#limits = limits
  }

  /** `bytes`: of its line; `from` and `to`: where it stands in the text. */
  add(reading: unknown, bytes: number, from: number, to: number): void {
    let open = this.#messages.at(-1)
    this.#bytes += bytes
    if (
      open === undefined ||
      open.readings.length >= this.#limits.readings ||
      this.#bytes > this.#limits.bytes
    ) {
      open = { readings: [], stretches: [] }
      this.#messages.push(open)
      this.#bytes = bytes
    }
    open.readings.push(reading)
    const { stretches } = open
    if (stretches.at(-1) === from) stretches[stretches.length - 1] = to
    else stretches.push(from, to)
  }

  /** Once all lines are read. */
  messages(text: JsonText): Message[] {
    return this.#messages.map(({ readings, stretches }) => ({ readings, text: text.arrayOf(stretches) }))
  }
}
