import { expect, test } from 'vitest'
import { Frames, wireTextsOf } from './frames.ts'

const ROOM = 1024
const form = { wire: 'hj212', checksum: 'annex-a', masked: [] }
/** Beside the frame: what stands before a message's frames and before one, and the forms. */
const BESIDE = 16 + JSON.stringify([form]).length

test('frames are kept whole, however much room they leave behind the forms', () => {
  for (let left = -2; left < 8; left++) {
    const frames = new Frames(new ArrayBuffer(ROOM))
    const frame = new Uint8Array(ROOM - BESIDE - left).fill(0x41)
    frames.add(0, { form, frames: [frame], leftOut: 0 })
    const { buffer, size } = frames.close()
    const texts = wireTextsOf(7, new Uint8Array(buffer, 0, size))
    expect(texts.get(7)).toMatchObject({ ...form, frames: ['A'.repeat(frame.length)] })
  }
})
