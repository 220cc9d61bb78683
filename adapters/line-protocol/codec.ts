import {
  BACKSLASH,
  CLOSING_BRACE,
  COMMA,
  EQUALS,
  HASH,
  NEWLINE,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
  ZERO,
} from './characters.ts'
import { readHead } from './head.ts'
import { asideText, keyOf, putAside, type Aside, type Key } from './key.ts'
import { LineFault } from './line-fault.ts'
import { messagesOf, type Batch, type Group, type MessageLimits } from './messages.ts'
import { isJsonNumber, isWord, plainNumber, scalarJson } from './scalar.ts'
import { CUT, milliseconds, TIME, wholeDigits, type Precision } from './time.ts'

/**
 * InfluxDB line protocol to the JSON of readings (contract §2); pure. What is a line, a name, a number and an escape is
 * as InfluxDB 1.6 reads it (`second-opinion.test.ts` asks a real one), and two things beyond: `\r\n` ends a line, and
 * `1u` is a number, as in InfluxDB 2.
 *
 *     cooking_fume,device=fume-1 fume=2.35,fan=true,fume_flag="M",lon=120.857,lat=32.01 1718000000123000000
 *
 * Contract §6 read backwards: the measurement is the kind, the tag `device` the device, and fields are metrics, but
 * for `{metric}_flag`, `lon`, `lat` and `alt`. Other tags say where a device is, which the registry knows better.
 * Whether kind, device and metrics exist is for others to judge: a field that is text becomes a metric that is text.
 *
 * From bytes to bytes, since bytes are what the journal keeps; and to the readings that they say wherever a line has
 * only plain numbers and booleans, as nearly all have, so that nobody has to parse what has just been written.
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

/** Never throws: what cannot be read is in `bad`, and the lines after it are read. */
export function decode(input: Buffer, precision: Precision, limits: MessageLimits): Decoded {
  return new Decoder(input.includes(RETURN) ? withoutReturns(input) : input, precision).run(limits)
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

const METRICS = Buffer.from('{"metrics":{')
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const TS = Buffer.from(',"ts":')

class Decoder {
  readonly #input: Buffer
  readonly #precision: Precision
  readonly #byHead = new Map<string, Group>()
  readonly #byDevice = new Map<string, Group>()
  readonly #keys = new Map<string, Key>()
  readonly #bad: BadLine[] = []
  #at = 0
  /** Where the line begins, here and in the output. */
  #lineStart = 0
  #lineSize = 0
  #headStart = 0
  #headEnd = 0
  #group: Group | undefined
  /** Values of the line, in the order of its keys; not all of it when `#isPlain` is false. */
  readonly #values: (number | boolean)[] = []
  #isPlain = true
  #ts: number | undefined
  #output: Buffer
  #size = 0
  /** Number of the line at {@link #numberedTo}, the last that was asked for. */
  #number = 1
  #numberedTo = 0

  constructor(input: Buffer, precision: Precision) {
    this.#input = input
    this.#precision = precision
    this.#output = Buffer.allocUnsafe(input.length * 2)
  }

  run(limits: MessageLimits): Decoded {
    const input = this.#input
    while (this.#at < input.length) {
      this.#skipBlank()
      const start = this.#at
      if (input[start] === HASH) this.#at = this.#lineEnd() + 1
      else if (input[start] === NEWLINE) this.#at++
      else if (start < input.length) this.#line(start)
    }
    const batches = [...this.#byDevice.values()]
      .filter((group) => group.starts.length > 0)
      .map((group) => ({
        kind: group.kind,
        device: group.device,
        messages: messagesOf(group, this.#output, limits),
      }))
    return { batches, bad: this.#bad }
  }

  #line(start: number): void {
    const size = this.#size
    this.#lineStart = start
    this.#lineSize = size
    this.#makeRoom()
    try {
      const group = this.#head()
      this.#skipBlank()
      this.#fields(group)
      this.#time()
      group.starts.push(size)
      group.ends.push(this.#size)
      group.readings.push(this.#isPlain ? this.#reading(group) : undefined)
      this.#at++
    } catch (error) {
      if (!(error instanceof LineFault)) throw error
      this.#size = size
      this.#at = this.#lineEnd()
      const text = this.#input.toString('utf8', start, this.#at++)
      this.#bad.push({ number: this.#lineNumber(start), text, reason: error.message })
    }
  }

  /** Measurement and tags, up to the first space that no backslash escapes. */
  #head(): Group {
    const input = this.#input
    const start = this.#at
    const length = this.#headEnd - this.#headStart
    if (this.#group !== undefined && input[start + length] === SPACE && this.#isHead(start, length)) {
      this.#at = start + length
      return this.#group
    }
    let end = start
    for (; input[end] !== SPACE || input[end - 1] === BACKSLASH; end++) {
      if (end >= input.length || input[end] === NEWLINE) throw new LineFault('missing fields')
    }
    this.#at = end
    const head = input.toString('latin1', start, end)
    let group = this.#byHead.get(head)
    if (group === undefined) {
      const { kind, device } = readHead(input.toString('utf8', start, end))
      const key = JSON.stringify([kind, device])
      group = this.#byDevice.get(key) ?? {
        kind,
        device,
        starts: [],
        ends: [],
        readings: [],
        keys: [],
        template: undefined,
      }
      this.#byDevice.set(key, group)
      this.#byHead.set(head, group)
    }
    this.#group = group
    this.#headStart = start
    this.#headEnd = end
    return group
  }

  #isHead(start: number, length: number): boolean {
    const input = this.#input
    const head = this.#headStart
    // From behind: devices differ in their ends.
    for (let i = length - 1; i >= 0; i--) if (input[start + i] !== input[head + i]) return false
    return true
  }

  #fields(group: Group): void {
    const input = this.#input
    const { keys } = group
    let aside: Aside | undefined
    this.#append(METRICS)
    this.#isPlain = true
    this.#values.length = 0
    let metrics = 0
    for (let i = 0; ; i++) {
      const key = this.#key(keys[i])
      if (key !== keys[i]) {
        keys[i] = key
        group.template = undefined
      }
      const isString = input[this.#at] === QUOTE
      if (key.place === 'metric' || (key.place === 'flag' && !isString)) {
        if (metrics++ > 0) this.#output[this.#size++] = COMMA
        this.#append(key.json)
        const value = this.#value()
        if (value === undefined || !key.isPlain) this.#isPlain = false
        else this.#values.push(value)
      } else {
        this.#isPlain = false
        const size = this.#size
        this.#value()
        aside ??= { flags: '' }
        putAside(aside, key, this.#output.toString('utf8', size, this.#size))
        this.#size = size
      }
      const next = input[this.#at]
      if (next === COMMA) this.#at++
      else if (next === SPACE || next === NEWLINE || this.#at >= input.length) break
      else throw new LineFault('invalid field format')
    }
    this.#output[this.#size++] = CLOSING_BRACE
    if (aside !== undefined) this.#write(asideText(aside))
  }

  /** What the line says, as `JSON.parse` would make it. Assigning to a copy is quicker than adding key by key. */
  #reading(group: Group): unknown {
    const { keys } = group
    const values = this.#values
    let metrics: Record<string, number | boolean>
    if (group.template !== undefined && keys.length === values.length) metrics = { ...group.template }
    else {
      keys.length = values.length
      metrics = {}
      group.template = metrics
    }
    for (let i = 0; i < values.length; i++) metrics[keys[i]!.name] = values[i]!
    return this.#ts === undefined ? { metrics } : { metrics, ts: this.#ts }
  }

  /** Up to its `=`; a separator after a backslash is part of the name, and a backslash cannot be escaped. */
  #key(expected: Key | undefined): Key {
    const input = this.#input
    const start = this.#at
    if (expected !== undefined && this.#comes(expected.written)) return expected
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

  /** Whether these bytes come next; then stands behind them. */
  #comes(bytes: Buffer): boolean {
    const input = this.#input
    const start = this.#at
    const { length } = bytes
    for (let i = 0; i < length; i++) if (input[start + i] !== bytes[i]) return false
    this.#at = start + length
    return true
  }

  /** Writes it as JSON. Undefined when it is neither a plain number nor a plain boolean. */
  #value(): number | boolean | undefined {
    const input = this.#input
    const output = this.#output
    const start = this.#at
    if (input[start] === QUOTE) {
      this.#string()
      return undefined
    }
    let at = start
    let size = this.#size
    for (; at < input.length; at++) {
      const byte = input[at]!
      if (byte === COMMA || byte === SPACE || byte === NEWLINE) break
      output[size++] = byte
    }
    this.#at = at
    const number = plainNumber(input, start, at)
    const value = !Number.isNaN(number)
      ? number
      : isWord(input, start, at, TRUE)
        ? true
        : isWord(input, start, at, FALSE)
          ? false
          : undefined
    if (value !== undefined || isJsonNumber(input, start, at)) this.#size = size
    else this.#write(scalarJson(input.toString('latin1', start, at)))
    return value
  }

  /**
   * In it, `\"` and `\\` are escapes, any other backslash is itself, and a line feed is text. That quotes are
   * unbalanced is found at most once in a text, for the next quote would have balanced them.
   */
  #string(): void {
    const input = this.#input
    const start = this.#at + 1
    for (let at = start; at < input.length; at++) {
      if (input[at] === BACKSLASH) at++
      else if (input[at] === QUOTE) {
        this.#at = at + 1
        const text = input.toString('utf8', start, at).replaceAll(/\\(["\\])/g, '$1')
        if (text.includes('\n')) this.#makeRoom()
        return this.#write(JSON.stringify(text))
      }
    }
    throw new LineFault('unbalanced quotes')
  }

  /** What is left of the line; stands at the line's end afterwards. */
  #time(): void {
    this.#skipBlank()
    const input = this.#input
    const start = this.#at
    const end = this.#lineEnd()
    this.#at = end
    this.#ts = undefined
    if (start < end) {
      this.#append(TS)
      const digits = wholeDigits(input, start, end) - CUT[this.#precision]
      if (digits > 0 && input[start] !== ZERO) this.#plainTime(start, start + digits)
      else this.#lateTime(input.toString('latin1', start, end).trim())
    }
    this.#output[this.#size++] = CLOSING_BRACE
  }

  #plainTime(start: number, end: number): void {
    const input = this.#input
    const output = this.#output
    let size = this.#size
    for (let at = start; at < end; at++) output[size++] = input[at]!
    this.#size = size
    const ts = plainNumber(input, start, end)
    if (Number.isNaN(ts)) this.#isPlain = false
    else this.#ts = ts
  }

  #lateTime(text: string): void {
    this.#isPlain = false
    if (text === '') {
      this.#size -= TS.length
      return
    }
    if (!TIME.test(text)) throw new LineFault('bad timestamp')
    this.#write(String(milliseconds(text, this.#precision)))
  }

  #append(bytes: Uint8Array): void {
    const output = this.#output
    const { length } = bytes
    let size = this.#size
    for (let i = 0; i < length; i++) output[size++] = bytes[i]!
    this.#size = size
  }

  #write(text: string): void {
    this.#size += this.#output.write(text, this.#size)
  }

  /** For all of the line, up to the next line feed: a control character takes six times as much in JSON. */
  #makeRoom(): void {
    const needed = this.#lineSize + (this.#lineEnd() - this.#lineStart) * 6 + 64
    if (needed <= this.#output.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#output.length * 2, needed))
    this.#output.copy(larger, 0, 0, this.#size)
    this.#output = larger
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
