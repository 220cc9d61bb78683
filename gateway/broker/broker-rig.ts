import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import { pino } from 'pino'
import { loadConfig, type Config } from '../config.ts'
import { systemClock } from '../model/clock.ts'
import type { Message, Outcome } from '../model/pipeline.ts'
import type { Grant, Principal, Role } from '../model/user.ts'
import { MqttBroker } from './broker.ts'

/** A broker on free ports with doubles of its neighbours, for the tests beside it. */
export class BrokerRig {
  readonly folder = mkdtempSync(join(tmpdir(), 'broker-'))
  readonly config: Config
  broker!: MqttBroker
  /** What reached the intake, and how it answers; replace `answer` to hold or refuse. */
  readonly accepted: Message[] = []
  answer: (message: Message) => Promise<Outcome> = () =>
    Promise.resolve({ accepted: 1, duplicates: 0, refused: [] })
  readonly refused: { device: string; code: string; raw: string }[] = []
  readonly statuses: string[] = []
  readonly actions: string[] = []
  readonly results: string[] = []
  readonly signIns: string[] = []
  /** Users by name; every other name of a sign-in is a device. The secret of all is `secret`. */
  readonly users = new Map<string, { role: Role; street: string | null; team: string | null }>()
  /** Tokens that stand for the secret. */
  readonly grants = new Map<string, Grant>()
  readonly streets = new Map<string, string[]>()
  readonly #clients: MqttClient[] = []
  readonly #heard = new Map<MqttClient, string[]>()
  readonly #sockets: Socket[] = []

  constructor(mqtt: Partial<Config['mqtt']> = {}) {
    const config = loadConfig(undefined, {})
    this.config = { ...config, mqtt: { ...config.mqtt, port: 0, ...mqtt }, ws: { port: 0 } }
  }

  async start(): Promise<this> {
    this.broker = new MqttBroker({
      config: this.config,
      sessionsFile: join(this.folder, 'sessions.db'),
      intake: {
        accept: (message) => {
          this.accepted.push(message)
          return this.answer(message)
        },
      },
      signIn: {
        password: async (name, secret) => {
          this.signIns.push(name)
          const text = Buffer.from(secret).toString()
          if (text === 'expired') return 'expired'
          const grant = this.grants.get(text)
          const principal = this.principal(name)
          if (grant !== undefined && principal.type === 'user') return { ...principal, grant }
          return text === 'secret' ? principal : null
        },
        certificate: (name) => this.principal(name),
        bearer: async () => null,
      },
      streetsOf: (team) => this.streets.get(team) ?? [],
      refuse: async ({ device, code, raw }) => {
        this.refused.push({ device: device ?? '', code, raw: Buffer.from(raw).toString() })
      },
      onStatus: (device, online) => this.statuses.push(`${device} ${online ? 'online' : 'offline'}`),
      onTeamAction: async (user, payload) => {
        this.actions.push(`${user.name} ${Buffer.from(payload).toString()}`)
      },
      onCommandResult: (device, command, payload) => {
        this.results.push(`${device} ${command} ${Buffer.from(payload).toString()}`)
        return command !== 'unsent'
      },
      clock: systemClock,
      log: pino({ level: 'silent' }),
    })
    await this.broker.start()
    return this
  }

  principal(name: string): Principal {
    const user = this.users.get(name)
    return user === undefined ? { type: 'device', device: name } : { type: 'user', user: { name, ...user } }
  }

  /** The same files, another process. */
  async restart(): Promise<void> {
    await this.broker.stop()
    await this.start()
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.end(true)
    for (const socket of this.#sockets) socket.destroy()
    await this.broker.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async connect(name: string, options: IClientOptions = {}, url?: string): Promise<MqttClient> {
    const client = connect(url ?? `mqtt://127.0.0.1:${this.broker.ports().mqtt}`, {
      username: name,
      password: 'secret',
      reconnectPeriod: 0,
      connectTimeout: 5000,
      ...options,
    })
    const messages: string[] = []
    client.on('message', (topic, payload, packet) => {
      messages.push(`${packet.retain ? 'retained ' : ''}${topic} ${payload.toString()}`)
    })
    this.#heard.set(client, messages)
    this.#clients.push(client)
    await new Promise((resolve, reject) => {
      client.once('connect', resolve)
      client.once('close', () => reject(new Error('closed before CONNACK')))
      client.once('error', reject)
    })
    // A connection that the broker ends is what many tests are about.
    client.on('error', () => undefined)
    return client
  }

  /** What the client has been sent since it connected. */
  heard(client: MqttClient): string[] {
    return this.#heard.get(client)!
  }

  /** CONNACK return code of a sign-in that is refused. */
  async refusal(name: string, options: IClientOptions = {}, url?: string): Promise<number | string> {
    try {
      await this.connect(name, options, url)
      return 'connected'
    } catch (error) {
      const { code, message } = error as { code?: number | string; message: string }
      return code ?? message
    }
  }

  /** A bare socket, for what no library would send. */
  async socket(...bytes: (readonly number[] | Buffer)[]): Promise<Socket> {
    const socket = connectTcp(this.broker.ports().mqtt, '127.0.0.1')
    this.#sockets.push(socket)
    socket.on('error', () => undefined)
    socket.resume()
    await once(socket, 'connect')
    for (const chunk of bytes) socket.write(Buffer.from(chunk))
    return socket
  }
}

const text = (value: string) => {
  const bytes = Buffer.from(value)
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes]
}

/** A CONNECT of MQTT 3.1.1, clean, as bytes. */
export function connectBytes(name: string, clientId = 'raw', keepalive = 60): Buffer {
  const rest = [...text('MQTT'), 4, 0b1100_0010, keepalive >> 8, keepalive & 0xff]
  rest.push(...text(clientId), ...text(name), ...text('secret'))
  return Buffer.from([0x10, rest.length, ...rest])
}

/** A PUBLISH at QoS 1, unless its first byte says otherwise. */
export function publishBytes(topic: string, payload: string, messageId = 1, first = 0x32): Buffer {
  const rest = [...text(topic), messageId >> 8, messageId & 0xff, ...Buffer.from(payload)]
  const length = rest.length < 128 ? [rest.length] : [(rest.length & 0x7f) | 0x80, rest.length >> 7]
  return Buffer.from([first, ...length, ...rest])
}

/** Resolves when the condition holds; fails after five seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > limit) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export function closed(socket: Socket | MqttClient): Promise<void> {
  return new Promise((resolve) => (socket as NodeJS.EventEmitter).once('close', resolve))
}
