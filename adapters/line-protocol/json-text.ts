/**
 * Readings as JSON, one after another, each as `,{…}` and a line feed: so that any stretch of them becomes an array by
 * its first and last byte. It grows by doubling.
 */
export class JsonText {
  bytes: Buffer
  /** Of the same. */
  view: DataView
  size = 0

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(capacity)
    this.view = viewOf(this.bytes)
  }

  /** Makes room for so many bytes more. */
  ensure(length: number): void {
    if (this.size + length <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(2 * (this.size + length))
    this.bytes.copy(larger, 0, 0, this.size)
    this.bytes = larger
    this.view = viewOf(larger)
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

const OPENING = 0x5b
const CLOSING = 0x5d

export function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}
