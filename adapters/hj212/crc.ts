/**
 * Checksums over the data segment. `annex-a` is the one of HJ 212-2017 Annex A, in which each byte is mixed into the
 * *shifted* register; `modbus` is the CRC-16 that its name suggests and that many senders use instead, some of them
 * with its bytes swapped.
 */
export const CHECKSUMS = ['annex-a', 'modbus', 'modbus-swapped'] as const
export type Checksum = (typeof CHECKSUMS)[number]

const POLYNOMIAL = 0xa001

/** What eight shifts make of the low byte; the same table serves both algorithms. */
const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  return crc
})

export function checksum(segment: Uint8Array, algorithm: Checksum): number {
  switch (algorithm) {
    case 'annex-a':
      return annexA(segment)
    case 'modbus':
      return modbus(segment)
    case 'modbus-swapped': {
      const crc = modbus(segment)
      return ((crc & 0xff) << 8) | (crc >>> 8)
    }
    default:
      return algorithm satisfies never
  }
}

function annexA(segment: Uint8Array): number {
  let crc = 0xffff
  for (let i = 0; i < segment.length; i++) crc = table[(crc >>> 8) ^ segment[i]!]!
  return crc
}

function modbus(segment: Uint8Array): number {
  let crc = 0xffff
  for (let i = 0; i < segment.length; i++) crc = (crc >>> 8) ^ table[(crc ^ segment[i]!) & 0xff]!
  return crc
}
