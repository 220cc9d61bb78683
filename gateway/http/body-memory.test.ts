import { array, assert, asyncProperty, integer, uint8Array } from 'fast-check'
import { PassThrough, Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { BodyMemory } from './body-memory.ts'

const LIMIT = 1 << 20

test('bodies that come in pieces by turns are each whole, in whatever memory, again and again', async () => {
  const memory = new BodyMemory()
  const pieces = array(uint8Array({ minLength: 1, maxLength: 90_000 }), { minLength: 1, maxLength: 4 })
  await assert(
    asyncProperty(
      array(pieces, { minLength: 1, maxLength: 4 }),
      array(integer({ min: 0, max: 3 })),
      async (bodies, turns) => {
        const streams = bodies.map(() => new PassThrough())
        const whole = streams.map((stream) => memory.read(stream, undefined, LIMIT))
        const left = bodies.map((body) => [...body])
        for (const turn of turns) {
          const piece = left[turn]?.shift()
          if (piece !== undefined) streams[turn]!.write(piece)
          await new Promise(setImmediate)
        }
        for (const [at, stream] of streams.entries()) {
          for (const piece of left[at]!) stream.write(piece)
          stream.end()
        }
        for (const [at, body] of (await Promise.all(whole)).entries()) {
          expect(body.equals(Buffer.concat(bodies[at]!))).toBe(true)
          memory.release(body)
        }
      },
    ),
    { numRuns: 100, endOnFailure: true },
  )
})

test('memory that was given back is taken again', async () => {
  const memory = new BodyMemory()
  const first = await memory.read(Readable.from([Buffer.alloc(150_000, 'a')]), undefined, LIMIT)
  memory.release(first)
  const second = await memory.read(Readable.from([Buffer.alloc(100_000, 'b')]), undefined, LIMIT)
  expect(second.buffer).toBe(first.buffer)
})

test('a body that is too long is refused as soon as that is known, and what follows is read past', async () => {
  const memory = new BodyMemory()
  const stream = new PassThrough()
  const body = memory.read(stream, undefined, 10)
  stream.write('12345678901')
  await expect(body).rejects.toMatchObject({ code: 'too_large' })
  stream.end(Buffer.alloc(200_000))
  await new Promise((resolve) => stream.once('end', resolve))
  await expect(memory.read(new PassThrough(), '11', 10)).rejects.toMatchObject({ code: 'too_large' })
})

test('a sender that goes away leaves no body', async () => {
  const stream = new PassThrough()
  const body = new BodyMemory().read(stream, '10', 10)
  stream.write('12345')
  stream.destroy(new Error('gone'))
  await expect(body).rejects.toThrow('gone')
})
