import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Acknowledgement } from './acknowledgement.ts'
import {
  decode,
  Decoder,
  decodeSegment,
  encode,
  fieldsOf,
  frame,
  SEGMENT_LIMIT,
  told,
  type Fault,
  type Told,
  versionOf,
} from './codec.ts'
import { loadKinds } from '../../gateway/model/kinds.ts'
import { checksum, CHECKSUMS } from './crc.ts'
import { explain } from './explain.ts'
import { loadProfiles } from './profile.ts'
import { UploadReader } from './readings.ts'
import { Splitter } from './splitter.ts'
import { timeOf, writtenTime } from './time.ts'

interface Seen {
  readonly packets: Told[]
  readonly faults: Fault[]
  readonly splitter: Splitter
}

function splitting(): Seen {
  const seen: Omit<Seen, 'splitter'> = { packets: [], faults: [] }
  const splitter = new Splitter({
    onFrame: (segment, crc) => {
      const packet = decode(segment, crc, 'annex-a')
      if ('code' in packet) seen.faults.push(packet)
      else seen.packets.push(told(packet))
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
const packets: fc.Arbitrary<Told> = fc.record({
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
const framed = (packet: Told) =>
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
        const decoded = decode(segment, parseInt(bytes.toString('latin1', bytes.length - 6), 16), algorithm)
        expect('code' in decoded ? decoded : told(decoded)).toEqual(packet)
      }),
    )
  })

  test('what a decoder remembers of the frames before changes nothing', () => {
    const head = fc.array(
      fc.constantFrom(
        'QN=20240601120000123',
        'QN=x',
        'ST=31',
        'CN=2011',
        'MN=A',
        'MN=B',
        'PW=1',
        'PW=CP=&&',
        'Flag=5',
      ),
      { maxLength: 8 },
    )
    const end = fc.constantFrom('CP=&&a-Rtd=1&&', 'CP=&&&&', 'CP=&&', 'CP=&&&', '')
    const segments = fc.array(
      fc
        .tuple(head, fc.constantFrom(';', ','), end)
        .map(([fields, separator, cp]) => Buffer.from([...fields, cp].join(separator))),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(segments, (all) => {
        const decoder = new Decoder()
        // Each twice: the second time it is remembered.
        for (const segment of all.flatMap((one) => [one, one]))
          expect(decoder.decode(segment)).toEqual(decodeSegment(segment))
      }),
      { numRuns: 2000 },
    )
  })

  test('an acknowledgement that is used again is the frame that is made anew', () => {
    fc.assert(
      fc.property(
        packets,
        fc.array(fc.option(word)),
        fc.constantFrom(...CHECKSUMS),
        (packet, numbers, crc) => {
          const { pw, mn } = packet
          let kept: Acknowledgement | undefined
          for (const qn of numbers.flatMap((one) => [one, one])) {
            const to = { ...packet, qn }
            if (kept?.fits(to, '9014', crc) !== true) kept = new Acknowledgement(to, '9014', crc)
            const bytes = Buffer.alloc(kept.size + 1)
            kept.write(bytes, 1, qn)
            const flag = versionOf(packet) << 2
            expect(bytes.subarray(1)).toEqual(encode({ qn, pw, mn, st: '91', cn: '9014', flag, cp: '' }, crc))
          }
        },
      ),
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
              if (values.length + unmapped.size > fieldsOf(packet).length)
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

describe('readings', () => {
  const kinds = loadKinds()
  const profile = loadProfiles().get('standard')!
  const number = fc.oneof(
    fc.double({ noNaN: true }).map(String),
    fc.stringMatching(/^[-+]?\d{0,18}\.?\d{0,6}$/),
    fc.constantFrom('', '-', '.', '1e3', '0', '1', '-0', '油', '0x10', ' 1'),
  )
  const field = fc.oneof(
    fc
      .tuple(
        fc.constantFrom('a34041', 'a34013', 'a01012', 'SB1', 'SB2', 'x', ''),
        fc.constantFrom('Rtd', 'Avg', 'Flag', 'flag', 'RS', 'Min'),
        fc.oneof(number, fc.constantFrom('N', 'D', '3', 'NN')),
      )
      .map(([code, part, value]) => `${code}-${part}=${value}`),
    fc.constantFrom('DataTime=20240601120000', 'DataTime=20240631120000', 'x', '=1', 'a34041-Rtd', ''),
  )
  const cps = fc
    .array(fc.tuple(field, fc.constantFrom(';', ',')), { maxLength: 12 })
    .map((fields) => Buffer.from(fields.flat().join('')))

  test('what a reader remembers of the packets before changes nothing, and values are those that JavaScript reads', () => {
    const reader = new UploadReader(profile, kinds.get('cooking_fume')!)
    fc.assert(
      fc.property(cps, fc.constantFrom(null, 5), (cp, flag) => {
        const packet = { qn: null, st: null, cn: '2011', pw: null, mn: 'A', flag, pnum: null, pno: null, cp }
        const fresh = new UploadReader(profile, kinds.get('cooking_fume')!).read(packet)
        expect(reader.read(packet)).toEqual(fresh)
        expect(reader.read(packet)).toEqual(fresh)
        const fields = fieldsOf(packet)
        const first = (name: string) => fields.find(([key]) => key === name)?.[1]
        const last = (name: string) => fields.findLast(([key]) => key === name)?.[1]
        for (const { metric, value } of fresh.values) {
          if (metric !== 'fume' || typeof value !== 'number') continue
          expect(value).toBe(Number(last('a34041-Rtd') ?? first('a34041-Avg')))
        }
        const isStrange = fields.some(([name]) => /^x-(Rtd|Avg|RS)$/.test(name))
        expect(fresh.unmapped.has('x')).toBe(isStrange)
      }),
      { numRuns: 5000 },
    )
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
