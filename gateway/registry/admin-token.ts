import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateSecret } from './secrets.ts'

export const ADMIN_TOKEN_FILE = 'admin.token'

const SHORTEST = 16

/** A configured token is the operator's own choice, but not one to make unawares. */
export function isTooShort(configured: string | undefined): boolean {
  return configured !== undefined && configured.length < SHORTEST
}

/**
 * The bearer token with every right (contract §1): the configured one, else the one that an earlier start
 * wrote to `dataDir/admin.token`, else a new one, written there for the owner's eyes only.
 */
export function adminToken(configured: string | undefined, dataDir: string): string {
  if (configured !== undefined) return configured
  const file = join(dataDir, ADMIN_TOKEN_FILE)
  const token = generateSecret()
  try {
    writeFileSync(file, `${token}\n`, { mode: 0o600, flag: 'wx', flush: true })
    return token
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600)
  const kept = readFileSync(file, 'utf8').trim()
  if (kept.length < SHORTEST) {
    throw new Error(`${file}: holds ${kept.length} characters; expected a token of at least ${SHORTEST}`)
  }
  return kept
}
