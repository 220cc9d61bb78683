/** The account of a run, as far as it has come. */
export interface SimulationProgress {
  readonly devices: number
  registered: number
  connected: number
  /** Readings that devices have taken, that the gateway has acknowledged, and that it has refused. */
  taken: number
  acknowledged: number
  refused: number
  /** Refusals that were asked for: of devices with the fault `hostile`. */
  provoked: number
  /** Readings given up because the gateway was away for longer than a device can remember. */
  forgotten: number
  /** When the run began by the devices' clocks, epoch ms: its truth counts from there. Null before. */
  epoch: number | null
  /** Device time that has passed, ms. */
  elapsed: number
  lastError: string | null
}

export function noProgress(devices: number): SimulationProgress {
  const counts = {
    registered: 0,
    connected: 0,
    taken: 0,
    acknowledged: 0,
    refused: 0,
    provoked: 0,
    forgotten: 0,
  }
  return { devices, ...counts, epoch: null, elapsed: 0, lastError: null }
}

const TOLD_EVERY = 500

/** Calls `act` at most twice a second. */
export function throttled(act: () => void): () => void {
  let last = 0
  return () => {
    const now = Date.now()
    if (now - last < TOLD_EVERY) return
    last = now
    act()
  }
}
