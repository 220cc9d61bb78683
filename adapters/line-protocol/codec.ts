import { BACKSLASH, COMMA, EQUALS, HASH, NEWLINE, QUOTE, RETURN, SPACE, TAB, ZERO } from './characters.ts'
import { decimal } from '../decimal.ts'
import { readHead } from './head.ts'
import { asideOf, keyOf, putAside, type Aside, type Key } from './key.ts'
import { LineFault } from './line-fault.ts'
import { JsonText, viewOf } from './json-text.ts'
import { Layout } from './layout.ts'
import { Group, type Batch, type MessageLimits, type Scalar } from './messages.ts'
import { Piece } from './piece.ts'
import { isWord, scalar } from './scalar.ts'
import { CUT, milliseconds, TIME, wholeDigits, type Precision } from './time.ts'

/**
 * InfluxDB line protocol to readings (contract §2); pure. What is a line, a name, a number and an escape is
 * as InfluxDB 1.6 reads it (`second-opinion.test.ts` asks a real one), and two things beyond: `\r\n` ends a line, and
 * `1u` is a number, as in InfluxDB 2.
 *
 *     cooking_fume,device=fume-1 fume=2.35,fan=true,fume_flag="M",lon=120.857,lat=32.01 1718000000123000000
 *
 * Contract §6 read backwards: the measurement is the kind, the tag `device` the device, and fields are metrics, but
 * for `{metric}_flag`, `lon`, `lat` and `alt`. Other tags say where a device is, which the registry knows better.
 * Whether kind, device and metrics exist is for others to judge: a field that is text becomes a metric that is text.
 *
 * An agent sends the same fields all day: a line that looks like the one before is read by its `layout.ts`, any other
 * here. Beside the readings their JSON is written, which is what the journal keeps.
 */

/** A line that is not line protocol. */
export interface BadLine {
  /** From 1. */
  readonly number: number
  readonly text: string
  readonly reason: string
}

export interface Decoded {
  readonly batches: readonly Batch[]
  readonly bad: readonly BadLine[]
}

/**
 * Never throws: what cannot be read is in `bad`, and the lines after it are read. The messages' texts are in `text`, and
 * good until that is used again.
 */
export function decode(
  input: Buffer,
  precision: Precision,
  limits: MessageLimits,
  text = new JsonText(),
): Decoded {
  return new Decoder(input.includes(RETURN) ? withoutReturns(input) : input, precision, limits, text).run()
}

export function lineCount(input: Buffer): number {
  let count = input.length === 0 || input.at(-1) === NEWLINE ? 0 : 1
  for (let at = input.indexOf(NEWLINE); at >= 0; at = input.indexOf(NEWLINE, at + 1)) count++
  return count
}

function withoutReturns(input: Buffer): Buffer {
  return Buffer.from(input.toString('utf8').replaceAll('\r\n', '\n'))
}

/** Field keys that are remembered: those that come again, and not a megabyte of others. */
const KEYS = 1000

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')

class Decoder {
  readonly #input: Buffer
  readonly #view: DataView
  readonly #precision: Precision
  readonly #cut: number
  readonly #limits: MessageLimits
  readonly #text: JsonText
  readonly #byHead = new Map<string, { readonly head: Piece; readonly group: Group }>()
  readonly #byDevice = new Map<string, Group>()
  readonly #keys = new Map<string, Key>()
  readonly #bad: BadLine[] = []
  #at = 0
  /** Of the line before; the head with the space behind it. */
  #last: { readonly head: Piece; readonly group: Group } | undefined
  /** Whether the line has the keys of the one before. */
  #isRepeated = false
  /** Metrics of the line. */
  readonly #metrics: Key[] = []
  readonly #values: Scalar[] = []
  /** Number of the line at {@link #numberedTo}, the last that was asked for. */
  #number = 1
  #numberedTo = 0

  constructor(input: Buffer, precision: Precision, limits: MessageLimits, text: JsonText) {
    this.#input = input
    this.#view = viewOf(input)
    this.#precision = precision
    this.#cut = CUT[precision]
    this.#limits = limits
    this.#text = text
    text.clear(input.length + (input.length >> 1))
  }

  run(): Decoded {
    const input = this.#input
    while (this.#at < input.length) {
      this.#skipBlank()
      const start = this.#at
      if (input[start] === HASH) this.#at = this.#lineEnd() + 1
      else if (input[start] === NEWLINE) this.#at++
      else if (start < input.length) this.#line(start)
    }
    const batches = [...this.#byDevice.values()].map((group) => ({
      kind: group.kind,
      device: group.device,
      messages: group.messages(this.#text),
    }))
    return { batches: batches.filter(({ messages }) => messages.length > 0), bad: this.#bad }
  }

  #line(start: number): void {
    try {
      const group = this.#head()
      this.#skipBlank()
      const from = this.#text.size
      const reading = this.#asBefore(group) ?? this.#reading(group)
      group.add(reading, this.#at - start, from, this.#text.size)
      this.#at++
    } catch (error) {
      if (!(error instanceof LineFault)) throw error
      this.#at = this.#lineEnd()
      const text = this.#input.toString('utf8', start, this.#at++)
      this.#bad.push({ number: this.#lineNumber(start), text, reason: error.message })
    }
  }

  /** Measurement and tags, up to the first space that no backslash escapes. */
  #head(): Group {
    const input = this.#input
    const start = this.#at
    if (this.#last?.head.isAt(this.#view, start, input.length) === true) {
      this.#at = start + this.#last.head.length - 1
      return this.#last.group
    }
    let end = start
    for (; input[end] !== SPACE || input[end - 1] === BACKSLASH; end++) {
      if (end >= input.length || input[end] === NEWLINE) throw new LineFault('missing fields')
    }
    this.#at = end
    const written = input.toString('latin1', start, end)
    let known = this.#byHead.get(written)
    if (known === undefined) {
      const { kind, device } = readHead(input.toString('utf8', start, end))
      const key = JSON.stringify([kind, device])
      const group = this.#byDevice.get(key) ?? new Group(kind, device, this.#limits, this.#last?.group)
      this.#byDevice.set(key, group)
      known = { head: new Piece(input.subarray(start, end + 1)), group }
      this.#byHead.set(written, known)
    }
    this.#last = known
    return known.group
  }

  /** Undefined when the line does not look like the one before. */
  #asBefore({ layout }: Group): unknown {
    // Times of a second or more have digits that JSON's have not.
    if (layout === undefined || Number.isNaN(this.#cut)) return undefined
    const end = layout.read(this.#input, this.#view, this.#at, this.#cut, this.#text)
    if (end < 0) return undefined
    this.#at = end
    return layout.reading
  }

  #reading(group: Group): unknown {
    const aside = this.#fields(group)
    const metrics = this.#metricsOf()
    const ts = this.#time()
    const reading: Record<string, unknown> = ts === undefined ? { metrics } : { ts, metrics }
    if (aside !== undefined) Object.assign(reading, asideOf(aside))
    else if (this.#isRepeated && !isSame(group.layout?.keys, group.keys)) group.layout = Layout.of(group.keys)
    this.#text.append(reading)
    return reading
  }

  /** All of them, into `#metrics` and `#values`; what does not belong there is returned. */
  #fields({ keys }: Group): Aside | undefined {
    const input = this.#input
    let aside: Aside | undefined
    this.#isRepeated = true
    this.#metrics.length = 0
    this.#values.length = 0
    for (let i = 0; ; i++) {
      const key = this.#key(keys[i])
      if (key !== keys[i]) this.#isRepeated = false
      keys[i] = key
      const value = this.#value()
      if (key.place === 'metric' || (key.place === 'flag' && typeof value !== 'string')) {
        this.#metrics.push(key)
        this.#values.push(value)
      } else {
        aside ??= {}
        putAside(aside, key, value)
      }
      const next = input[this.#at]
      if (next === COMMA) this.#at++
      else if (next === SPACE || next === NEWLINE || this.#at >= input.length) {
        if (keys.length > i + 1) this.#isRepeated = false
        keys.length = i + 1
        return aside
      } else throw new LineFault('invalid field format')
    }
  }

  /** Of a field that is there twice, the last counts, as in InfluxDB. */
  #metricsOf(): Record<string, Scalar> {
    return Object.fromEntries(this.#metrics.map(({ name }, i) => [name, this.#values[i]!]))
  }

  /** Up to its `=`; a separator after a backslash is part of the name, and a backslash cannot be escaped. */
  #key(expected: Key | undefined): Key {
    const input = this.#input
    const start = this.#at
    if (expected?.piece.isAt(this.#view, start, input.length) === true) {
      this.#at = start + expected.piece.length
      return expected
    }
    for (let at = start; at < input.length; at++) {
      const byte = input[at]
      if (byte !== EQUALS && byte !== COMMA && byte !== SPACE && byte !== NEWLINE) continue
      if (byte !== NEWLINE && at > start && input[at - 1] === BACKSLASH) continue
      if (byte !== EQUALS) break
      if (at === start) throw new LineFault('missing field key')
      this.#at = at + 1
      const written = input.toString('latin1', start, at + 1)
      let key = this.#keys.get(written)
      if (key === undefined) {
        key = keyOf(input.subarray(start, at + 1))
        if (this.#keys.size < KEYS) this.#keys.set(written, key)
      }
      return key
    }
    throw new LineFault('invalid field format')
  }

  #value(): Scalar {
    const input = this.#input
    const start = this.#at
    if (input[start] === QUOTE) return this.#string()
    let end = start
    for (; end < input.length; end++) {
      const byte = input[end]!
      if (byte === COMMA || byte === SPACE || byte === NEWLINE) break
    }
    this.#at = end
    const number = decimal(input, start, end)
    if (!Number.isNaN(number)) return number
    if (isWord(input, start, end, TRUE)) return true
    if (isWord(input, start, end, FALSE)) return false
    return scalar(input.toString('latin1', start, end))
  }

  /**
   * In it, `\"` and `\\` are escapes, any other backslash is itself, and a line feed is text. That quotes are
   * unbalanced is found at most once in a text, for the next quote would have balanced them.
   */
  #string(): string {
    const input = this.#input
    const start = this.#at + 1
    for (let at = start; at < input.length; at++) {
      if (input[at] === BACKSLASH) at++
      else if (input[at] === QUOTE) {
        this.#at = at + 1
        return input.toString('utf8', start, at).replaceAll(/\\(["\\])/g, '$1')
      }
    }
    throw new LineFault('unbalanced quotes')
  }

  /** What is left of the line; stands at the line's end afterwards. Undefined when there is none. */
  #time(): number | undefined {
    this.#skipBlank()
    const input = this.#input
    const start = this.#at
    const end = this.#lineEnd()
    this.#at = end
    if (start >= end) return undefined
    const digits = wholeDigits(input, start, end) - this.#cut
    if (digits > 0 && input[start] !== ZERO) {
      const ts = decimal(input, start, start + digits)
      if (!Number.isNaN(ts)) return ts
    }
    const text = input.toString('latin1', start, end).trim()
    if (text === '') return undefined
    if (!TIME.test(text)) throw new LineFault('bad timestamp')
    return milliseconds(text, this.#precision)
  }

  #skipBlank(): void {
    for (; ; this.#at++) {
      const byte = this.#input[this.#at]
      if (byte !== SPACE && byte !== TAB && byte !== 0) return
    }
  }

  #lineEnd(): number {
    const newline = this.#input.indexOf(NEWLINE, this.#at)
    return newline < 0 ? this.#input.length : newline
  }

  /** Of ever later positions. */
  #lineNumber(position: number): number {
    for (;;) {
      const newline = this.#input.indexOf(NEWLINE, this.#numberedTo)
      if (newline < 0 || newline >= position) return this.#number
      this.#number++
      this.#numberedTo = newline + 1
    }
  }
}

function isSame(keys: readonly Key[] | undefined, others: readonly Key[]): boolean {
  return keys?.length === others.length && others.every((key, i) => key === keys[i])
}
