/** Bytes that come again and again, to be recognised and written four at a time. */
export class Piece {
  readonly length: number
  readonly #words: Int32Array
  readonly #rest: Uint8Array

  constructor(bytes: Uint8Array) {
    this.length = bytes.length
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(4 * i, true))
    this.#rest = Uint8Array.from(bytes.subarray(4 * this.#words.length))
  }

  isAt(view: DataView, start: number): boolean {
    const words = this.#words
    const rest = this.#rest
    if (start + this.length > view.byteLength) return false
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
