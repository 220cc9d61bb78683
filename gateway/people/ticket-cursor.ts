import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const NONCE = 12
const TAG = 16

/**
 * Ticket numbers as they stand in cursors, which everybody may read who reads a list: sealed, for whoever has a number
 * may rate the case.
 */
export class TicketCursors {
  readonly #key: Buffer

  /** The same secret opens what an earlier start has sealed. */
  constructor(secret: string) {
    this.#key = createHash('sha256').update(`ticket cursors\n${secret}`).digest()
  }

  seal(number: string): string {
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv(CIPHER, this.#key, nonce)
    const sealed = Buffer.concat([cipher.update(number, 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')
  }

  /** Null for what was not sealed with the same secret. */
  open(text: string): string | null {
    const bytes = Buffer.from(text, 'base64url')
    if (bytes.byteLength <= NONCE + TAG) return null
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE), { authTagLength: TAG })
      decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG))
      return decipher.update(bytes.subarray(NONCE + TAG), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      return null
    }
  }
}
