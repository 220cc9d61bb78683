import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Connection, FRAME_MS } from './connection.ts'
import { upload } from './monitor.fixture.ts'

const NEVER = { connectMs: Infinity, idleMs: Infinity }
const { frame } = upload({ mn: 'DM000001', at: 0, cp: 'a34041-Rtd=1.2' })

let server: Server
let sender: Socket
beforeEach(async () => {
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  sender.destroy()
  server.close()
})

interface Heard {
  readonly connection: Connection
  frames: number
  /** Resolves with the next chunk that has been taken in. */
  readonly chunk: () => Promise<unknown>
}

async function connected(framesPerSecond = 1000): Promise<Heard> {
  sender = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
  sender.on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [Socket]
  const heard: Heard = {
    connection: new Connection(socket, framesPerSecond, {
      onFrame: () => heard.frames++,
      onFault: () => {},
      onClosed: () => {},
    }),
    frames: 0,
    chunk: () => once(socket, 'data'),
  }
  return heard
}

test('a frame that is never whole ends its connection, though it goes on byte by byte', async () => {
  const { connection, chunk } = await connected()
  const began = performance.now()
  for (const byte of frame.subarray(0, 20)) {
    sender.write(Buffer.of(byte))
    await chunk()
  }
  connection.sweep(began + FRAME_MS - 1, NEVER)
  expect(sender.closed).toBe(false)
  connection.sweep(performance.now() + FRAME_MS + 1, NEVER)
  await once(sender, 'close')
})

test('a frame that begins after whole ones has all of its time', async () => {
  const heard = await connected()
  sender.write(frame.subarray(0, 20))
  await heard.chunk()
  const began = performance.now()
  while (performance.now() < began + 20) {
    sender.write(Buffer.concat([frame.subarray(20), frame.subarray(0, 20)]))
    await heard.chunk()
  }
  heard.connection.sweep(began + FRAME_MS + 10, NEVER)
  expect(heard.frames).toBeGreaterThan(0)
  sender.write(Buffer.concat([frame.subarray(20), frame]))
  await heard.chunk()
  heard.connection.sweep(performance.now() + 2 * FRAME_MS, NEVER)
  expect(sender.closed).toBe(false)
})

test('time in which the gateway itself does not read on is not counted', async () => {
  const heard = await connected(20)
  const began = performance.now()
  // Ten more than a second's worth, and the beginning of another: half a second passes before the rest is read.
  sender.write(Buffer.concat([...Array<Buffer>(30).fill(frame), frame.subarray(0, 20)]))
  await heard.chunk()
  sender.write(frame.subarray(20))
  heard.connection.sweep(began + 2 * FRAME_MS, NEVER)
  await heard.chunk()
  heard.connection.sweep(performance.now() + 2 * FRAME_MS, NEVER)
  expect([heard.frames, sender.closed]).toEqual([31, false])
})
