/** What the contract (§2) says of the wire; simulators know nothing else of the gateway. */

export type MetricValue = number | boolean

/** HJ 212-2017 §6.6.4 data marks other than N, which is left out. */
export const MARKS = ['F', 'M', 'S', 'D', 'C', 'T', 'B'] as const
export type Mark = (typeof MARKS)[number]

/** WGS-84 `[longitude °, latitude °, altitude m?]`. */
export type Position = [number, number] | [number, number, number]

/** What a device measures at an instant; with `ts`, epoch milliseconds, it is a reading. */
export interface Measurement {
  metrics: Record<string, MetricValue>
  flags?: Record<string, Mark>
  position?: Position
}

export interface Reading extends Measurement {
  ts: number
}

/** A device as `POST /api/v1/devices` takes it. */
export interface Registration {
  id: string
  kind: string
  site: string
  street: string
  grid: string
  position?: Position
  attributes?: Record<string, string | number | boolean>
  /** Other wires bound to the device (contract §5). */
  protocols?: Record<string, unknown>
}

/** Device, site, street and grid ids (contract §2). */
export const IDENTIFIER_PATTERN = '^(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'

/** Readings in one message at most (contract §2). */
export const MESSAGE_LIMIT = 1000

export function readingsTopic(device: string): string {
  return `v1/${device}/readings`
}
