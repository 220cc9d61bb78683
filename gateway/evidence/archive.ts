import { createHash, type Hash } from 'node:crypto'
import { Readable, Transform } from 'node:stream'
import yazl from 'yazl'
import type { EvidenceKey } from './evidence-key.ts'

/**
 * A case file is one ZIP archive (APPNOTE 6.3), and holds:
 *
 *   every part of the case, in the order of the manifest
 *   manifest.json   {@link Manifest}: what the parts are and what their bytes hash to
 *   manifest.sig    Ed25519 signature over the bytes of manifest.json, 128 hexadecimal digits and a line feed
 *
 * and nothing else. Its comment, the last {@link SEAL_BYTES} bytes of the file, is the seal:
 *
 *   gridwhistle-seal:1 sha256={64 hexadecimal digits} ed25519={128 hexadecimal digits}
 *
 * the hash being that of every byte before the comment, and the signature that of the text up to ` ed25519=`. So every
 * byte of the file counts, those that a reader of ZIP archives skips too: headers, times, padding.
 *
 * The same parts make the same bytes, on every machine with the same zlib: times in the archive are those of the case.
 */
export interface Manifest {
  readonly format: 'gridwhistle-case-file'
  readonly version: 1
  readonly case: string
  /** Entries of the timeline, and the hash of the last one: the head of the chain. */
  readonly entries: number
  readonly chainHead: string
  readonly algorithm: 'Ed25519'
  /** Of the gateway, as `GET /api/v1/evidence-key` has it. */
  readonly publicKey: string
  readonly parts: readonly ManifestPart[]
}

export interface ManifestPart {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly sha256: string
}

export const MANIFEST = 'manifest.json'
export const SIGNATURE = 'manifest.sig'
export const SEAL_PATTERN = /^(gridwhistle-seal:1 sha256=([0-9a-f]{64})) ed25519=([0-9a-f]{128})$/
export const SEAL_BYTES = 'gridwhistle-seal:1 sha256='.length + 64 + ' ed25519='.length + 128

/** A part on its way into the archive. */
export interface FilePart {
  readonly name: string
  /** Photos and videos are packed as they are. */
  readonly isPacked: boolean
  /** Opened when its turn comes. */
  readonly open: () => AsyncIterable<Uint8Array | string>
}

export interface ArchiveRequest {
  readonly caseId: string
  readonly entries: number
  readonly chainHead: string
  /** Epoch milliseconds: the time that every file in the archive has. */
  readonly at: number
  readonly parts: readonly FilePart[]
  readonly key: Pick<EvidenceKey, 'public' | 'sign'>
}

/** Streams the archive: a part at a time, a chunk of it in memory. A part that fails ends it with that error. */
export function archiveOf({ caseId, entries, chainHead, at, parts, key }: ArchiveRequest): Readable {
  const zip = new yazl.ZipFile()
  const listed: ManifestPart[] = []
  const options = { mtime: new Date(at), mode: 0o100644 }
  const add = (name: string, compress: boolean, open: () => AsyncIterable<Uint8Array | string>) =>
    zip.addReadStreamLazy(name, { ...options, compress }, (give) => give(null, Readable.from(open())))
  for (const { name, isPacked, open } of parts) {
    add(name, !isPacked, () => measured(name, open(), (part) => listed.push(part)))
  }
  let manifest: Buffer
  // Made when all parts have passed.
  add(MANIFEST, true, async function* () {
    const { algorithm, publicKey } = key.public
    const content: Manifest = {
      format: 'gridwhistle-case-file',
      version: 1,
      case: caseId,
      entries,
      chainHead,
      algorithm,
      publicKey,
      parts: listed,
    }
    manifest = Buffer.from(`${JSON.stringify(content, null, 2)}\n`)
    yield manifest
  })
  add(SIGNATURE, true, async function* () {
    yield `${key.sign(manifest).toString('hex')}\n`
  })
  zip.end({ comment: ' '.repeat(SEAL_BYTES), forceZip64Format: false })
  const seal = sealed(key)
  zip.on('error', (error: Error) => seal.destroy(error))
  zip.outputStream.pipe(seal)
  return seal
}

async function* measured(
  name: string,
  bytes: AsyncIterable<Uint8Array | string>,
  done: (part: ManifestPart) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of bytes) {
    const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    hash.update(buffer)
    size += buffer.byteLength
    yield buffer
  }
  done({ name, size, sha256: hash.digest('hex') })
}

/** Puts the seal in the place of the comment that was left blank: the last bytes wait for all others. */
function sealed(key: Pick<EvidenceKey, 'sign'>): Transform {
  const hash: Hash = createHash('sha256')
  let held = Buffer.alloc(0)
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const all = Buffer.concat([held, chunk])
      const ready = all.subarray(0, Math.max(0, all.byteLength - SEAL_BYTES))
      held = all.subarray(ready.byteLength)
      hash.update(ready)
      done(null, ready.byteLength === 0 ? undefined : ready)
    },
    flush(done) {
      const text = `gridwhistle-seal:1 sha256=${hash.digest('hex')}`
      done(null, `${text} ed25519=${key.sign(Buffer.from(text)).toString('hex')}`)
    },
  })
}
