import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { claimedBy, mediaOf } from './media.ts'
import { jpeg, mp4, png } from './media.fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-media-'))
afterAll(() => rmSync(folder, { recursive: true }))

const path = join(folder, 'file')
async function found(bytes: Uint8Array) {
  writeFileSync(path, bytes)
  return await mediaOf(path, bytes.byteLength)
}

describe('what a file is, is what its bytes are', () => {
  test('JPEG, PNG and MP4 are taken', async () => {
    expect(await found(jpeg())).toBe('image/jpeg')
    expect(await found(png())).toBe('image/png')
    expect(await found(mp4())).toBe('video/mp4')
  })

  test.each([
    ['a page', Buffer.from('<html><script>alert(1)</script>'), /no picture or video/],
    ['nothing', Buffer.alloc(0), /no picture or video/],
    ['a GIF', Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1'), /image\/gif; expected JPEG, PNG or MP4/],
    ['a vector picture', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /expected JPEG/],
    ['a QuickTime film', mp4(64, 'qt  '), /video\/quicktime/],
    ['a page that begins like a JPEG', Buffer.from('\xff\xd8\xff<script>', 'latin1'), /beyond the end/],
    ['a JPEG without an end', jpeg().subarray(0, -2), /cut off/],
    ['a PNG without an end', png().subarray(0, -12), /cut off/],
    ['a PNG of no size', png(0, 0, 8), /no size/],
    ['a PNG that would fill the memory', png(0, 1, 1).fill(0x7f, 16, 24), /pixels/],
    ['an MP4 that is cut off', mp4().subarray(0, -1), /reaches beyond the end/],
    ['an MP4 without tracks', Buffer.concat([mp4().subarray(0, 28)]), /moov/],
  ])('%s is not', async (_name, bytes, fault) => {
    expect(await found(bytes)).toEqual({ fault: expect.stringMatching(fault) as string })
  })

  test('whatever bytes come, the answer is a medium or what is wrong', async () => {
    const whole = [jpeg(), png(), mp4()]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...whole),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (bytes, changes, part) => {
          const broken = Buffer.from(bytes.subarray(0, Math.ceil(bytes.byteLength * part)))
          for (const [at, byte] of changes) if (broken.byteLength > 0) broken[at % broken.byteLength] = byte
          const media = await found(broken)
          if (typeof media === 'string') await claimedBy(path, media)
          expect(typeof media === 'string' || media.fault.length > 0).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })
})

test('what EXIF says is what the file claims', async () => {
  writeFileSync(path, jpeg())
  expect(await claimedBy(path, 'image/jpeg')).toEqual({
    takenAt: '2024:06:01 12:00:00+08:00',
    position: [120.82, 32.061667],
  })
  writeFileSync(path, png())
  expect(await claimedBy(path, 'image/png')).toBeNull()
})
