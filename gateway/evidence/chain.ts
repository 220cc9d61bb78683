import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { TimelineEntry } from '../model/case.ts'

/** What the first entry of a timeline follows: there is no hash before it. */
export const CHAIN_START = '0'.repeat(64)

/** An entry of a case's timeline as it is chained. */
export interface ChainedEntry {
  /** From 1, without a gap. */
  readonly number: number
  readonly entry: TimelineEntry
  /** SHA-256, 64 hexadecimal digits; see {@link chainHash}. */
  readonly hash: string
}

/**
 * The hash that binds an entry to its case, its place and everything before it: SHA-256 over the canonical JSON
 * (RFC 8785) of `{"case", "entry", "number", "previous"}`. Whoever has the hash of the last entry can tell whether
 * any of them was changed, left out, added or moved.
 */
export function chainHash(caseId: string, number: number, previous: string, entry: TimelineEntry): string {
  const text = canonicalize({ case: caseId, number, previous, entry })!
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

/**
 * The entry as it can be kept and chained. RFC 8785 §3.2.2.2 knows no half of a surrogate pair, and JSON lets people
 * send one: it becomes U+FFFD, as wherever such text is encoded.
 */
export function keepable(entry: TimelineEntry): { readonly entry: TimelineEntry; readonly text: string } {
  const text = JSON.stringify(entry)
  // JSON.stringify escapes halves, and only them, like this.
  if (!/\\ud[89a-f]/.test(text)) return { entry, text }
  const whole = JSON.parse(text, (_key, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed() : value,
  ) as TimelineEntry
  return { entry: whole, text: JSON.stringify(whole) }
}

/** The first entry that does not follow from those before it; null when all of them do. */
export function brokenLink(caseId: string, entries: Iterable<ChainedEntry>): number | null {
  let previous = CHAIN_START
  let number = 0
  for (const link of entries) {
    number++
    if (link.number !== number || link.hash !== chainHash(caseId, number, previous, link.entry)) return number
    previous = link.hash
  }
  return null
}
