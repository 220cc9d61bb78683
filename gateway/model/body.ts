import type { Reading } from './reading.ts'

/**
 * What the journal keeps of a message is the JSON text of its accepted readings: one object or an array.
 * Only intake writes bodies, after validation, so reading one back cannot fail; a reading without `ts` gets
 * the receive time, marked, and so does every later reading of the same body.
 */
export function readingsOf(body: Uint8Array, receivedAt: number): Reading[] {
  const parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')) as
    Partial<Reading> | Partial<Reading>[]
  const readings = Array.isArray(parsed) ? parsed : [parsed]
  for (const reading of readings) stampMissing(reading, receivedAt)
  return readings as Reading[]
}

/** Gives a reading without `ts` the receive time, and says so. In place: this is the hot path. */
export function stampMissing(reading: Partial<Reading>, receivedAt: number): void {
  if (reading.ts !== undefined) return
  const open = reading as { -readonly [K in keyof Reading]?: Reading[K] }
  open.ts = receivedAt
  open.clock = 'gateway'
}
