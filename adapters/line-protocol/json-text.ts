/**
 * Readings as JSON, one after another, each as `,{…}` and a line feed: so that any stretch of them becomes an array by
 * its first and last byte. It grows by doubling. One after another decoding may write into the same, whose memory is
 * there already: as much for each would be what has the collector look through all of the heap again and again.
 */
export class JsonText {
  bytes: Buffer
  /** Of the same. */
  view: DataView
  size = 0

  constructor() {
    this.bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY)
    this.view = viewOf(this.bytes)
  }

  /** Begins anew, with room for so many bytes: what was there before is gone. */
  clear(capacity: number): void {
    this.size = 0
    if (this.bytes.length > KEPT_CAPACITY) this.#hold(Buffer.allocUnsafeSlow(FIRST_CAPACITY))
    this.ensure(capacity)
  }

  /** Makes room for so many bytes more. */
  ensure(length: number): void {
    if (this.size + length <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(2 * (this.size + length))
    this.bytes.copy(larger, 0, 0, this.size)
    this.#hold(larger)
  }

  #hold(bytes: Buffer): void {
    this.bytes = bytes
    this.view = viewOf(bytes)
  }

  append(reading: unknown): void {
    const text = `,${JSON.stringify(reading)}\n`
    this.ensure(Buffer.byteLength(text))
    this.size += this.bytes.write(text, this.size)
  }

  /** The array of the readings that lie in the stretches, which are `from` and `to` by turns. */
  arrayOf(stretches: readonly number[]): Buffer {
    const parts: Buffer[] = []
    for (let i = 0; i < stretches.length; i += 2)
      parts.push(this.bytes.subarray(stretches[i], stretches[i + 1]))
    const array = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    array[0] = OPENING
    array[array.length - 1] = CLOSING
    return array
  }
}

const FIRST_CAPACITY = 64 * 1024
/** A text that once was larger does not keep its memory. */
const KEPT_CAPACITY = 1024 * 1024
const OPENING = 0x5b
const CLOSING = 0x5d

export function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}
