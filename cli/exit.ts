import { CommanderError } from 'commander'
import { ConfigError } from '../gateway/config.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'

/** Contract §1: 0 on success, 1 on a failed job, 2 on wrong usage. */
export const FAILED = 1
export const WRONG_USAGE = 2

/** Says what went wrong, in one line, and which exit code that is. */
export function exitCodeOf(error: unknown, tell: (line: string) => void): number {
  // Commander has said it already; help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE
  tell(`gridwhistle: ${described(error)}\n`)
  return error instanceof WrongUsage || error instanceof ConfigError ? WRONG_USAGE : FAILED
}

/** The message with those of its causes: `fetch failed: connect ECONNREFUSED 127.0.0.1:8080`. */
function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node tries every address of a name and reports all of them without a word of its own.
  const causes: unknown[] = error instanceof AggregateError ? error.errors.slice(0, 1) : [error.cause]
  const parts = [error.message, ...causes.filter((cause) => cause !== undefined).map(described)]
  return parts.filter((part) => part !== '').join(': ')
}

/** A terminal's Ctrl-C reaches us twice when `gridwhistle.js` passes it on; that is not impatience yet, ms. */
const ECHO = 500

/** Ends a job cleanly on the first SIGINT or SIGTERM; a later one ends the process at once. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  let stoppedAt = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted && Date.now() - stoppedAt > ECHO) process.exit(FAILED)
      stoppedAt ||= Date.now()
      stop.abort(new Error(`stopped by ${signal}`))
    })
  }
  return stop.signal
}
