import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { openPromise, type Entry, type ZipFile } from 'yauzl'
import { MANIFEST, SEAL_BYTES, SEAL_PATTERN, SIGNATURE, type Manifest, type ManifestPart } from './archive.ts'
import { brokenLink, type ChainedEntry } from './chain.ts'
import { fingerprintOf, isSignedBy } from './evidence-key.ts'

/** What is not as it was exported. */
export interface Damage {
  /** Name in the archive, where it is about one part. */
  readonly part?: string
  /** Number of the first timeline entry that does not follow from those before it. */
  readonly entry?: number
  readonly what: string
}

export interface Verification {
  readonly intact: boolean
  readonly damage: readonly Damage[]
  /** As the manifest says, where it can be read. */
  readonly case: string | null
  readonly entries: number | null
  readonly chainHead: string | null
  readonly parts: number
  /** Of the key that signed it. */
  readonly fingerprint: string | null
  /** Whether that is the key that was asked for; null when none was. */
  readonly isExpectedKey: boolean | null
}

/** The first hundred are enough to know. */
const DAMAGE = 100
const LINE_FEED = 10

/** A file beyond any of these is none that was exported: nothing in it is unpacked further. */
const LIMITS = {
  entries: 10_000,
  manifestBytes: 16 * 1024 * 1024,
  timelineBytes: 256 * 1024 * 1024,
  /** All parts, unpacked. */
  totalBytes: 64 * 1024 ** 3,
}

/**
 * Says whether a byte of a case file has changed since it was exported, and where. Needs nothing but the file. Trusts
 * none of it: names, sizes and numbers are held against limits first, and parts are hashed as they stream by.
 * `fingerprint` is of the key that must have signed it. Rejects when the file cannot be read at all.
 */
export async function verifyCaseFile(
  file: string,
  fingerprint?: string,
  progress: (done: number, total: number) => void = () => {},
): Promise<Verification> {
  const found = new Findings()
  const size = await checkSeal(file, found, progress)
  try {
    if (size > SEAL_BYTES) await checkParts(file, found)
  } catch (error) {
    found.add({ what: `it cannot be read as a case file: ${(error as Error).message}` })
  }
  const { manifest } = found
  const own = manifest === null ? null : fingerprintOf(Buffer.from(manifest.publicKey, 'base64'))
  const isExpectedKey = fingerprint === undefined ? null : own === fingerprint
  if (isExpectedKey === false) found.add({ what: `it is signed by another key, ${own ?? 'none'}` })
  return {
    intact: found.damage.length === 0,
    damage: found.damage,
    case: manifest?.case ?? null,
    entries: manifest?.entries ?? null,
    chainHead: manifest?.chainHead ?? null,
    parts: manifest?.parts.length ?? 0,
    fingerprint: own,
    isExpectedKey,
  }
}

class Findings {
  readonly damage: Damage[] = []
  manifest: Manifest | null = null
  /** What the seal says, and its signature. */
  seal: { readonly text: string; readonly signature: Buffer } | null = null

  add(damage: Damage): void {
    if (this.damage.length < DAMAGE) this.damage.push(damage)
  }
}

/** Every byte of the file: answers how many there are. */
async function checkSeal(
  file: string,
  found: Findings,
  progress: (done: number, total: number) => void,
): Promise<number> {
  const handle = await open(file, 'r')
  let size: number
  let tail: string
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new Error(`${file} is not a file`)
    size = stat.size
    const bytes = Buffer.alloc(SEAL_BYTES)
    if (size > SEAL_BYTES) await handle.read(bytes, 0, SEAL_BYTES, size - SEAL_BYTES)
    tail = bytes.toString('latin1')
  } finally {
    await handle.close()
  }
  const [, text, sha256, signature] = SEAL_PATTERN.exec(tail) ?? []
  if (text === undefined) {
    found.add({ what: 'its end is no seal: it was cut off, added to or made by something else' })
    return size
  }
  found.seal = { text, signature: Buffer.from(signature!, 'hex') }
  const hash = createHash('sha256')
  let done = 0
  for await (const chunk of createReadStream(file, { end: size - SEAL_BYTES - 1, highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer)
    done += (chunk as Buffer).byteLength
    progress(done, size)
  }
  if (hash.digest('hex') !== sha256) found.add({ what: 'its bytes are not those that were sealed' })
  return size
}

async function checkParts(file: string, found: Findings): Promise<void> {
  const zip = await openPromise(file, {
    lazyEntries: true,
    autoClose: false,
    strictFileNames: true,
    validateEntrySizes: true,
  })
  try {
    const entries = await entriesOf(zip, found)
    const manifest = await readManifest(zip, entries, found)
    if (manifest === null) return
    found.manifest = manifest
    if (
      found.seal !== null &&
      !isSignedBy(manifest.publicKey, Buffer.from(found.seal.text), found.seal.signature)
    )
      found.add({ what: 'the signature of its seal is wrong' })
    const parts = new Map(manifest.parts.map((part) => [part.name, part]))
    if (parts.size !== manifest.parts.length) found.add({ part: MANIFEST, what: 'names a part twice' })
    for (const name of entries.keys()) {
      if (!parts.has(name) && name !== MANIFEST && name !== SIGNATURE)
        found.add({ part: name, what: 'is not in the manifest' })
    }
    for (const part of manifest.parts) {
      const entry = entries.get(part.name)
      if (entry === undefined) found.add({ part: part.name, what: 'is missing' })
      else await checkPart(zip, entry, part, found)
    }
    await checkTimeline(zip, entries, manifest, found)
  } finally {
    zip.close()
  }
}

/** By name; what has no business in a case file is left out and said. */
async function entriesOf(zip: ZipFile, found: Findings): Promise<ReadonlyMap<string, Entry>> {
  const entries = new Map<string, Entry>()
  let total = 0
  let count = 0
  // Names that lead out of the folder end it here, with an error that says so.
  for await (const entry of zip.eachEntry()) {
    const name = entry.fileName
    if (++count > LIMITS.entries) throw new Error(`it has more than ${LIMITS.entries} entries`)
    const type = (entry.externalFileAttributes >>> 16) & 0o170000
    if (entries.has(name)) found.add({ part: name, what: 'is there twice' })
    else if (type !== 0 && type !== 0o100000) found.add({ part: name, what: 'is no plain file' })
    else if (entry.isEncrypted()) found.add({ part: name, what: 'is encrypted' })
    else if (!entry.canDecodeFileData()) found.add({ part: name, what: 'is packed in an unknown way' })
    else entries.set(name, entry)
    total += entry.uncompressedSize
    if (total > LIMITS.totalBytes) throw new Error('what it claims to unpack to is too much')
  }
  return entries
}

async function readManifest(
  zip: ZipFile,
  entries: ReadonlyMap<string, Entry>,
  found: Findings,
): Promise<Manifest | null> {
  const bytes = await whole(zip, entries.get(MANIFEST), LIMITS.manifestBytes, MANIFEST, found)
  const signature = await whole(zip, entries.get(SIGNATURE), 1024, SIGNATURE, found)
  if (bytes === null) return null
  const manifest = manifestOf(bytes)
  if (manifest === null) {
    found.add({ part: MANIFEST, what: 'is no manifest' })
    return null
  }
  const hex = signature?.toString('latin1') ?? ''
  if (
    !/^[0-9a-f]{128}\n$/.test(hex) ||
    !isSignedBy(manifest.publicKey, bytes, Buffer.from(hex.trim(), 'hex'))
  )
    found.add({ part: MANIFEST, what: 'is not what was signed' })
  return manifest
}

function manifestOf(bytes: Buffer): Manifest | null {
  try {
    const manifest = JSON.parse(bytes.toString('utf8')) as Manifest
    const isPart = ({ name, size, sha256 }: ManifestPart) =>
      typeof name === 'string' && Number.isSafeInteger(size) && size >= 0 && /^[0-9a-f]{64}$/.test(sha256)
    const isOne =
      manifest.format === 'gridwhistle-case-file' &&
      manifest.version === 1 &&
      typeof manifest.case === 'string' &&
      Number.isSafeInteger(manifest.entries) &&
      typeof manifest.chainHead === 'string' &&
      typeof manifest.publicKey === 'string' &&
      manifest.parts.every(isPart)
    return isOne ? manifest : null
  } catch {
    return null
  }
}

async function checkPart(zip: ZipFile, entry: Entry, part: ManifestPart, found: Findings): Promise<void> {
  const { name, size, sha256 } = part
  // Before anything is unpacked: yauzl holds what comes out against this number.
  if (entry.uncompressedSize !== size)
    return found.add({ part: name, what: `has ${entry.uncompressedSize} bytes, not ${size}` })
  const hash = createHash('sha256')
  try {
    for await (const chunk of await zip.openReadStreamPromise(entry)) hash.update(chunk as Buffer)
  } catch (error) {
    return found.add({ part: name, what: `cannot be unpacked: ${(error as Error).message}` })
  }
  if (hash.digest('hex') !== sha256) found.add({ part: name, what: 'has changed' })
}

async function checkTimeline(
  zip: ZipFile,
  entries: ReadonlyMap<string, Entry>,
  manifest: Manifest,
  found: Findings,
): Promise<void> {
  const part = 'timeline.jsonl'
  const bytes = await whole(zip, entries.get(part), LIMITS.timelineBytes, part, found)
  if (bytes === null) return
  const kept = new Set(manifest.parts.map(({ sha256 }) => sha256))
  const missing: Damage[] = []
  let count = 0
  let head: string | undefined
  /** An entry at a time: a file that is made to burst the memory has many. */
  function* entriesIn(timeline: Buffer): Generator<ChainedEntry> {
    for (let from = 0, to; (to = timeline.indexOf(LINE_FEED, from)) !== -1; from = to + 1) {
      const link = JSON.parse(timeline.toString('utf8', from, to)) as ChainedEntry
      count++
      head = link.hash
      for (const file of link.entry.files) {
        // Names from before files had to be evidence are no hashes.
        if (/^[0-9a-f]{64}$/.test(file) && !kept.has(file) && missing.length < DAMAGE)
          missing.push({ part, entry: count, what: `entry ${count} names ${file}, which is not in the file` })
      }
      yield link
    }
  }
  try {
    const broken = brokenLink(manifest.case, entriesIn(bytes))
    if (broken !== null)
      return found.add({ part, entry: broken, what: `entry ${broken} does not follow from those before it` })
  } catch {
    return found.add({ part, what: 'is no timeline' })
  }
  if (count !== manifest.entries || (head ?? '') !== manifest.chainHead)
    found.add({ part, entry: count, what: 'does not end with the entry that the manifest names' })
  for (const damage of missing) found.add(damage)
}

async function whole(
  zip: ZipFile,
  entry: Entry | undefined,
  limit: number,
  part: string,
  found: Findings,
): Promise<Buffer | null> {
  if (entry === undefined) {
    found.add({ part, what: 'is missing' })
    return null
  }
  if (entry.uncompressedSize > limit) {
    found.add({ part, what: `has more than ${limit} bytes` })
    return null
  }
  try {
    const chunks: Buffer[] = []
    for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  } catch (error) {
    found.add({ part, what: `cannot be unpacked: ${(error as Error).message}` })
    return null
  }
}
