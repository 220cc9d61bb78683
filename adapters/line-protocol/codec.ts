/**
 * InfluxDB line protocol to the JSON of readings (contract §2); pure. What is a line, a name, a number and an escape is as InfluxDB 1.6 reads
 * it (`second-opinion.test.ts` asks a real one), and three things beyond: `\r\n` ends a line, `1u` is a number, as
 * in InfluxDB 2.
 *
 *     cooking_fume,device=fume-1 fume=2.35,fan=true,fume_flag="M",lon=120.857,lat=32.01 1718000000123000000
 *
 * Contract §6 read backwards: the measurement is the kind, the tag `device` the device, and fields are metrics, but
 * for `{metric}_flag`, `lon`, `lat` and `alt`. Other tags say where a device is, which the registry knows better.
 * Whether kind, device and metrics exist is for others to judge: a field that is text becomes a metric that is text.
 *
 * From bytes to bytes, for the intake parses what it is given, natively, and keeps those bytes: making the readings
 * here cost twice as much in all.
 */

/** A unit of time stamps: how a written one becomes epoch milliseconds. */
export type Precision = 'ns' | 'us' | 'ms' | 's' | 'm' | 'h'

/** Names of precisions in both write APIs. */
const PRECISIONS: ReadonlyMap<string, Precision> = new Map([
  ['', 'ns'],
  ['n', 'ns'],
  ['ns', 'ns'],
  ['u', 'us'],
  ['us', 'us'],
  ['µ', 'us'],
  ['ms', 'ms'],
  ['s', 's'],
  ['m', 'm'],
  ['h', 'h'],
])

export function precisionOf(name: string): Precision | undefined {
  return PRECISIONS.get(name)
}

/** Readings of one device in the order of their lines; nothing about them is checked. */
export interface Batch {
  readonly kind: string
  /** Undefined when the lines have no such tag. */
  readonly device: string | undefined
  /** Each a JSON array of readings. */
  readonly messages: readonly Uint8Array[]
}

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

/** What one message may hold; a single longer reading is a message all the same. */
export interface MessageLimits {
  readonly readings: number
  readonly bytes: number
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

const TAB = 0x09
const NEWLINE = 0x0a
const RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const HASH = 0x23
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const EQUALS = 0x3d
const BACKSLASH = 0x5c
const EXPONENT = 0x65
const CLOSING_BRACE = 0x7d

const FLOAT = /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/
const INTEGER = /^-?\d{1,20}[iu]$/
const TIME = /^-?\d{1,19}$/
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['t', 'T', 'true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['f', 'F', 'false', 'False', 'FALSE'].map((word) => [word, false] as const),
])

const METRICS = Buffer.from('{"metrics":{')
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const TS = Buffer.from(',"ts":')
const FLAG = '_flag'

class LineFault extends Error {}

/** A field key as it is written, its `=` included, and as it is in JSON, its `:` included. */
interface Key {
  readonly name: string
  readonly written: Buffer
  readonly json: Buffer
  readonly place: 'metric' | 'flag' | 'position'
}

/** The readings of a device, as stretches of the output. */
interface Group {
  readonly kind: string
  readonly device: string | undefined
  readonly starts: number[]
  readonly ends: number[]
  /** Keys of the line before, since the next one has most probably the same. */
  readonly keys: Key[]
}

/** What of a line does not belong to its metrics: JSON texts. */
interface Aside {
  flags: string
  lon?: string
  lat?: string
  alt?: string
}

class Decoder {
  readonly #input: Buffer
  readonly #precision: Precision
  readonly #byHead = new Map<string, Group>()
  readonly #byDevice = new Map<string, Group>()
  readonly #keys = new Map<string, Key>()
  readonly #bad: BadLine[] = []
  #at = 0
  #headStart = 0
  #headEnd = 0
  #group: Group | undefined
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
    // A control character of a name or a string takes six times as much in JSON.
    this.#makeRoom((this.#lineEnd() - start) * 6 + 64)
    try {
      const group = this.#head()
      this.#skipBlank()
      this.#fields(group.keys)
      this.#time()
      group.starts.push(size)
      group.ends.push(this.#size)
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
      group = this.#byDevice.get(key) ?? { kind, device, starts: [], ends: [], keys: [] }
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

  #fields(keys: Key[]): void {
    const input = this.#input
    let aside: Aside | undefined
    this.#append(METRICS)
    let metrics = 0
    for (let i = 0; ; i++) {
      const key = this.#key(keys[i])
      keys[i] = key
      const isString = input[this.#at] === QUOTE
      if (key.place === 'metric' || (key.place === 'flag' && !isString)) {
        if (metrics++ > 0) this.#output[this.#size++] = COMMA
        this.#append(key.json)
        this.#value()
      } else {
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
        this.#keys.set(written, key)
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

  #value(): void {
    const input = this.#input
    const output = this.#output
    const start = this.#at
    if (input[start] === QUOTE) return this.#string()
    let at = start
    let size = this.#size
    for (; at < input.length; at++) {
      const byte = input[at]!
      if (byte === COMMA || byte === SPACE || byte === NEWLINE) break
      output[size++] = byte
    }
    this.#at = at
    if (isJsonNumber(input, start, at) || isWord(input, start, at, TRUE) || isWord(input, start, at, FALSE))
      this.#size = size
    else this.#write(scalarJson(input.toString('latin1', start, at)))
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
        this.#makeRoom((at - start) * 6 + 64)
        const text = input.toString('utf8', start, at).replaceAll(/\\(["\\])/g, '$1')
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
    if (start < end) {
      this.#append(TS)
      const digits = wholeDigits(input, start, end) - CUT[this.#precision]
      if (digits > 0 && input[start] !== ZERO) this.#append(input.subarray(start, start + digits))
      else this.#lateTime(input.toString('latin1', start, end).trim())
    }
    this.#output[this.#size++] = CLOSING_BRACE
  }

  #lateTime(text: string): void {
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

  #makeRoom(bytes: number): void {
    if (this.#size + bytes <= this.#output.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#output.length * 2, this.#size + bytes))
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

function readHead(head: string): { kind: string; device: string | undefined } {
  const [measurement = '', ...tags] = splitUnescaped(head, ',')
  if (measurement === '') throw new LineFault('missing measurement')
  const seen = new Map<string, string>()
  for (const tag of tags) {
    const [key = '', value = '', ...more] = splitUnescaped(tag, '=')
    if (key === '') throw new LineFault('missing tag key')
    if (value === '') throw new LineFault('missing tag value')
    if (more.length > 0) throw new LineFault('invalid tag format')
    const name = unescapeName(key)
    if (seen.has(name)) throw new LineFault('duplicate tags')
    seen.set(name, unescapeName(value))
  }
  // In a measurement `\=` is two characters.
  return { kind: measurement.replaceAll(/\\([, ])/g, '$1'), device: seen.get('device') }
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let at = text.indexOf(separator); at >= 0; at = text.indexOf(separator, at + 1)) {
    if (text[at - 1] === '\\') continue
    parts.push(text.slice(start, at))
    start = at + 1
  }
  parts.push(text.slice(start))
  return parts
}

function unescapeName(name: string): string {
  return name.includes('\\') ? name.replaceAll(/\\([,= ])/g, '$1') : name
}

function keyOf(written: Buffer): Key {
  const name = unescapeName(written.toString('utf8', 0, written.length - 1))
  const json = Buffer.from(`${JSON.stringify(name)}:`)
  if (name === 'lon' || name === 'lat' || name === 'alt') return { name, written, json, place: 'position' }
  const place = name.length > FLAG.length && name.endsWith(FLAG) ? 'flag' : 'metric'
  return { name, written, json, place }
}

/** As InfluxDB does, and JSON: of a field that is there twice, the last counts. */
function putAside(aside: Aside, { name, place }: Key, json: string): void {
  if (place === 'position') aside[name as 'lon' | 'lat' | 'alt'] = json
  else aside.flags += `${aside.flags === '' ? '' : ','}${JSON.stringify(name.slice(0, -FLAG.length))}:${json}`
}

function asideText({ flags, lon, lat, alt }: Aside): string {
  const marks = flags === '' ? '' : `,"flags":{${flags}}`
  if (lon === undefined && lat === undefined && alt === undefined) return marks
  if (lon === undefined || lat === undefined) throw new LineFault('a position needs lon and lat')
  return `${marks},"position":[${lon},${lat}${alt === undefined ? '' : `,${alt}`}]`
}

/** RFC 8259 §6; what is not can still be a number of line protocol. */
function isJsonNumber(input: Buffer, start: number, end: number): boolean {
  let at = input[start] === MINUS ? start + 1 : start
  const first = at
  at = digitsEnd(input, at)
  if (at === first || (input[first] === ZERO && at > first + 1)) return false
  if (input[at] === POINT) {
    const fraction = at + 1
    at = digitsEnd(input, fraction)
    if (at === fraction) return false
  }
  if ((input[at]! | 0x20) === EXPONENT) return false
  return at === end
}

function isWord(input: Buffer, start: number, end: number, word: Buffer): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) if (input[start + i] !== word[i]) return false
  return true
}

function digitsEnd(input: Buffer, start: number): number {
  let at = start
  while (input[at]! >= ZERO && input[at]! <= NINE) at++
  return at
}

function scalarJson(text: string): string {
  const boolean = BOOLEANS.get(text)
  if (boolean !== undefined) return String(boolean)
  if (FLOAT.test(text)) {
    const number = Number(text)
    if (Number.isFinite(number)) return String(number)
    throw new LineFault('a number that is too large')
  }
  if (INTEGER.test(text)) return String(Number(text.slice(0, -1)))
  throw new LineFault(text === '' ? 'missing field value' : 'neither a number, a boolean nor a string')
}

/** Digits of a time that are below a millisecond: cut, since a reading is of the millisecond that it fell into. */
const CUT = { ns: 6, us: 3, ms: 0, s: NaN, m: NaN, h: NaN } as const

/** How many digits there are when there is nothing else; else NaN. */
function wholeDigits(input: Buffer, start: number, end: number): number {
  return digitsEnd(input, start) === end && end - start < 20 ? end - start : NaN
}

const MILLISECONDS = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** Of a time that is not near ours, or not finer than a second. */
function milliseconds(text: string, precision: Precision): number {
  return Math.floor(Number(text) * MILLISECONDS[precision])
}

function messagesOf({ starts, ends }: Group, output: Buffer, limits: MessageLimits): Buffer[] {
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
      size = message.write(i === first ? '[' : ',', size, 'latin1') + size
      size += output.copy(message, size, starts[i], ends[i])
    }
    message.write(']', size, 'latin1')
    messages.push(message)
    first = next
  }
  return messages
}
