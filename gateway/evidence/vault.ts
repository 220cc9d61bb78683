import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

/**
 * `dataDir/evidence/`: files by what they hold.
 *
 *   incoming/{random}        on its way in; whatever is there at a start was given up
 *   {ab}/{abcdef…}           a file whose SHA-256 is `abcdef…`; never changed, never named by anybody
 *
 * Order of operations: the bytes go to `incoming/` and are hashed on the way; fsync; what they are is checked; rename
 * to the place of their hash; fsync of both folders; and only then a row of `registry.db` names them. A crash in
 * between leaves a file that no row names: {@link Vault.start} removes it.
 */
export interface Received {
  /** 64 hexadecimal digits. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
  /** Where it waits until it is kept or discarded. */
  readonly path: string
}

/** More bytes came than may. */
export class TooLong extends Error {
  override readonly name = 'TooLong'
  readonly limit: number

  constructor(limit: number) {
    super(`at most ${limit} bytes`)
    this.limit = limit
  }
}

const SHA256 = /^[0-9a-f]{64}$/

export class Vault {
  readonly #folder: string
  readonly #incoming: string

  constructor(folder: string) {
    this.#folder = folder
    this.#incoming = join(folder, 'incoming')
  }

  /** Removes what was given up, and what no row names. Before anything is received. */
  async start(isNamed: (sha256: string) => boolean): Promise<{ readonly swept: number }> {
    await rm(this.#incoming, { recursive: true, force: true })
    await mkdir(this.#incoming, { recursive: true })
    let swept = 0
    for (const shelf of await readdir(this.#folder)) {
      if (!/^[0-9a-f]{2}$/.test(shelf)) continue
      for (const name of await readdir(join(this.#folder, shelf))) {
        if (SHA256.test(name) && isNamed(name)) continue
        await rm(join(this.#folder, shelf, name), { recursive: true, force: true })
        swept++
      }
    }
    return { swept }
  }

  /**
   * Takes in a stream; on disk when it resolves. `limitOf` is asked once, with the first bytes (12 where there are so
   * many), how many there may be. Rejects with {@link TooLong} and with the stream's own errors, and leaves nothing.
   */
  async receive(source: AsyncIterable<Uint8Array>, limitOf: (head: Uint8Array) => number): Promise<Received> {
    const path = join(this.#incoming, randomUUID())
    const hash = createHash('sha256')
    const file = await open(path, 'wx', 0o600)
    let size = 0
    let head: Uint8Array = new Uint8Array(0)
    let limit: number | undefined
    try {
      for await (const chunk of source) {
        size += chunk.byteLength
        if (limit === undefined) {
          head = Buffer.concat([head, chunk.subarray(0, 12)])
          if (head.byteLength >= 12) limit = limitOf(head)
        }
        if (size > (limit ?? Infinity)) throw new TooLong(limit!)
        hash.update(chunk)
        await file.writeFile(chunk)
      }
      limit ??= limitOf(head)
      if (size > limit) throw new TooLong(limit)
      await file.sync()
      await file.close()
      return { sha256: hash.digest('hex'), size, path }
    } catch (error) {
      await file.close().catch(() => {})
      await rm(path, { force: true })
      throw error
    }
  }

  /** Puts it where its hash says; on disk for good when it resolves. */
  async keep({ sha256, path }: Received): Promise<void> {
    const place = this.pathOf(sha256)
    if (existsSync(place)) return await rm(path, { force: true })
    const shelf = join(this.#folder, sha256.slice(0, 2))
    await mkdir(shelf, { recursive: true })
    await rename(path, place)
    await syncFolder(shelf)
    await syncFolder(this.#folder)
  }

  async discard({ path }: Received): Promise<void> {
    await rm(path, { force: true })
  }

  /** Throws when it is no hash: nothing that somebody sent becomes a path. */
  pathOf(sha256: string): string {
    if (!SHA256.test(sha256)) throw new Error('not a SHA-256')
    return join(this.#folder, sha256.slice(0, 2), sha256)
  }

  /** The bytes, or a stretch of them, both ends inclusive. */
  read(sha256: string, range?: { readonly start: number; readonly end: number }): Readable {
    return createReadStream(this.pathOf(sha256), range)
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
