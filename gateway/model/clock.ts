/** The only way to learn the time outside tests: everything that judges or expires takes one of these. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }
