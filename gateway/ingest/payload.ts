import { MESSAGE_LIMIT, RAW_LIMIT } from '../model/reading.ts'
import type { Fault } from './reading-check.ts'

/** Bytes of the wire to readings, not yet checked; or why the message as a whole is refused. */
export function readingsIn(
  payload: Uint8Array | readonly unknown[],
  maxBytes: number,
): Fault | readonly unknown[] {
  let readings: readonly unknown[]
  if (payload instanceof Uint8Array) {
    if (payload.length > maxBytes) {
      return { code: 'too_large', message: `payload: ${payload.length} bytes; expected at most ${maxBytes}` }
    }
    let parsed: unknown
    try {
      parsed = JSON.parse(textOf(payload))
    } catch (error) {
      return { code: 'bad_json', message: `payload: not JSON: ${brief((error as Error).message)}` }
    }
    readings = Array.isArray(parsed) ? parsed : [parsed]
  } else {
    readings = payload
  }
  if (readings.length === 0)
    return { code: 'bad_reading', message: 'payload: no reading; expected at least one' }
  if (readings.length > MESSAGE_LIMIT) {
    return {
      code: 'too_large',
      message: `payload: ${readings.length} readings; expected at most ${MESSAGE_LIMIT}`,
    }
  }
  return readings
}

/** What the quarantine keeps: the first {@link RAW_LIMIT} bytes, in memory of their own. */
export function rawOf(refused: unknown): { raw: Uint8Array; rawSize: number } {
  const bytes = refused instanceof Uint8Array ? refused : Buffer.from(jsonOf(refused))
  return { raw: Buffer.from(bytes.subarray(0, RAW_LIMIT)), rawSize: bytes.length }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** JSON.parse takes any depth, JSON.stringify does not; and a codec may hand over what JSON cannot say. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch (error) {
    return `(not kept: ${brief((error as Error).message)})`
  }
}

/** V8 quotes the text that it could not parse, line breaks and all. */
function brief(message: string): string {
  return message.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 120)
}
