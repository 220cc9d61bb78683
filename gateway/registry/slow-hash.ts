import { randomBytes, scrypt } from 'node:crypto'

/**
 * scrypt (RFC 7914) for secrets that people chose: 16 MiB and some 40 ms for each guess at one that was stolen.
 * It runs in Node's thread pool, at most two at once, so that files and DNS keep the other two threads. A
 * thousand may wait, some twenty seconds: as many as come back at once after a restart. A device that gave up
 * meanwhile finds its answer cached when it tries again.
 */
const COST = { N: 16_384, r: 8, p: 1 } as const
const HASH_BYTES = 32
const SALT_BYTES = 16

export class SlowHash {
  /** Hashes begun since the start: for metrics, and for the test that counts them. */
  started = 0
  readonly #atOnce: number
  readonly #longestLine: number
  readonly #line: (() => void)[] = []
  #running = 0

  constructor(atOnce = 2, longestLine = 1024) {
    this.#atOnce = atOnce
    this.#longestLine = longestLine
  }

  newSalt(): Uint8Array {
    return randomBytes(SALT_BYTES)
  }

  /** Null when too many are waiting already. */
  async hash(secret: Uint8Array, salt: Uint8Array): Promise<Buffer | null> {
    if (this.#running >= this.#atOnce) {
      if (this.#line.length >= this.#longestLine) return null
      // Whoever finishes hands its place over, so nobody slips in between.
      await new Promise<void>((resolve) => this.#line.push(resolve))
    } else {
      this.#running++
    }
    this.started++
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        scrypt(secret, salt, HASH_BYTES, COST, (error, hash) =>
          error === null ? resolve(hash) : reject(error),
        )
      })
    } finally {
      const next = this.#line.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
