import { asBuffer, SEGMENT_LIMIT, type Fault } from './codec.ts'

export interface SplitterListener {
  /**
   * A frame whose length is right, from `##` to the checksum, and its data segment. Both are on loan: what is kept of
   * them must be copied before returning, but they may be written to.
   */
  onFrame(segment: Buffer, crc: number, frame: Buffer): void
  /** What looked like a frame and is none. */
  onFault(fault: Fault): void
}

const HEAD = 6
const CRC = 4
const EMPTY = Buffer.alloc(0)

/**
 * Cuts a byte stream into frames, wherever it is split. No data segment holds a line break or another frame's
 * `##LLLL` (§6.3), so either of them ends a frame that has claimed more than it sent: the next frame is found at
 * once, and each byte is looked at once. What is held is never more than one frame, and never more than what has
 * really come in.
 */
export class Splitter {
  readonly #listener: SplitterListener
  /** Holds the beginning of a frame, in its first `#held` bytes. */
  #buffer: Buffer = EMPTY
  #held = 0
  /** Length of the data segment that the held header claims; -1 while there is no whole header. */
  #claim = -1
  /** Up to where the claimed frame has been searched. */
  #searched = 0
  #noise = 0

  constructor(listener: SplitterListener) {
    this.#listener = listener
  }

  /** Bytes of an unfinished frame. */
  get held(): number {
    return this.#held
  }

  /** Bytes since the last frame that belong to none; line breaks do not count. */
  get noise(): number {
    return this.#noise
  }

  /** Takes the chunk's bytes for its own: frames that lie in it whole are not copied. */
  push(chunk: Uint8Array): void {
    const isFresh = this.#held === 0
    const data = isFresh ? asBuffer(chunk) : this.#join(chunk)
    const done = this.#scan(data)
    const rest = data.length - done
    if (rest === 0) this.#buffer = EMPTY
    else if (isFresh || done > 0) this.#buffer = Buffer.from(data.subarray(done))
    this.#held = rest
  }

  /** Gives up the unfinished frame. */
  discard(): void {
    this.#noise += this.#held
    this.#buffer = EMPTY
    this.#held = 0
    this.#claim = -1
  }

  /** Doubles, so that a frame that comes byte by byte is copied a constant number of times. */
  #join(chunk: Uint8Array): Buffer {
    const length = this.#held + chunk.length
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(64, 2 * this.#buffer.length, length))
      this.#buffer.copy(larger, 0, 0, this.#held)
      this.#buffer = larger
    }
    this.#buffer.set(chunk, this.#held)
    return this.#buffer.subarray(0, length)
  }

  /** Answers up to where `data` is dealt with; what follows is the beginning of a frame. */
  #scan(data: Buffer): number {
    let at = 0
    for (;;) {
      if (this.#claim < 0) {
        const start = this.#findHeader(data, at)
        if (this.#claim < 0) return start
        at = start
        this.#searched = HEAD
      }
      const next = this.#finish(data, at)
      if (next < 0) return at
      this.#claim = -1
      at = next
    }
  }

  /** Where the next header begins, or what may become one; reads what it claims when it is whole. */
  #findHeader(data: Uint8Array, from: number): number {
    for (let at = from; at < data.length; at++) {
      if (data[at] === HASH) {
        const claim = headerAt(data, at)
        if (claim === 'unfinished') return at
        if (claim !== null && claim <= SEGMENT_LIMIT) {
          this.#claim = claim
          return at
        }
        if (claim !== null) {
          this.#fault('too_long', `a data segment of ${claim} bytes; expected at most ${SEGMENT_LIMIT}`)
        }
      }
      if (data[at] !== CR && data[at] !== LF) this.#noise++
    }
    return data.length
  }

  /** Answers where to go on after the frame that begins at `start`, or -1 when more bytes are needed. */
  #finish(data: Buffer, start: number): number {
    const claim = this.#claim
    const end = start + HEAD + claim + CRC
    const known = Math.min(end, data.length)
    for (let at = start + this.#searched; at < known; at++) {
      const byte = data[at]!
      // The highest of the three: nearly every byte is above it.
      if (byte > HASH || (byte !== HASH && byte !== CR && byte !== LF)) continue
      const nested = byte === HASH ? headerAt(data, at) : 0
      if (nested === null) continue
      if (nested === 'unfinished') {
        this.#searched = at - start
        return -1
      }
      this.#noise += at - start
      this.#fault('cut_off', `the frame ends after ${at - start - HEAD} bytes; it claims ${claim}`)
      return at
    }
    this.#searched = known - start
    if (data.length < end) return -1
    const tail = end - CRC
    const crc = hexAt(data, tail)
    if (claim < 2 || data[tail - 1] !== AMPERSAND || data[tail - 2] !== AMPERSAND || crc < 0) {
      this.#noise += end - start
      this.#fault('bad_length', `after ${claim} bytes there is no && with a checksum`)
      return end
    }
    this.#noise = 0
    this.#listener.onFrame(data.subarray(start + HEAD, tail), crc, data.subarray(start, end))
    return end
  }

  #fault(code: Fault['code'], message: string): void {
    this.#listener.onFault({ code, message })
  }
}

const HASH = 0x23
const AMPERSAND = 0x26
const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30

/** The length that a header `##LLLL` claims; null when it is none. */
function headerAt(data: Uint8Array, at: number): number | 'unfinished' | null {
  if (at + 1 >= data.length) return 'unfinished'
  if (data[at + 1] !== HASH) return null
  let claim = 0
  for (let i = at + 2; i < at + HEAD; i++) {
    if (i >= data.length) return 'unfinished'
    const digit = data[i]! - ZERO
    if (digit < 0 || digit > 9) return null
    claim = claim * 10 + digit
  }
  return claim
}

/** Four hexadecimal digits of either case, or -1. */
function hexAt(data: Uint8Array, at: number): number {
  let value = 0
  for (let i = at; i < at + CRC; i++) {
    const digit = hexDigit(data[i]!)
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
