import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { mayConnect, rangesOf } from './addresses.ts'
import { SendError, Sender } from './sender.ts'

/** A server on this machine: where a gateway must not be led. */
let server: Server
let port: number
let answer: RequestListener
let requests = 0

beforeAll(async () => {
  server = createServer((request, response) => {
    requests += 1
    request.resume()
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ;({ port } = server.address() as AddressInfo)
})
afterAll(() => server.close())

const senders: Sender[] = []
afterEach(() => {
  for (const sender of senders.splice(0)) sender.close()
  requests = 0
})

function sender(options: Partial<ConstructorParameters<typeof Sender>[0]> = {}): Sender {
  const made = new Sender({ allowed: [], allowHttp: true, ...options })
  senders.push(made)
  return made
}
const inside = () => sender({ allowed: rangesOf(['127.0.0.0/8']) })
const post = (by: Sender, url: string) => by.post({ url, headers: {}, body: '{}' })

describe('the gateway is not led to internal addresses', () => {
  test.each([
    'http://127.0.0.1:PORT/',
    'http://2130706433:PORT/',
    'http://0x7f000001:PORT/',
    'http://0177.0.0.1:PORT/',
    'http://127.1:PORT/',
    'http://0.0.0.0:PORT/',
    'http://[::1]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://[::ffff:7f00:1]:PORT/',
    'http://[::127.0.0.1]:PORT/',
    'http://[64:ff9b::7f00:1]:PORT/',
    'http://１２７.0.0.1:PORT/',
  ])('%s is no way around', async (url) => {
    const by = sender()
    const address = url.replace('PORT', String(port))
    expect(by.fault(new URL(address))).toMatch(/may not connect/)
    await expect(post(by, address)).rejects.toMatchObject({ isFinal: true })
    expect(requests).toBe(0)
  })

  test('a name that leads to this machine is refused for good', async () => {
    await expect(post(sender(), `http://localhost:${port}/`)).rejects.toThrow(
      /leads to (127\.0\.0\.1|::1), where/,
    )
    expect(requests).toBe(0)
  })

  test('one internal address among many is enough to refuse, whichever the system would take', async () => {
    const by = sender({ resolve: async () => ['203.0.114.7', '127.0.0.1'] })
    await expect(post(by, `http://hook.example:${port}/`)).rejects.toMatchObject({ isFinal: true })
    expect(requests).toBe(0)
  })

  test('a name is asked once: the address that was checked is the one connected to (rebinding)', async () => {
    // The name server says the allowed address first and the forbidden one ever after.
    const said = ['127.0.0.1', '127.0.0.2']
    const by = sender({
      allowed: rangesOf(['127.0.0.1/32']),
      resolve: async () => [said.shift() ?? '127.0.0.2'],
    })
    answer = (_request, response) => response.setHeader('connection', 'close').end('ok')
    expect(await post(by, `http://rebind.example:${port}/`)).toMatchObject({ status: 200 })
    expect(said).toEqual(['127.0.0.2'])
    await expect(post(by, `http://rebind.example:${port}/`)).rejects.toMatchObject({ isFinal: true })
    expect(requests).toBe(1)
  })

  test('a redirect is an answer and leads nowhere', async () => {
    answer = (_request, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${port}/admin` }).end()
    expect(await post(inside(), `http://127.0.0.1:${port}/`)).toMatchObject({ status: 302 })
    expect(requests).toBe(1)
  })

  test.each([
    ['10.1.2.3', false],
    ['172.16.0.1', false],
    ['192.168.1.1', false],
    ['169.254.169.254', false],
    ['100.100.100.200', false],
    ['168.63.129.16', false],
    ['0.0.0.0', false],
    ['224.0.0.1', false],
    ['255.255.255.255', false],
    ['198.18.0.1', false],
    ['fd00:ec2::254', false],
    ['fe80::1', false],
    ['fe80::1%eth0', false],
    ['ff02::1', false],
    ['::', false],
    ['2002:7f00:1::', false],
    ['2001:0:7f00:1::', false],
    ['fec0::1', false],
    ['not an address', false],
    ['8.8.8.8', true],
    ['::ffff:8.8.8.8', true],
    ['2408:8756:2cff::1', true],
  ])('%s may be connected to: %s', (address, expected) => {
    expect(mayConnect(address, [])).toBe(expected)
  })

  test('what the district runs itself can be opened, and nothing beside it', () => {
    const allowed = rangesOf(['10.1.0.0/16', 'fd00:1::/32'])
    expect(mayConnect('10.1.200.3', allowed)).toBe(true)
    expect(mayConnect('::ffff:10.1.0.9', allowed)).toBe(true)
    expect(mayConnect('10.2.0.1', allowed)).toBe(false)
    expect(mayConnect('fd00:1::9', allowed)).toBe(true)
    expect(() => rangesOf(['10.1.0.0'])).toThrow(/"10.1.0.0" is not a range/)
  })

  test('only https, unless the configuration says otherwise, and no credentials in the address', () => {
    const strict = sender({ allowHttp: false })
    expect(strict.fault(new URL('http://example.cn/'))).toMatch(/https/)
    expect(strict.fault(new URL('https://example.cn/'))).toBeNull()
    for (const url of ['ftp://example.cn/', 'file:///etc/passwd', 'https://a:b@example.cn/'])
      expect(inside().fault(new URL(url))).not.toBeNull()
  })
})

test('an answer that does not end is cut off', async () => {
  answer = (_request, response) => {
    response.on('error', () => {})
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  }
  await expect(post(inside(), `http://127.0.0.1:${port}/`)).rejects.toThrow(/longer than/)
})

test('a receiver that is gone is no final refusal, and the error tells nothing of the address', async () => {
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port: closed } = gone.address() as AddressInfo
  gone.close()
  const error = await post(inside(), `http://127.0.0.1:${closed}/hook?key=SECRET`).catch(
    (failed: unknown) => failed,
  )
  expect(error).toBeInstanceOf(SendError)
  expect(error).toMatchObject({ isFinal: false, message: 'the receiver could not be reached (ECONNREFUSED)' })
})

test('what can never be sent as it is is refused for good, and does not hold up what comes behind it', async () => {
  const outgoing = { url: `http://127.0.0.1:${port}/`, headers: { 'webhook-id': '案件' }, body: '{}' }
  await expect(inside().post(outgoing)).rejects.toMatchObject({ isFinal: true })
})

test('what a receiver asks for in Retry-After is read', async () => {
  answer = (_request, response) => response.writeHead(429, { 'retry-after': '7' }).end()
  expect(await post(inside(), `http://127.0.0.1:${port}/`)).toMatchObject({ status: 429, retryAfterMs: 7000 })
})
