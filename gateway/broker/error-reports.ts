import type { Refusal } from '../model/reading.ts'
import { ERRORS_PER_SECOND } from './limits.ts'

/** Tells devices what of theirs was refused, on `v1/{device}/errors`: so many a second, then how many were left out. */
export class ErrorReports {
  readonly #send: (device: string, payload: string) => void
  readonly #windows = new Map<string, { sent: number; leftOut: number; timer: NodeJS.Timeout }>()

  constructor(send: (device: string, payload: string) => void) {
    this.#send = send
  }

  report(device: string, refusals: readonly Refusal[]): void {
    let window = this.#windows.get(device)
    if (window === undefined) {
      window = { sent: 0, leftOut: 0, timer: setTimeout(() => this.#close(device), 1000) }
      window.timer.unref()
      this.#windows.set(device, window)
    }
    for (const refusal of refusals) {
      if (window.sent >= ERRORS_PER_SECOND) window.leftOut++
      else {
        window.sent++
        this.#send(device, describe(refusal))
      }
    }
  }

  stop(): void {
    for (const { timer } of this.#windows.values()) clearTimeout(timer)
    this.#windows.clear()
  }

  #close(device: string): void {
    const leftOut = this.#windows.get(device)?.leftOut ?? 0
    this.#windows.delete(device)
    if (leftOut === 0) return
    const message = `${leftOut} more errors of the last second are not shown here; see the quarantine`
    this.#send(device, JSON.stringify({ code: 'left_out', message }))
  }
}

/** With the reading itself where all of it was kept and is JSON. */
function describe({ code, message, raw, rawSize }: Refusal): string {
  try {
    if (raw.length === rawSize) {
      const reading: unknown = JSON.parse(Buffer.from(raw).toString('utf8'))
      return JSON.stringify({ code, message, reading })
    }
  } catch {
    // Not JSON: the quarantine has its bytes.
  }
  return JSON.stringify({ code, message })
}
