import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { loadDistrict } from '../district/district.ts'
import { EventReader } from './event-source.fixture.ts'
import { EventStream } from './event-stream.ts'
import { Scope } from './scope.ts'

const everything = new Scope({ name: 'x', role: 'viewer', street: null, team: null }, loadDistrict())

let stream: EventStream
let port: number
let allowed: boolean
const sockets: Socket[] = []
const server = createServer((request, response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  stream.connect(response, everything, () => allowed, request.headers['last-event-id']?.toString())
})

beforeEach(async () => {
  stream = new EventStream('run')
  allowed = true
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterEach(async () => {
  stream.stop()
  for (const socket of sockets.splice(0)) socket.destroy()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

test('a client that does not read is dropped, and its backlog with it', async () => {
  const socket = connect(port, '127.0.0.1')
  sockets.push(socket)
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await vi.waitFor(() => expect(stream.clients).toBe(1))
  const data = { text: 'x'.repeat(10_000) }
  let sent = 0
  while (stream.clients === 1 && sent < 10_000) {
    stream.emit('reading', data, () => true)
    if (++sent % 50 === 0) await new Promise(setImmediate)
  }
  expect(stream.clients).toBe(0)
  // What the kernel's buffers took, and a megabyte of ours.
  expect(sent * 10_000).toBeLessThan(30_000_000)
})

test('a stream does not outlive the right to it', async () => {
  const reader = new EventReader()
  await reader.open(`http://127.0.0.1:${port}/`, {})
  await vi.waitFor(() => expect(stream.clients).toBe(1))
  stream.beat()
  expect(stream.clients).toBe(1)
  allowed = false
  stream.beat()
  await reader.end()
  expect(stream.clients).toBe(0)
})

test('an id that is too old gets a reset', async () => {
  for (let i = 0; i < 4100; i++) stream.emit('case', { i }, () => true)
  const reader = new EventReader()
  await reader.open(`http://127.0.0.1:${port}/`, { 'last-event-id': 'run-50' })
  expect((await reader.find(() => true)).type).toBe('reset')
  reader.close()
})

test('a client that leaves is forgotten', async () => {
  const reader = new EventReader()
  await reader.open(`http://127.0.0.1:${port}/`, {})
  reader.close()
  await vi.waitFor(() => expect(stream.clients).toBe(0))
})
