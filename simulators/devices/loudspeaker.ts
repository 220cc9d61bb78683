import type { Measurement } from '../reading.ts'
import { type Effect, type Model, SECOND, type Setting, strengthOf } from './model.ts'

/** `broadcast`: somebody else is speaking through it. */
export const LOUDSPEAKER_EFFECTS = ['broadcast'] as const

/** A reader needs that long for a character, and to take a breath before. */
const CHARACTER = SECOND / 4
const BREATH = 2 * SECOND

/** A loudspeaker: plays what it is told to say (contract §2) and reports whether it plays. */
export class Loudspeaker implements Model {
  readonly #effects: readonly Effect[]
  readonly #spoken: { readonly from: number; readonly to: number }[] = []

  constructor({ effects }: Setting) {
    this.#effects = effects
  }

  /** From a moment on; after what it is still saying. Answers when it will be done. */
  say(text: string, at: number): number {
    const from = Math.max(at, this.#spoken.at(-1)?.to ?? at)
    const to = from + BREATH + CHARACTER * text.length
    this.#spoken.push({ from, to })
    return to
  }

  measure(at: number): Measurement {
    const speaks = this.#spoken.some(({ from, to }) => at >= from && at < to)
    return { metrics: { playing: speaks || strengthOf(this.#effects, 'broadcast', at) > 0 } }
  }
}
