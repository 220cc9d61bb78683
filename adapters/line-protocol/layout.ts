import { DECIMAL_LENGTH, decimal, POWERS, SMALL_DIGITS } from '../decimal.ts'
import { COMMA, MINUS, NEWLINE, NINE, POINT, SMALL_I, SPACE, ZERO } from './characters.ts'
import type { JsonText } from './json-text.ts'
import type { Key } from './key.ts'
import type { Scalar } from './messages.ts'
import { Piece } from './piece.ts'
import { digitsEnd, isWord } from './scalar.ts'

/** Longer lines are read as ever: what a line begins with must not cost more than the line. */
const MOST_KEYS = 100
/** Of a time, at most: what InfluxDB's 64 bits hold, in nanoseconds. */
const TIME_DIGITS = 19
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const BEFORE_TIME = new Piece(Buffer.from('},"ts":'))
const END = new Piece(Buffer.from('}\n'))

/**
 * What the lines of an agent look like all day: the same fields in the same order, all of them metrics, with numbers of
 * few digits or `true` and `false`, one space and a time. Such a line is read in one pass, which writes the reading's
 * JSON along: its digits are the same there. Whatever is not exactly so is left to the decoder.
 */
export class Layout {
  readonly keys: readonly Key[]
  /** Of the line that was read last. */
  reading: unknown
  /** What comes before each value in JSON. */
  readonly #before: readonly Piece[]
  /** Where the value ends that was read last. */
  #end = 0
  /** Bytes that a reading takes at most. */
  readonly #longest: number
  /** A copy of an object has its shape from the start, so it is made sooner than one that grows. */
  #template: Readonly<Record<string, Scalar>> = {}

  /** Undefined when lines of these keys need a closer look. */
  static of(keys: readonly Key[]): Layout | undefined {
    const isSimple = keys.every(({ place, isPlain }) => place === 'metric' && isPlain)
    const isUnique = new Set(keys.map(({ name }) => name)).size === keys.length
    return isSimple && isUnique && keys.length <= MOST_KEYS ? new Layout([...keys]) : undefined
  }

  private constructor(keys: readonly Key[]) {
    this.keys = keys
    this.#before = keys.map(
      ({ name }, i) => new Piece(Buffer.from(`${i === 0 ? ',{"metrics":{' : ','}${JSON.stringify(name)}:`)),
    )
    const fields = this.#before.reduce((sum, { length }) => sum + length + DECIMAL_LENGTH, 0)
    this.#longest = fields + BEFORE_TIME.length + DECIMAL_LENGTH + END.length
  }

  /**
   * Reads fields and time of the line that goes on at `start`; the last `cut` digits of the time are below a
   * millisecond. Answers where the line ends, and its reading is in the text; or -1, and the text is as it was.
   */
  read(input: Buffer, view: DataView, start: number, cut: number, text: JsonText): number {
    text.ensure(this.#longest)
    const { bytes } = text
    const { keys } = this
    const before = this.#before
    const metrics: Record<string, Scalar> = { ...this.#template }
    const last = keys.length - 1
    let to = text.size
    let at = start
    for (let i = 0; i <= last; i++) {
      const { name, piece } = keys[i]!
      if (!piece.isAt(view, at, input.length)) return -1
      at += piece.length
      to = before[i]!.write(text.view, to)
      const value = this.#value(input, at)
      const end = this.#end
      if (value === undefined || input[end] !== (i === last ? SPACE : COMMA)) return -1
      metrics[name] = value
      // JSON has no `i` behind whole numbers.
      const textEnd = input[end - 1] === SMALL_I ? end - 1 : end
      for (; at < textEnd; at++) bytes[to++] = input[at]!
      at = end + 1
    }
    const end = digitsEnd(input, at)
    if (end < input.length && input[end] !== NEWLINE) return -1
    if (end - at > TIME_DIGITS) return -1
    const digits = end - at - cut
    const ts = digits > 0 && input[at] !== ZERO ? decimal(input, at, at + digits) : NaN
    if (Number.isNaN(ts)) return -1
    to = BEFORE_TIME.write(text.view, to)
    for (let i = at; i < at + digits; i++) bytes[to++] = input[i]!
    text.size = END.write(text.view, to)
    this.#template = metrics
    this.reading = { ts, metrics }
    return end
  }

  /** Stands behind it afterwards. Undefined when it is none that stands in JSON as it stands here. */
  #value(input: Buffer, start: number): number | boolean | undefined {
    const first = input[start] === MINUS ? start + 1 : start
    // Few digits are added up on the way, as a small integer.
    const limit = Math.min(input.length, first + SMALL_DIGITS + 1)
    let digits = 0
    let point = -1
    let at = first
    for (; at < limit; at++) {
      const digit = input[at]! - ZERO
      if (digit >= 0 && digit <= 9) digits = digits * 10 + digit
      else if (digit === POINT - ZERO && point < 0) point = at
      else break
    }
    // A whole number ends with `i`.
    this.#end = point < 0 && input[at] === SMALL_I ? at + 1 : at
    if (at === limit || at === first || !isJsonNumber(input, first, at)) return this.#otherValue(input, start)
    const number = point < 0 ? digits : digits / POWERS[at - point - 1]!
    return first === start ? number : -number
  }

  #otherValue(input: Buffer, start: number): number | boolean | undefined {
    const end = valueEnd(input, start)
    this.#end = end
    if (isWord(input, start, end, TRUE)) return true
    if (isWord(input, start, end, FALSE)) return false
    const isWhole = input[end - 1] === SMALL_I
    const last = isWhole ? end - 1 : end
    const first = input[start] === MINUS ? start + 1 : start
    const number = decimal(input, start, last)
    if (Number.isNaN(number) || !isJsonNumber(input, first, last)) return undefined
    return isWhole && digitsEnd(input, first) !== last ? undefined : number
  }
}

/** Whether digits and a point stand there as JSON has them. */
function isJsonNumber(input: Buffer, first: number, end: number): boolean {
  if (!isDigit(input[first]!) || !isDigit(input[end - 1]!)) return false
  return input[first] !== ZERO || end === first + 1 || input[first + 1] === POINT
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE
}

/** Of what is as long as a number of few digits, at most. */
function valueEnd(input: Buffer, start: number): number {
  const limit = Math.min(input.length, start + DECIMAL_LENGTH)
  let at = start
  while (at < limit && input[at] !== COMMA && input[at] !== SPACE) at++
  return at
}
