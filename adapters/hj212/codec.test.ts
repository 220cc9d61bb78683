import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decode, decodeSegment, encode, frame, SEGMENT_LIMIT, type Fault, type Packet } from './codec.ts'
import { loadKinds } from '../../gateway/model/kinds.ts'
import { checksum, CHECKSUMS } from './crc.ts'
import { explain } from './explain.ts'
import { loadProfiles } from './profile.ts'
import { UploadReader } from './readings.ts'
import { Splitter } from './splitter.ts'
import { timeOf, writtenTime } from './time.ts'

interface Seen {
  readonly packets: Packet[]
  readonly faults: Fault[]
  readonly splitter: Splitter
}

function splitting(): Seen {
  const seen: Omit<Seen, 'splitter'> = { packets: [], faults: [] }
  const splitter = new Splitter({
    onFrame: (segment, crc) => {
      const packet = decode(segment, crc, 'annex-a')
      if ('code' in packet) seen.faults.push(packet)
      else seen.packets.push(packet)
    },
    onFault: (fault) => seen.faults.push(fault),
  })
  return { ...seen, splitter }
}

/** Feeds the stream in pieces of the given sizes, in turn. */
function feed(splitter: Splitter, stream: Uint8Array, sizes: readonly number[]): void {
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const size = sizes[turn % sizes.length]!
    splitter.push(stream.subarray(at, at + size))
    at += size
  }
}

const word = fc.stringMatching(/^[A-Za-z0-9.:+ 油烟-]{0,20}$/)
const packets: fc.Arbitrary<Packet> = fc.record({
  qn: fc.option(fc.stringMatching(/^\d{17}$/)),
  st: fc.option(fc.stringMatching(/^\d\d$/)),
  cn: fc.stringMatching(/^\d{4}$/),
  pw: fc.option(fc.stringMatching(/^\w{1,9}$/)),
  mn: fc.stringMatching(/^[\w.-]{1,24}$/),
  flag: fc.option(fc.integer({ min: 0, max: 15 })),
  pnum: fc.option(fc.integer({ min: 0, max: 9999 })),
  pno: fc.option(fc.integer({ min: 0, max: 9999 })),
  cp: fc.array(fc.tuple(fc.stringMatching(/^[A-Za-z0-9-]{1,16}$/), word), { maxLength: 20 }),
})
const framed = (packet: Packet) =>
  encode({ ...packet, cp: packet.cp.map(([name, value]) => `${name}=${value}`).join(';') }, 'annex-a')
const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 10 })
/** Bytes of which none begins a frame. */
const noise = fc
  .uint8Array({ maxLength: 60 })
  .map((bytes) => bytes.map((byte) => (byte === 0x23 ? 0x24 : byte)))

describe('checksums', () => {
  test.each([
    ['annex-a', '123456789', 0x2f80],
    ['modbus', '123456789', 0x4b37],
    ['modbus-swapped', '123456789', 0x374b],
    ['annex-a', '', 0xffff],
  ] as const)('%s of "%s"', (algorithm, text, sum) => {
    expect(checksum(Buffer.from(text), algorithm)).toBe(sum)
  })

  test('that of Annex A is its bit-by-bit definition', () => {
    const byDefinition = (bytes: Uint8Array) => {
      let crc = 0xffff
      for (const byte of bytes) {
        crc = (crc >> 8) ^ byte
        for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1
      }
      return crc
    }
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(checksum(bytes, 'annex-a')).toBe(byDefinition(bytes))
      }),
    )
  })
})

describe('frames', () => {
  test('what is encoded is decoded again, by each checksum and by no other', () => {
    fc.assert(
      fc.property(packets, fc.constantFrom(...CHECKSUMS), (packet, algorithm) => {
        const cp = packet.cp.map(([name, value]) => `${name}=${value}`).join(';')
        const bytes = encode({ ...packet, cp }, algorithm)
        const segment = bytes.subarray(6, -6)
        expect(decode(segment, parseInt(bytes.toString('latin1', bytes.length - 6), 16), algorithm)).toEqual(
          packet,
        )
      }),
    )
  })

  test('the gateway acknowledges as in the example of domain practice, byte for byte', () => {
    const head = { qn: '20240601120000123', st: '91', cn: '9014', pw: '123456' }
    const bytes = encode({ ...head, mn: '320613000000000000000001', flag: 4, cp: '' }, 'annex-a')
    expect(bytes.toString()).toBe(
      '##0087QN=20240601120000123;ST=91;CN=9014;PW=123456;MN=320613000000000000000001;Flag=4;CP=&&&&8C41\r\n',
    )
  })
})

describe('splitting a stream', () => {
  test('frames come out whole and in order, however they are split, glued or surrounded by noise', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(noise, packets), { maxLength: 8 }),
        noise,
        cuts,
        (stretches, end, sizes) => {
          const { splitter, packets, faults } = splitting()
          const stream = Buffer.concat([
            ...stretches.flatMap(([before, packet]) => [before, framed(packet)]),
            end,
          ])
          feed(splitter, stream, sizes)
          expect(packets).toEqual(stretches.map(([, packet]) => packet))
          expect(faults).toEqual([])
          expect(splitter.held).toBe(0)
        },
      ),
    )
  })

  test('a damaged frame costs itself and not the one after it, even when it was cut off or has lost its line end', () => {
    const damage = fc.record({ at: fc.nat(), drop: fc.integer({ min: 0, max: 300 }), put: noise })
    fc.assert(
      fc.property(packets, damage, packets, cuts, (first, { at, drop, put }, second, sizes) => {
        const { splitter, packets } = splitting()
        const whole = framed(first)
        const from = at % whole.length
        const damaged = Buffer.concat([whole.subarray(0, from), put, whole.subarray(from + drop)])
        feed(splitter, Buffer.concat([damaged, framed(second)]), sizes)
        expect(packets.at(-1)).toEqual(second)
        expect(splitter.held).toBe(0)
      }),
    )
  })

  test(
    'bytes of any kind neither throw nor pile up, and what is read of them is bounded',
    { timeout: 120_000 },
    () => {
      const cp = 'DataTime=20240601120000;a34041-Rtd=2.35,a34041-Flag=N;SB1-RS=1;x-Rtd=1'
      const whole = encode({ qn: '1', st: '31', cn: '2011', pw: '1', mn: 'A', flag: 5, cp }, 'annex-a')
      const parts = [
        '##',
        '##0',
        '##0020',
        '##9999',
        '##4096',
        '##0000',
        '&&',
        '&&1C80',
        '\r\n',
        'CP=&&',
        'MN=1;CN=2011;',
      ]
      const piece = fc.oneof(
        fc.uint8Array({ maxLength: 30 }),
        fc.constantFrom(whole, ...parts.map((text) => Buffer.from(text))),
        fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
          const damaged = Buffer.from(whole)
          damaged[at] = byte
          return damaged
        }),
      )
      const kind = loadKinds().get('cooking_fume')!
      const reader = new UploadReader(loadProfiles().get('standard')!, kind)
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 6 }), fc.integer({ min: 1, max: 200 }), (pieces, size) => {
          const splitter = new Splitter({
            // Whatever the checksum says: the reader must stand what a sender signs, too.
            onFrame: (segment) => {
              const packet = decodeSegment(segment)
              if ('code' in packet) return
              const { values, unmapped } = reader.read(packet)
              if (values.size + unmapped.size > packet.cp.length)
                throw new Error('more was read than was sent')
            },
            onFault: () => {},
          })
          feed(splitter, Buffer.concat(pieces), [size])
          if (splitter.held > SEGMENT_LIMIT + 10) throw new Error(`${splitter.held} bytes are held`)
        }),
        { numRuns: 100_000 },
      )
    },
  )

  test('a frame that claims more than it sends holds what it sent, and no more than one frame', () => {
    const { splitter, faults } = splitting()
    splitter.push(Buffer.from('##4096QN=2024'))
    expect(splitter.held).toBe(13)
    for (let i = 0; i < 100; i++) {
      splitter.push(Buffer.alloc(65_536, 0x41))
      expect(splitter.held).toBeLessThanOrEqual(SEGMENT_LIMIT + 10)
    }
    expect(faults).toEqual([expect.objectContaining({ code: 'bad_length' })])
    expect(splitter.noise).toBeGreaterThan(6_000_000)
  })

  test('a segment of more than the limit is refused by its header', () => {
    const { splitter, packets, faults } = splitting()
    const packet = {
      qn: null,
      st: null,
      cn: '2011',
      pw: null,
      mn: 'A',
      flag: null,
      pnum: null,
      pno: null,
      cp: [],
    }
    splitter.push(Buffer.concat([frame(Buffer.alloc(SEGMENT_LIMIT + 1, 0x41), 'annex-a'), framed(packet)]))
    expect(faults.map(({ code }) => code)).toEqual(['too_long'])
    expect(packets).toEqual([packet])
  })

  test('what is given up is forgotten', () => {
    const { splitter, packets, faults } = splitting()
    const packet = {
      qn: null,
      st: null,
      cn: '2011',
      pw: null,
      mn: 'A',
      flag: null,
      pnum: null,
      pno: null,
      cp: [],
    }
    splitter.push(Buffer.from('##0500QN=1'))
    splitter.discard()
    expect(splitter.held).toBe(0)
    splitter.push(framed(packet))
    expect([packets, faults]).toEqual([[packet], []])
  })
})

describe('times', () => {
  test.each([
    ['20240601120000', '2024-06-01T04:00:00.000Z'],
    ['20240601120000123', '2024-06-01T04:00:00.123Z'],
    ['20240101000000', '2023-12-31T16:00:00.000Z'],
  ])('%s is Beijing time', (text, iso) => {
    expect(new Date(timeOf(text)!).toISOString()).toBe(iso)
    expect(writtenTime(timeOf(text)!, text.length as 14 | 17)).toBe(text)
  })

  test.each([
    '',
    '2024060112',
    '20240631120000',
    '20241301000000',
    '20240601240000',
    '2024060112000012',
    'now',
    '20240601 12000',
  ])('"%s" is no time', (text) => {
    expect(timeOf(text)).toBeNull()
  })
})

describe('explaining', () => {
  test.each([
    [
      '##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80',
      'right',
      'set interval of real-time data, HJ 212-2017, wants an answer',
    ],
    [
      '##0092QN=20170516010101001;ST=22;CN=1042;PW=123456;MN=ABCDEFG1234567;Flag=3;CP=&&ReportTime=0101&&7201',
      'bad_crc',
      'the checksum 7201 is not that of the data segment by Annex A; it is that of "modbus", which a device may be allowed',
    ],
    ['##0500QN=1', 'cut_off', 'the frame ends after 4 bytes; it claims 500'],
    ['##9999', 'too_long', 'a data segment of 9999 bytes; expected at most 4096'],
  ])('%s', (text, verdict, message) => {
    expect(explain(Buffer.from(text))).toEqual([expect.objectContaining({ verdict, message })])
  })

  test('what is no frame at all explains nothing', () => {
    expect(explain(Buffer.from('hello'))).toEqual([])
  })
})
