import { expect, test } from 'vitest'
import { checksum, frameAt, globalPosition } from './mavlink.ts'

/** Made by node-mavlink and checked by an independent CRC-16/MCRF4XX. */
const HEARTBEAT_2 = 'fd09000000010100000000000000020c810403638c'
const HEARTBEAT_1 = 'fe090001010000000000020c810403f94f'
const POSITION = 'fd1c000001010121000040e20100500a1513485c0948d8d6000050c300006400ceff000028238bf8'

const bytes = (hex: string) => Buffer.from(hex, 'hex')

test.each([
  ['a HEARTBEAT of version 2', HEARTBEAT_2, 0, 21],
  ['a HEARTBEAT of version 1', HEARTBEAT_1, 0, 17],
  ['a GLOBAL_POSITION_INT', POSITION, 33, 40],
])('%s is known by its checksum', (_, hex, id, size) => {
  expect(frameAt(bytes(hex), 0)).toMatchObject({
    id,
    size,
    system: 1,
    component: id === 0 ? expect.any(Number) : 1,
  })
})

test('a position is told in degrees, metres and metres a second', () => {
  const frame = frameAt(bytes(POSITION), 0)
  if (frame === null || frame === 'short') throw new Error('no frame')
  expect(globalPosition(frame.payload!)).toEqual({
    lat: 32.0146,
    lon: 120.8573,
    alt: 55,
    height: 50,
    speed: 1.118,
    heading: 90,
  })
})

test('zeros that version 2 leaves out at the end of a payload are put back', () => {
  const whole = bytes(POSITION)
  const payload = Buffer.concat([whole.subarray(10, 30)])
  const head = Buffer.from(whole.subarray(0, 10))
  head[1] = payload.length
  const crc = checksum(Buffer.concat([head.subarray(1), payload]), 104)
  const frame = frameAt(Buffer.concat([head, payload, Buffer.from([crc & 0xff, crc >> 8])]), 0)
  if (frame === null || frame === 'short') throw new Error('no frame')
  expect(globalPosition(frame.payload!)).toMatchObject({ lat: 32.0146, height: 50, speed: 0, heading: 0 })
})

test('a frame that is damaged is none, one that is cut is short, an unknown one is passed over by its length', () => {
  const damaged = bytes(POSITION)
  damaged[20]! ^= 1
  expect(frameAt(damaged, 0)).toBeNull()
  expect(frameAt(bytes(POSITION).subarray(0, 39), 0)).toBe('short')
  expect(frameAt(bytes('00'), 0)).toBe('short')
  expect(frameAt(bytes('0000'), 0)).toBeNull()
  expect(frameAt(bytes('fe02000101fe0000aabb'), 0)).toMatchObject({ id: 254, size: 10, payload: null })
})
