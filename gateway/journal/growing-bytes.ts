/** Bytes that are written one after another, in memory that can be handed to another thread and comes back. */
export class GrowingBytes {
  size = 0
  bytes: Uint8Array<ArrayBuffer>
  view: DataView<ArrayBuffer>

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
  }

  /** Where so many bytes more begin; they are the caller's to write. */
  reserve(length: number): number {
    const at = this.size
    this.size = at + length
    if (this.size > this.bytes.length) this.#grow()
    return at
  }

  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.bytes.set(bytes, at)
  }

  #grow(): void {
    let length = Math.max(1, this.bytes.length) * 2
    while (length < this.size) length *= 2
    const buffer = this.bytes.buffer.transfer(length)
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
  }
}
