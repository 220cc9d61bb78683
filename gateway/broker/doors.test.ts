import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Config } from '../config.ts'
import { BrokerRig, closed, connectBytes, publishBytes, until } from './broker-rig.ts'

const run = promisify(execFile)
const reading = '{"metrics":{"fume":1.5}}'
let rig: BrokerRig
afterEach(() => rig.stop())

describe('TLS', () => {
  let folder: string
  const file = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  const authority = (name: string) =>
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    )
  const certificate = (name: string, subject: string, by: string) => {
    writeFileSync(file(`${name}.ext`), 'subjectAltName=IP:127.0.0.1')
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      subject,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    )
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${by}.pem`,
      '-CAkey',
      `${by}.key`,
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    )
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'broker-tls-'))
    authority('ours')
    authority('theirs')
    certificate('server', '/CN=gateway', 'ours')
    certificate('drone-1', '/CN=drone-1', 'ours')
    certificate('stranger', '/CN=drone-1', 'theirs')
    certificate('climber', '/CN=..', 'ours')
    certificate('twofold', '/CN=drone-1/CN=drone-2', 'ours')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const secure = async (more: Partial<Config['mqtt']> = {}) =>
    new BrokerRig({
      ...more,
      tls: { port: 0, cert: file('server.pem'), key: file('server.key'), ca: file('ours.pem') },
    }).start()
  const client = (name: string) => ({
    ca: readFileSync(file('ours.pem')),
    cert: readFileSync(file(`${name}.pem`)),
    key: readFileSync(file(`${name}.key`)),
  })
  const url = () => `mqtts://127.0.0.1:${rig.broker.ports().mqtts}`

  test('a client certificate of our authority signs in as the device of its common name', async () => {
    rig = await secure()
    const { password: _, ...options } = { password: '', ...client('drone-1') }
    const device = await rig.connect('drone-1', { ...options, password: undefined as never }, url())
    await device.publishAsync('v1/drone-1/readings', reading, { qos: 1 })
    expect(rig.accepted).toMatchObject([{ device: 'drone-1' }])
    expect(rig.signIns).toEqual([])
  })

  test.each([
    ['of another device', 'drone-1', 'drone-2'],
    ['of another authority', 'stranger', 'drone-1'],
    ['with a name that is no id', 'climber', '..'],
    ['with two names', 'twofold', 'drone-1'],
  ])('a certificate %s does not sign in', async (_, certificate, name) => {
    rig = await secure()
    const attempt = rig.connect(name, { ...client(certificate), password: undefined as never }, url())
    await expect(attempt).rejects.toMatchObject({ code: 4 })
  })

  test.each([
    ['never begins', []],
    ['never ends', [0x16, 3, 1, 0, 0x80, 1, 0]],
  ])('a handshake that %s is closed at the connect timeout', async (_, bytes) => {
    rig = await secure({ connectTimeout: '200ms' })
    const socket = connectTcp(rig.broker.ports().mqtts!, '127.0.0.1')
    socket.on('error', () => undefined).resume()
    socket.write(Buffer.from(bytes))
    await closed(socket)
  })

  test('a password signs in over TLS without a certificate', async () => {
    rig = await secure()
    const device = await rig.connect('fume-1', { ca: readFileSync(file('ours.pem')) }, url())
    await device.publishAsync('v1/fume-1/readings', reading, { qos: 1 })
    expect(rig.accepted).toHaveLength(1)
  })
})

describe('WebSocket', () => {
  test.each([
    ['offers no MQTT', ''],
    ['speaks no WebSocket', 'Sec-WebSocket-Protocol: mqtt\r\n'],
  ])('an upgrade that %s is let go of, and its reset harms nobody', async (_, header) => {
    rig = await new BrokerRig().start()
    const request = `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${header}\r\n`
    const ask = () => {
      // Half open: it never says that it has ended.
      const socket = connectTcp({ port: rig.broker.ports().ws, host: '127.0.0.1', allowHalfOpen: true })
      socket.on('error', () => undefined).write(request)
      return socket
    }
    const resetting = ask()
    await once(resetting, 'readable')
    resetting.resetAndDestroy()
    const lingering = ask()
    await once(lingering.resume(), 'end')
    // The server has closed its side altogether: what still comes is answered by a reset.
    const gone = closed(lingering)
    const nagging = setInterval(() => lingering.write('more'), 20)
    await gone
    clearInterval(nagging)
    expect(await rig.refusal('fume-1', {}, `ws://127.0.0.1:${rig.broker.ports().ws}`)).toBe('connected')
  })

  test('the same broker, by subprotocol mqtt', async () => {
    rig = await new BrokerRig().start()
    const device = await rig.connect('fume-1', {}, `ws://127.0.0.1:${rig.broker.ports().ws}/mqtt`)
    await device.publishAsync('v1/fume-1/readings', reading, { qos: 1 })
    await device.subscribeAsync('v1/fume-1/commands')
    await rig.broker.publish('v1/fume-1/commands', 'go', { qos: 1, retain: false })
    await until(() => rig.heard(device).length === 1, 'the command')
    const gone = closed(device)
    device.publish('v1/fume-2/readings', reading)
    await gone
    expect(rig.accepted).toHaveLength(1)
  })

  test('other protocols, text frames and plain requests are turned away', async () => {
    rig = await new BrokerRig().start()
    const at = `127.0.0.1:${rig.broker.ports().ws}`
    const chat = new WebSocket(`ws://${at}`, 'chat')
    const [error] = (await once(chat, 'error')) as [Error]
    expect(error.message).toContain('400')
    const text = new WebSocket(`ws://${at}`, 'mqtt')
    await once(text, 'open')
    text.send('hello')
    await once(text, 'close')
    expect((await fetch(`http://${at}/`)).status).toBe(426)
  })

  test('a frame longer than any packet closes the connection', async () => {
    rig = await new BrokerRig({ maxPacketBytes: 1024 }).start()
    const socket = new WebSocket(`ws://127.0.0.1:${rig.broker.ports().ws}`, 'mqtt')
    socket.on('error', () => undefined)
    await once(socket, 'open')
    socket.send(Buffer.alloc(200_000, 0x10))
    await once(socket, 'close')
  })
})

describe('mosquitto', () => {
  const arguments_ = (name: string) => [
    '-h',
    '127.0.0.1',
    '-p',
    String(rig.broker.ports().mqtt),
    '-u',
    name,
    '-P',
    'secret',
  ]

  test.each([['0'], ['1'], ['2']])('mosquitto_pub -q %s', async (qos) => {
    rig = await new BrokerRig().start()
    await run('mosquitto_pub', [
      ...arguments_('fume-1'),
      '-q',
      qos,
      '-t',
      'v1/fume-1/readings',
      '-m',
      reading,
    ])
    await until(() => rig.accepted.length === 1, 'the reading')
  })

  test('mosquitto_sub gets the retained order', async () => {
    rig = await new BrokerRig().start()
    rig.users.set('crew', { role: 'team', street: null, team: 't1' })
    await rig.broker.publish('dispatch/t1/orders/c1', 'open', { qos: 1, retain: true })
    const { stdout } = await run('mosquitto_sub', [
      ...arguments_('crew'),
      '-q',
      '1',
      '-t',
      'dispatch/t1/#',
      '-C',
      '1',
      '-W',
      '5',
    ])
    expect(stdout).toBe('open\n')
  })

  test('a wrong password is said so', async () => {
    rig = await new BrokerRig().start()
    const wrong = [...arguments_('fume-1').slice(0, -1), 'wrong', '-t', 'v1/fume-1/readings', '-m', reading]
    await expect(run('mosquitto_pub', wrong)).rejects.toMatchObject({
      stderr: expect.stringMatching(/bad user name or password/i),
    })
  })

  test('MQTT 5 is told that its version is not spoken', async () => {
    rig = await new BrokerRig().start()
    const five = [...arguments_('fume-1'), '-V', '5', '-t', 'v1/fume-1/readings', '-m', reading]
    await expect(run('mosquitto_pub', five)).rejects.toThrow()
    expect(rig.accepted).toEqual([])
  })
})

describe('what does not behave', () => {
  test('a 268 MB packet is refused as soon as its header gives its length', async () => {
    rig = await new BrokerRig().start()
    const socket = await rig.socket(connectBytes('fume-1'))
    await until(() => rig.broker.connections() === 1, 'sign-in')
    const gone = closed(socket)
    socket.write(Buffer.from([0x32, 0xff, 0xff, 0xff, 0x7f]))
    await gone
  })

  test.each([
    ['says nothing', Buffer.alloc(0)],
    ['stops in the middle of its CONNECT', connectBytes('fume-1').subarray(0, 9)],
  ])('a connection that %s is closed at the connect timeout', async (_, bytes) => {
    rig = await new BrokerRig({ connectTimeout: '200ms' }).start()
    const tcp = await rig.socket(bytes)
    await closed(tcp)
    const http = connectTcp(rig.broker.ports().ws, '127.0.0.1')
    http.on('error', () => undefined).resume()
    await closed(http)
  })

  test('a packet in many pieces is one packet', async () => {
    rig = await new BrokerRig().start()
    const bytes = Buffer.concat([
      connectBytes('fume-1'),
      publishBytes('v1/fume-1/readings', reading.padEnd(4000)),
    ])
    const bit = await rig.socket()
    for (const byte of bytes.subarray(0, 100)) bit.write(Buffer.of(byte))
    bit.write(bytes.subarray(100))
    await until(() => rig.accepted.length === 1, 'the reading')
    const device = await rig.connect('fume-2')
    await device.publishAsync('v1/fume-2/readings', '1'.repeat(500_000), { qos: 1 })
    expect((rig.accepted[1]!.payload as Buffer).length).toBe(500_000)
  })

  test('a connection silent for one and a half times its keepalive is closed; a slow disk is not silence', async () => {
    rig = await new BrokerRig().start()
    rig.answer = () => new Promise(() => undefined)
    await rig.socket(connectBytes('fume-1', 'raw', 1), publishBytes('v1/fume-1/readings', reading))
    await until(() => rig.accepted.length === 1, 'the reading')
    await closed(await rig.socket(connectBytes('fume-2', 'raw', 1)))
    await until(() => rig.statuses.includes('fume-2 offline'), 'the silent one is dropped')
    expect(rig.statuses).not.toContain('fume-1 offline')
  })

  test('a frozen subscriber is dropped and holds up nobody', async () => {
    rig = await new BrokerRig({ drainTimeout: '500ms' }).start()
    for (const name of ['frozen', 'awake'])
      rig.users.set(name, { role: 'district', street: null, team: null })
    const frozen = await rig.connect('frozen')
    const awake = await rig.connect('awake')
    await frozen.subscribeAsync('alarms/#', { qos: 0 })
    await awake.subscribeAsync('alarms/#', { qos: 0 })
    // Reads no more: what the kernel cannot hold stays with the broker.
    frozen.stream.pause()
    ;(frozen.stream as unknown as { _handle: { readStop(): void } })._handle.readStop()
    const payload = 'x'.repeat(100_000)
    // In step with the one that reads: client and broker share a thread here.
    for (let sent = 10; sent <= 200; sent += 10) {
      for (let i = 0; i < 10; i++) {
        await rig.broker.publish('alarms/xuetian/fume-1', payload, { qos: 0, retain: false })
      }
      await until(() => rig.heard(awake).length === sent, 'the other hears everything')
    }
    await until(() => rig.broker.connections() === 1, 'the frozen one is dropped')
    expect(awake.connected).toBe(true)
  })

  test('over its rate a device waits, and loses nothing', async () => {
    rig = await new BrokerRig({ messagesPerSecond: 50 }).start()
    const device = await rig.connect('fume-1')
    const started = performance.now()
    for (let burst = 0; burst < 3; burst++) {
      await Promise.all(
        Array.from({ length: 50 }, () => device.publishAsync('v1/fume-1/readings', reading, { qos: 1 })),
      )
    }
    expect(rig.accepted).toHaveLength(150)
    expect(performance.now() - started).toBeGreaterThan(900)
  })

  test('a device has so many connections; the newcomer is refused while all are alive', async () => {
    rig = await new BrokerRig({ connectionsPerDevice: 2 }).start()
    await rig.connect('fume-1', { clientId: 'a' })
    await rig.connect('fume-1', { clientId: 'b' })
    expect(await rig.refusal('fume-1', { clientId: 'c' })).toBe(3)
    expect(await rig.refusal('fume-1', { clientId: 'a' })).toBe('connected')
    expect(await rig.refusal('fume-2', { clientId: 'c' })).toBe('connected')
  })

  test('over the total, connections are let go at once; one that leaves makes room', async () => {
    rig = await new BrokerRig({ maxConnections: 2 }).start()
    const first = await rig.connect('fume-1')
    await rig.connect('fume-2')
    const third = await rig.socket()
    await closed(third)
    await first.endAsync()
    await until(() => rig.broker.connections() === 1, 'it has left')
    expect(await rig.refusal('fume-3')).toBe('connected')
    expect(rig.broker.counters().refusedConnections).toBe(1)
  })

  test('whoever guesses secrets waits; a device beside it does not', async () => {
    rig = await new BrokerRig().start()
    const guesses = Array.from({ length: 60 }, () => rig.refusal('fume-1', { password: 'guess' }))
    await until(() => rig.broker.counters().failedSignIns === 60, 'the guesses are refused')
    expect(await rig.refusal('fume-1')).toBe('connected')
    expect(new Set(await Promise.all(guesses))).toEqual(new Set([4]))
  })

  test('a thousand devices at once', async () => {
    rig = await new BrokerRig().start()
    const sockets = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => rig.socket(connectBytes(`fume-${i}`))),
    )
    await until(() => rig.broker.connections() === 1000, 'all are signed in')
    for (const socket of sockets) socket.destroy()
    await until(() => rig.broker.connections() === 0 && rig.statuses.length === 2000, 'all have left')
  })
})
