import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Lost, it costs all printed codes: they would have to be printed again. Worth a backup, or a key of one's own. */
export const PLACE_KEY_FILE = 'places.key'

/**
 * The key that the check codes of places are made with: the configured one, else the one that an earlier start wrote to
 * `dataDir/places.key`, else a new one, written there for the owner's eyes only.
 */
export function placeKey(configured: string | undefined, dataDir: string): string {
  if (configured !== undefined) return configured
  const file = join(dataDir, PLACE_KEY_FILE)
  const key = randomBytes(32).toString('base64url')
  try {
    writeFileSync(file, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true })
    return key
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600)
  return readPlaceKey(file)
}

/** Throws for a file that holds none: codes made with an empty key could be made by anybody. */
export function readPlaceKey(file: string): string {
  const key = readFileSync(file, 'utf8').trim()
  if (key.length < 16)
    throw new Error(`${file}: holds ${key.length} characters; expected a key of at least 16`)
  return key
}
