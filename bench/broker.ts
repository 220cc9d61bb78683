import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Aedes } from 'aedes'
import { pino } from 'pino'
import { MqttBroker } from '../gateway/broker/broker.ts'
import { loadConfig } from '../gateway/config.ts'
import { systemClock } from '../gateway/model/clock.ts'

/**
 * What the broker costs above bare aedes: readings of 200 bytes at QoS 1, an intake that resolves at once. Broker
 * and load share two cores, in processes of their own; CPU of the broker's process for each reading is the figure
 * to trust, the rate moves with the noise of the machine.
 *
 *   node bench/broker.ts [connections]
 */
const connections = Number(process.argv[2] ?? 1000)
const SECONDS = 4
const ROUNDS = 3

interface Device {
  socket: Socket
  send: (count: number) => void
}

interface Result {
  rate: number
  /** Microseconds of CPU for each reading. */
  cpu: number
}

if (process.argv[2] === 'broker') await serve(process.argv[3] as 'bare' | 'ours')
else await compare()

async function serve(which: 'bare' | 'ours'): Promise<void> {
  const port = which === 'bare' ? await serveBare() : await serveOurs()
  process.once('SIGTERM', () => process.exit())
  process.on('message', () => process.send!(process.cpuUsage()))
  process.send!(port)
}

async function serveBare(): Promise<number> {
  const aedes = await Aedes.createBroker()
  const server = createServer({ noDelay: true }, (socket) => void aedes.handle(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function serveOurs(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-broker-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const config = loadConfig(undefined, {
    GW_MQTT_PORT: '0',
    GW_WS_PORT: '0',
    GW_MQTT_MESSAGES_PER_SECOND: '1000000',
  })
  const taken = { accepted: 1, duplicates: 0, refused: [] }
  const broker = new MqttBroker({
    config,
    sessionsFile: join(folder, 'sessions.db'),
    intake: { accept: () => Promise.resolve(taken) },
    signIn: {
      password: async (name) => ({ type: 'device', device: name }),
      certificate: () => null,
      bearer: async () => null,
    },
    streetsOf: () => [],
    refuse: async () => undefined,
    onStatus: () => undefined,
    onTeamAction: async () => undefined,
    onCommandResult: () => true,
    clock: systemClock,
    log: pino({ level: 'silent' }),
  })
  await broker.start()
  return broker.ports().mqtt
}

async function compare(): Promise<void> {
  console.log(`${connections} connections, QoS 1, 200 bytes, ${SECONDS} s, median of ${ROUNDS}`)
  for (const inFlight of [1, 10]) {
    const bare: Result[] = []
    const ours: Result[] = []
    // Turn about, so that the machine's moods fall on both.
    for (let round = 0; round < ROUNDS; round++) {
      bare.push(await measure('bare', inFlight))
      ours.push(await measure('ours', inFlight))
    }
    const [a, b] = [median(bare), median(ours)]
    console.log(`${inFlight} in flight`)
    for (const [name, result] of [['bare aedes', a] as const, ['MqttBroker', b] as const]) {
      console.log(`  ${name}  ${Math.round(result.rate)}/s  ${result.cpu.toFixed(1)} µs CPU a reading`)
    }
    console.log(`  ratio: rate ${(b.rate / a.rate).toFixed(2)}, CPU ${(b.cpu / a.cpu).toFixed(2)}`)
  }
}

function median(results: Result[]): Result {
  return results.sort((a, b) => a.cpu - b.cpu)[Math.floor(results.length / 2)]!
}

async function measure(which: 'bare' | 'ours', inFlight: number): Promise<Result> {
  const child = fork(import.meta.filename, ['broker', which])
  const [port] = (await once(child, 'message')) as [number]
  let acknowledged = 0
  const devices = await Promise.all(
    Array.from({ length: connections }, (_, i) => open(port, `fume-${i}`, () => acknowledged++)),
  )
  for (const { send } of devices) send(inFlight)
  const cpu = async () => {
    child.send('cpu')
    const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage]
    return user + system
  }
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const [from, cpuFrom, since] = [acknowledged, await cpu(), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000))
  const count = acknowledged - from
  const result = {
    rate: (count * 1000) / (performance.now() - since),
    cpu: ((await cpu()) - cpuFrom) / count,
  }
  for (const { socket } of devices) socket.destroy()
  const gone = once(child, 'exit')
  child.kill()
  await gone
  return result
}

/** One device: answers every PUBACK with the next reading. */
async function open(port: number, name: string, onAck: () => void): Promise<Device> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const field = (text: string) => [text.length >> 8, text.length & 0xff, ...Buffer.from(text)]
  const hello = [...field('MQTT'), 4, 0b1100_0010, 0, 0, ...field(name), ...field(name), ...field('secret')]
  socket.write(Buffer.from([0x10, hello.length, ...hello]))
  await once(socket, 'data')
  const topic = field(`v1/${name}/readings`)
  const payload = Buffer.from(
    `{"ts":1718000000123,"metrics":{"fume":2.35,"fan":true},"note":"`.padEnd(198, 'x') + '"}',
  )
  const length = topic.length + 2 + payload.length
  const publish = Buffer.from([0x32, (length & 0x7f) | 0x80, length >> 7, ...topic, 0, 1, ...payload])
  const idAt = 3 + topic.length
  let id = 0
  const send = (count: number) => {
    const batch = Buffer.alloc(publish.length * count)
    for (let i = 0; i < count; i++) {
      id = (id % 65_535) + 1
      publish.writeUInt16BE(id, idAt)
      publish.copy(batch, i * publish.length)
    }
    socket.write(batch)
  }
  let partial = 0
  socket.on('data', (chunk: Buffer) => {
    const acks = Math.floor((partial + chunk.length) / 4)
    partial = (partial + chunk.length) % 4
    for (let i = 0; i < acks; i++) onAck()
    if (acks > 0) send(acks)
  })
  return { socket, send }
}
