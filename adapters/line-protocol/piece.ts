/** Bytes that come again and again, to be recognised and written four at a time. */
export class Piece {
  readonly length: number
  /** Little-endian. */
  readonly #words: number[] = []
  readonly #rest: number[] = []

  constructor(bytes: Uint8Array) {
    this.length = bytes.length
    let at = 0
    for (; at + 4 <= bytes.length; at += 4)
      this.#words.push(bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    for (; at < bytes.length; at++) this.#rest.push(bytes[at]!)
  }

  /** `end`: where the view ends, for asking the view itself is a call each time. */
  isAt(view: DataView, start: number, end: number): boolean {
    if (start + this.length > end) return false
    const words = this.#words
    const rest = this.#rest
    let at = start
    for (let i = 0; i < words.length; i++, at += 4) if (view.getInt32(at, true) !== words[i]) return false
    for (let i = 0; i < rest.length; i++, at++) if (view.getUint8(at) !== rest[i]) return false
    return true
  }

  /** Answers where to go on. */
  write(view: DataView, start: number): number {
    const words = this.#words
    const rest = this.#rest
    let at = start
    for (let i = 0; i < words.length; i++, at += 4) view.setInt32(at, words[i]!, true)
    for (let i = 0; i < rest.length; i++, at++) view.setUint8(at, rest[i]!)
    return at
  }
}
