import type { ConnectionOptions } from './connection.ts'
import type { Reading } from './reading.ts'

/** How a device reaches the gateway. */
export interface Line {
  readonly isOpen: boolean
  /** Resolves once it may send. */
  start(signal?: AbortSignal): Promise<void>
  /** Resolves when the gateway has acknowledged them. */
  publish(readings: readonly Reading[]): Promise<void>
  /** The same with bytes as they are. */
  send(payload: string): Promise<void>
  /** As when the power fails. */
  cut(): Promise<void>
  stop(): Promise<void>
}

/** Makes a device's line; what comes back over it goes to the handlers. */
export type LineOf = (
  device: string,
  handlers: Pick<ConnectionOptions, 'onRefused' | 'onError' | 'onCommand'>,
) => Line
