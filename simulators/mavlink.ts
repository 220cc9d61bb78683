/**
 * As much of MAVLink as the position of a drone takes (common.xml): frames of versions 1 and 2 and their checksum,
 * HEARTBEAT and GLOBAL_POSITION_INT.
 */

const MAGIC_1 = 0xfe
const MAGIC_2 = 0xfd
/** Bytes of a signature, present when bit 0 of `incompat_flags` is set (version 2). */
const SIGNATURE = 13

/** By message id: CRC_EXTRA, and the length of the payload, of which version 2 leaves out zeros at the end. */
const MESSAGES: ReadonlyMap<number, { readonly extra: number; readonly length: number }> = new Map([
  [0, { extra: 50, length: 9 }],
  [33, { extra: 104, length: 28 }],
])

export interface Frame {
  /** Bytes in the stream. */
  readonly size: number
  readonly system: number
  readonly component: number
  readonly id: number
  /** At its full length; null of a message that is not known here, whose checksum cannot be told either. */
  readonly payload: DataView | null
}

/** The frame that begins at `at`; `short` when it does not end within the bytes, null when there is none. */
export function frameAt(bytes: Uint8Array, at: number): Frame | 'short' | null {
  const magic = bytes[at]
  if (magic === undefined || bytes[at + 1] === undefined) return 'short'
  if (magic !== MAGIC_1 && magic !== MAGIC_2) return null
  const isSecond = magic === MAGIC_2
  const header = isSecond ? 10 : 6
  const length = bytes[at + 1]!
  const end = at + header + length
  const signature = isSecond && (bytes[at + 2]! & 1) === 1 ? SIGNATURE : 0
  if (end + 2 + signature > bytes.length) return 'short'
  const [system, component] = isSecond ? [bytes[at + 5]!, bytes[at + 6]!] : [bytes[at + 3]!, bytes[at + 4]!]
  const id = isSecond ? bytes[at + 7]! | (bytes[at + 8]! << 8) | (bytes[at + 9]! << 16) : bytes[at + 5]!
  const size = end + 2 + signature - at
  const known = MESSAGES.get(id)
  if (known === undefined) return { size, system, component, id, payload: null }
  const sent = bytes[end]! | (bytes[end + 1]! << 8)
  if (length > known.length || checksum(bytes.subarray(at + 1, end), known.extra) !== sent) return null
  const payload = new Uint8Array(known.length)
  payload.set(bytes.subarray(at + header, end))
  return { size, system, component, id, payload: new DataView(payload.buffer) }
}

/** CRC-16/MCRF4XX over all but the magic byte, then over the message's CRC_EXTRA. */
export function checksum(bytes: Uint8Array, extra: number): number {
  let crc = 0xffff
  for (const byte of bytes) crc = step(crc, byte)
  return step(crc, extra)
}

function step(crc: number, byte: number): number {
  let mixed = (byte ^ crc) & 0xff
  mixed = (mixed ^ (mixed << 4)) & 0xff
  return ((crc >> 8) ^ (mixed << 8) ^ (mixed << 3) ^ (mixed >> 4)) & 0xffff
}

export interface GlobalPosition {
  /** WGS-84 degrees, metres above sea level. */
  readonly lon: number
  readonly lat: number
  readonly alt: number
  /** Above home, m. */
  readonly height: number
  /** Over ground, m/s. */
  readonly speed: number
  /** Degrees from north; null when it is not known. */
  readonly heading: number | null
}

/** Of a payload of GLOBAL_POSITION_INT (#33). */
export function globalPosition(payload: DataView): GlobalPosition {
  const heading = payload.getUint16(26, true)
  const speed = Math.hypot(payload.getInt16(20, true), payload.getInt16(22, true)) / 100
  return {
    lon: payload.getInt32(8, true) / 1e7,
    lat: payload.getInt32(4, true) / 1e7,
    alt: payload.getInt32(12, true) / 1000,
    height: payload.getInt32(16, true) / 1000,
    speed: Math.round(speed * 1000) / 1000,
    heading: heading === 0xffff ? null : heading / 100,
  }
}
