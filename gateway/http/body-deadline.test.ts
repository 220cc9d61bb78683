import { connect, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import fastify from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hurryBodies } from './body-deadline.ts'
import type { Api } from './route.ts'

const LIMIT = 150

const app = fastify() as unknown as Api
beforeAll(async () => {
  hurryBodies(app, LIMIT)
  app.post('/usual', () => ({ ok: true }))
  app.post('/slow', { config: { slowBody: true } }, () => ({ ok: true }))
  app.post('/slower', { config: { slowBody: LIMIT * 1.5 } }, () => ({ ok: true }))
  app.get('/long', async () => {
    await sleep(LIMIT * 2)
    return { ok: true }
  })
  await app.listen({ port: 0 })
})
afterAll(() => app.close())

async function send(head: string, rest: string): Promise<string> {
  const socket = connect((app.server.address() as AddressInfo).port)
  socket.write(`${head}\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n{`)
  setTimeout(() => socket.writable && socket.write(rest), LIMIT * 2)
  return await text(socket)
}

test('a body that is late is answered 408, unless its route is for slow ones', async () => {
  const length = 'content-length: 2'
  expect(await send(`POST /usual HTTP/1.1\r\n${length}`, '}')).toMatch(/^HTTP\/1\.1 408 .*"code":"timeout"/s)
  expect(await send(`POST /slower HTTP/1.1\r\n${length}`, '}')).toMatch(/^HTTP\/1\.1 408/)
  expect(await send(`POST /slow HTTP/1.1\r\n${length}`, '}')).toMatch(/^HTTP\/1\.1 200/)
})

test('an answer that takes long is not cut off, with a body that was there in time or without one', async () => {
  const { port } = app.server.address() as AddressInfo
  expect((await fetch(`http://localhost:${port}/long`)).status).toBe(200)
  const body = JSON.stringify({ text: 'x' })
  const headers = { 'content-type': 'application/json' }
  expect((await fetch(`http://localhost:${port}/usual`, { method: 'POST', body, headers })).status).toBe(200)
})
