import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AckReader, connectFrame, PublishTemplate, writeTime } from './frames.ts'
import { httpPayload, QUIET_KITCHEN, readingsPayload } from './payload.ts'

test('a CONNECT is the one of the specification', () => {
  expect(connectFrame('a', { username: 'b', password: 'cd' }).toString('hex')).toBe(
    // 3.1.1 protocol, level 4, user name + password + clean session, no keepalive [MQTT-3.1.2].
    '101400044d51545404c2000000016100016200026364',
  )
  expect(connectFrame('a', undefined).toString('hex')).toBe('100d00044d51545404020000000161')
})

test('a PUBLISH carries its topic, its packet id and as many times as readings, one millisecond apart', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 65_535 }),
      fc.integer({ min: 1_000_000_000_000, max: 9_999_999_999_000 }),
      fc.integer({ min: 0, max: 9 }),
      (count, packetId, ts, at) => {
        const template = new PublishTemplate('v1/a/readings', readingsPayload(QUIET_KITCHEN, count))
        const out = Buffer.alloc(at + template.size)
        template.write(out, at, packetId, ts)
        const frame = out.subarray(at)
        expect(frame[0]).toBe(0x32)
        let length = 0
        let head = 1
        for (let shift = 0; ; shift += 7) {
          length += (frame[head]! & 0x7f) * 2 ** shift
          if (frame[head++]! < 0x80) break
        }
        expect(head + length).toBe(frame.length)
        expect(frame.toString('utf8', head + 2, head + 15)).toBe('v1/a/readings')
        expect(frame.readUInt16BE(head + 15)).toBe(packetId)
        const parsed = JSON.parse(frame.toString('utf8', head + 17)) as { ts: number } | { ts: number }[]
        const readings = Array.isArray(parsed) ? parsed : [parsed]
        expect(readings).toEqual(
          Array.from({ length: count }, (_, index) => ({ ts: ts + index, metrics: QUIET_KITCHEN })),
        )
      },
    ),
  )
})

test('a reading is about 200 bytes', () => {
  expect(readingsPayload(QUIET_KITCHEN, 1).bytes.length).toBeGreaterThan(180)
  expect(readingsPayload(QUIET_KITCHEN, 1).bytes.length).toBeLessThan(220)
})

test('a body for HTTP names the device in each reading', () => {
  const { bytes, times } = httpPayload('a', { fan: true }, 2)
  for (const at of times) writeTime(bytes, at, 1_700_000_000_000)
  const reading = { device: 'a', ts: 1_700_000_000_000, metrics: { fan: true } }
  expect(JSON.parse(bytes.toString())).toEqual([reading, reading])
})

test('acknowledgements are found however the stream is cut', () => {
  const ids = Array.from({ length: 50 }, (_, index) => index * 1300 + 1)
  const stream = Buffer.concat([
    Buffer.from([0x20, 2, 0, 0]),
    // A PUBLISH of 130 bytes to pass over: its length takes two bytes.
    Buffer.concat([Buffer.from([0x30, 0x80 | 2, 1]), Buffer.alloc(130, 0x40)]),
    // PUBACK, and the PUBREC and PUBCOMP of QoS 2.
    ...ids.map((id) => Buffer.from([0x40, 2, id >> 8, id & 0xff])),
    Buffer.from([0x50, 2, 0, 7, 0x70, 2, 0, 7]),
  ])
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
      const found: number[] = []
      const received: number[] = []
      let connack: number | undefined
      const reader = new AckReader({
        onConnack: (returnCode) => (connack = returnCode),
        onAcknowledged: (id) => found.push(id),
        onReceived: (id) => received.push(id),
      })
      const edges = [0, ...cuts.sort((a, b) => a - b), stream.length]
      // The same memory for each chunk, as the lanes do it.
      const memory = Buffer.alloc(stream.length)
      for (let index = 1; index < edges.length; index++) {
        const length = stream.copy(memory, 0, edges[index - 1], edges[index])
        reader.push(memory.subarray(0, length))
      }
      expect(connack).toBe(0)
      expect(found).toEqual([...ids, 7])
      expect(received).toEqual([7])
    }),
  )
})
