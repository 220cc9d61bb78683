import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Allowance } from '../model/allowance.ts'
import { CONNECT_LIMIT_BYTES, FailedSignIns, PacketMeter } from './limits.ts'

const connect = [0x10, 2, 0, 0]
const length = (bytes: number) => {
  const encoded: number[] = []
  do {
    encoded.push((bytes & 0x7f) | (bytes > 0x7f ? 0x80 : 0))
    bytes >>= 7
  } while (bytes > 0)
  return encoded
}

describe('packet meter', () => {
  test('a 268 MB PUBLISH is refused at the byte that gives it away', () => {
    const meter = new PacketMeter(524_288)
    expect(meter.count(Uint8Array.from(connect))).toBe(0)
    expect(meter.count(Uint8Array.of(0x30, 0xff, 0xff))).toBe(0)
    expect(meter.count(Uint8Array.of(0xff))).toBe('a packet of more than 524288 bytes')
  })

  test.each([
    ['a request of HTTP', [...Buffer.from('GET / HTTP/1.1')]],
    ['a PUBLISH', [0x30, 2, 0, 0]],
    ['nothing', [0x00, 0x00]],
  ])('%s is not a first packet', (_, bytes) => {
    expect(new PacketMeter(1000).count(Uint8Array.from(bytes))).toBe('the first packet is not a CONNECT')
  })

  test('a CONNECT has a limit of its own', () => {
    const meter = new PacketMeter(16_777_216)
    expect(meter.count(Uint8Array.from([0x10, ...length(CONNECT_LIMIT_BYTES + 1)]))).toContain('more than')
  })

  test('a length of five bytes is malformed', () => {
    const meter = new PacketMeter(16_777_216)
    expect(meter.count(Uint8Array.from([...connect, 0x30, 0x80, 0x80, 0x80, 0x80]))).toBe(
      'a malformed packet length',
    )
  })

  test('however a stream is cut into chunks, each packet counts once: a message in full, a SUBSCRIBE by its size, a ping a little', () => {
    const packet = fc.record({
      type: fc.constantFrom(3, 4, 8, 10, 12),
      size: fc.integer({ min: 0, max: 400 }),
    })
    fc.assert(
      fc.property(
        fc.array(packet, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 300 })),
        (packets, cuts) => {
          const bytes = Uint8Array.from([
            ...connect,
            ...packets.flatMap(({ type, size }) => [
              type << 4,
              ...length(size),
              ...Array<number>(size).fill(0x30),
            ]),
          ])
          const meter = new PacketMeter(400)
          let counted = 0
          let at = 0
          for (const cut of [...cuts, bytes.length]) {
            counted += meter.count(bytes.subarray(at, at + cut)) as number
            at += cut
          }
          const costs = packets.map(({ type, size }) => {
            if (type === 8 || type === 10) return 1 + Math.floor(size / 64)
            return type === 3 ? 1 : 0.1
          })
          expect(counted).toBeCloseTo(costs.reduce((sum, cost) => sum + cost, 0))
        },
      ),
    )
  })
})

test('an allowance gives its rate and no more than a second of it at once', () => {
  const allowance = new Allowance(100, 0)
  expect(allowance.spend(100, 0)).toBe(0)
  expect(allowance.spend(50, 0)).toBe(500)
  expect(allowance.spend(0, 500)).toBe(0)
  expect(allowance.spend(200, 60_000)).toBe(1000)
})

test('an address that keeps failing is answered later, another is not', () => {
  const failures = new FailedSignIns()
  const delays = Array.from({ length: 12 }, () => failures.record('10.0.0.1', 0))
  expect(delays.filter((delay) => delay > 0)).toHaveLength(2)
  expect(failures.record('10.0.0.2', 0)).toBe(0)
})
