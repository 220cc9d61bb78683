import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { isLoopback, shareConnections } from './connection-share.ts'

const server = createServer((_request, response) => response.end('here'))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

test('one address holds its share of connections, and another is let in', async () => {
  shareConnections(server, 3, (address) => address.endsWith('127.0.0.2'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const open = (localAddress: string) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    return socket
  }
  const silent = Array.from({ length: 5 }, () => open('127.0.0.1'))
  await sleep(100)
  expect(silent.filter((socket) => !socket.destroyed && socket.readyState === 'open')).toHaveLength(3)
  const isAnswered = async (from: string) => {
    const socket = open(from)
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    let text = ''
    socket.on('data', (data: Buffer) => (text += data.toString()))
    await once(socket, 'close')
    return text.includes('here')
  }
  expect(await isAnswered('127.0.0.1')).toBe(false)
  expect(await isAnswered('127.0.0.3')).toBe(true)
  for (let i = 0; i < 5; i++) expect(await isAnswered('127.0.0.2')).toBe(true)
  silent[0]!.destroy()
  await sleep(50)
  expect(await isAnswered('127.0.0.1')).toBe(true)
})

test('this machine is known, however its address is written', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
    expect(isLoopback(address)).toBe(true)
  for (const address of ['128.0.0.1', '::2', '::ffff:10.0.0.1', '']) expect(isLoopback(address)).toBe(false)
})
