import type { Readable } from 'node:stream'
import { Problem } from './problem.ts'

/** Of memory that is kept for the next body, bytes: less is not worth it, and more seldom comes. */
const LEAST = 64 * 1024
const MOST = 512 * 1024
/** So many pieces of it are kept. */
const SPARES = 32

/**
 * Large bodies, in memory that earlier ones have left. While twenty senders take turns the pieces of a body lie
 * for so long that the collector takes them for something that lasts; and as they lie outside of its heap, it would look
 * through all of that again for every 64 MB of them.
 */
export class BodyMemory {
  readonly #spares: ArrayBuffer[] = []

  /**
   * All of the body, to be given back by {@link release}. Rejects when it is longer than `limit` bytes or says so in
   * `announced`, and when its sender is gone before its end. What is only announced takes no memory.
   */
  async read(payload: Readable, announced: string | undefined, limit: number): Promise<Buffer> {
    let bytes = Buffer.from(this.#take(LEAST))
    let size = 0
    try {
      if (Number(announced) > limit) throw new Problem('too_large')
      for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
        const piece = chunk as Buffer
        if (size + piece.length > limit) throw new Problem('too_large')
        if (size + piece.length > bytes.length) {
          const larger = Buffer.from(this.#take(size + piece.length))
          bytes.copy(larger, 0, 0, size)
          // Not kept: what turned out too small for this body would be for the next.
          bytes = larger
        }
        piece.copy(bytes, size)
        size += piece.length
      }
    } catch (error) {
      this.release(bytes)
      // The rest is read past, or the connection would wait for somebody to read it.
      payload.resume()
      throw error
    }
    return bytes.subarray(0, size)
  }

  /** Nobody looks at it any more. */
  release({ buffer }: Buffer): void {
    if (!(buffer instanceof ArrayBuffer)) return
    if (buffer.byteLength > MOST) return
    if (this.#spares.length < SPARES) this.#spares.push(buffer)
    else {
      const smaller = this.#spares.findIndex(({ byteLength }) => byteLength < buffer.byteLength)
      if (smaller >= 0) this.#spares[smaller] = buffer
    }
  }

  #take(length: number): ArrayBuffer {
    const at = this.#spares.findLastIndex(({ byteLength }) => byteLength >= length)
    return at < 0 ? Buffer.allocUnsafeSlow(sizeFor(length)).buffer : this.#spares.splice(at, 1)[0]!
  }
}

/** The next power of two, so that a body that grows is not copied for each of its pieces. */
function sizeFor(length: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(length, LEAST)))
}
