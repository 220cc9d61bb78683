import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/** The public half, as it stands in manifests and at `GET /evidence-key`. */
export interface PublicEvidenceKey {
  readonly algorithm: 'Ed25519'
  /** SubjectPublicKeyInfo (RFC 8410), DER, base64. */
  readonly publicKey: string
  /** SHA-256 of that DER, 64 hexadecimal digits: what people compare. */
  readonly fingerprint: string
}

/**
 * The key with which the gateway signs case files: `private.pem` in its folder, mode 0600, made at the first start. A
 * lost one cannot be made again: files that it signed still verify, and new ones have another key.
 */
export class EvidenceKey {
  readonly #folder: string
  #key: KeyObject | undefined
  #public: PublicEvidenceKey | undefined

  /** `dataDir/pki/evidence`. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Makes it where there is none. Throws when the file holds no Ed25519 key. */
  load(): void {
    const file = join(this.#folder, 'private.pem')
    if (!existsSync(file)) this.#make(file)
    const key = createPrivateKey(readFileSync(file))
    if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${file} is no Ed25519 key`)
    this.#key = key
    const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
    this.#public = {
      algorithm: 'Ed25519',
      publicKey: der.toString('base64'),
      fingerprint: fingerprintOf(der),
    }
  }

  get public(): PublicEvidenceKey {
    return this.#public!
  }

  /** RFC 8032: the same bytes always have the same signature. */
  sign(bytes: Uint8Array): Buffer {
    return sign(null, bytes, this.#key!)
  }

  #make(file: string): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const { privateKey } = generateKeyPairSync('ed25519')
    const fresh = `${file}.new`
    const handle = openSync(fresh, 'w', 0o600)
    writeSync(handle, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    fsyncSync(handle)
    closeSync(handle)
    renameSync(fresh, file)
  }
}

/** Whether the key of a manifest signed these bytes; false too where it is no key. */
export function isSignedBy(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), type: 'spki', format: 'der' })
    return key.asymmetricKeyType === 'ed25519' && verify(null, bytes, key, signature)
  } catch {
    return false
  }
}

/**
 * The fingerprint of what somebody gives as a key: PEM, base64 of the DER, or the fingerprint itself. Undefined when it
 * is none of them.
 */
export function fingerprintFrom(text: string): string | undefined {
  const given = text.trim()
  if (/^[0-9a-f]{64}$/i.test(given)) return given.toLowerCase()
  try {
    const key = given.startsWith('-----')
      ? createPublicKey(given)
      : createPublicKey({ key: Buffer.from(given, 'base64'), type: 'spki', format: 'der' })
    return fingerprintOf(key.export({ type: 'spki', format: 'der' }))
  } catch {
    return undefined
  }
}

export function fingerprintOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex')
}
