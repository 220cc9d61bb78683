const FIRST_MS = 100
/** A store that has come back is noticed within this time, ms. */
const LONGEST_MS = 2_000

/**
 * Pause before the next attempt, ms: twice as long each time, at random between half and all of it, so that
 * several gateways do not fall upon a store together the moment it is back.
 */
export function backoff(failures: number): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 16))
  return longest * (0.5 + Math.random() / 2)
}
