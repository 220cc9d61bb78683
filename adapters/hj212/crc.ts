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

/** Of the bytes from `from` up to `to`: a data segment, where nothing else is said. */
export function checksum(bytes: Uint8Array, algorithm: Checksum, from = 0, to = bytes.length): number {
  switch (algorithm) {
    case 'annex-a':
      return annexA(bytes, from, to)
    case 'modbus':
      return modbus(bytes, from, to)
    case 'modbus-swapped': {
      const crc = modbus(bytes, from, to)
      return ((crc & 0xff) << 8) | (crc >>> 8)
    }
    default:
      return algorithm satisfies never
  }
}

/**
 * Of the register only the high byte goes on in Annex A, so a step is `index = high[index] ^ byte`, and the register is
 * `table[index]` at the end. A step is linear over XOR, so four of them are one that looks up each byte by itself:
 * only one of the look-ups has to wait for the four bytes before.
 */
const high = Uint8Array.from(table, (crc) => crc >>> 8)
const high2 = high.map((index) => high[index]!)
const high3 = high2.map((index) => high[index]!)
const high4 = high3.map((index) => high[index]!)

function annexA(bytes: Uint8Array, from: number, to: number): number {
  if (from === to) return 0xffff
  let index = 0xff ^ bytes[from]!
  let at = from + 1
  for (; at + 3 < to; at += 4) {
    index =
      high4[index]! ^ high3[bytes[at]!]! ^ high2[bytes[at + 1]!]! ^ high[bytes[at + 2]!]! ^ bytes[at + 3]!
  }
  for (; at < to; at++) index = high[index]! ^ bytes[at]!
  return table[index]!
}

function modbus(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0xffff
  for (let i = from; i < to; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]!) & 0xff]!
  return crc
}
