import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { Aedes } from 'aedes'
import type { Reading, Registration } from './reading.ts'

/**
 * The contract's other side, as far as simulators see it, for their tests: MQTT that acknowledges from memory
 * and remembers what came, and the two registry routes.
 */
export class FakeGateway {
  readonly token = 'a-token-for-tests'
  readonly registered = new Map<string, Registration>()
  readonly secrets = new Map<string, string>()
  readonly readings = new Map<string, Reading[]>()
  readonly statuses: string[] = []
  /** What devices say of commands. */
  readonly results: string[] = []
  /** Payloads on each device's readings topic, byte for byte, in order. */
  readonly payloads = new Map<string, string[]>()
  /** Where its driven clock stands, epoch ms. */
  now = 0
  /** A broker that hangs: it takes readings and says nothing. */
  acknowledges = true
  onReading: ((device: string) => void) | undefined
  readonly #sockets = new Set<Socket>()
  #broker: Aedes | undefined
  #mqtt: Server | undefined
  #http: HttpServer | undefined

  get mqttUrl(): string {
    return `mqtt://127.0.0.1:${(this.#mqtt!.address() as AddressInfo).port}`
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${(this.#http!.address() as AddressInfo).port}`
  }

  async start(mqttPort = 0): Promise<void> {
    const broker = await Aedes.createBroker()
    broker.authenticate = (_client, name, password, done) => {
      done(null, this.secrets.size === 0 || this.secrets.get(name ?? '') === password?.toString())
    }
    // aedes acknowledges QoS 1 once this calls back.
    broker.authorizePublish = (_client, _packet, done) => {
      if (this.acknowledges) done(null)
    }
    broker.on('publish', (packet, client) => {
      if (client === null) return
      const [, device, what] = packet.topic.split('/')
      if (what === 'commands') this.results.push(`${packet.topic} ${packet.payload.toString()}`)
      if (what === 'status') this.statuses.push(`${device} ${packet.payload.toString()}`)
      if (what !== 'readings') return
      this.onReading?.(device!)
      this.payloads.set(device!, [...(this.payloads.get(device!) ?? []), packet.payload.toString()])
      const parsed = readingsIn(packet.payload.toString())
      const readings = this.readings.get(device!) ?? []
      this.readings.set(device!, readings.concat(parsed))
    })
    this.#broker = broker
    this.#mqtt = createServer((socket) => {
      this.#sockets.add(socket)
      broker.handle(socket)
    })
    this.#mqtt.listen(mqttPort, '127.0.0.1')
    await once(this.#mqtt, 'listening')
    this.#http ??= await this.#serveHttp()
  }

  async publish(topic: string, payload: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const packet = { cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false } as const
      this.#broker!.publish(packet, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** As by a kill: every connection is cut and nothing more is acknowledged. */
  async cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
    const closed = this.#mqtt === undefined ? undefined : once(this.#mqtt, 'close')
    this.#mqtt?.close()
    await closed
    this.#mqtt = undefined
    await new Promise<void>((resolve) =>
      this.#broker === undefined ? resolve() : this.#broker.close(resolve),
    )
    this.#broker = undefined
  }

  async stop(): Promise<void> {
    if (this.#mqtt !== undefined) await this.cut()
    this.#http?.closeAllConnections()
    this.#http?.close()
  }

  async #serveHttp(): Promise<HttpServer> {
    const server = createHttpServer((request, response) => {
      void this.#answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = this.#route(
      request.url ?? '',
      request.headers.authorization,
      JSON.parse((await text(request)) || 'null'),
    )
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }

  #route(url: string, authorization: string | undefined, sent: unknown): { status: number; body: unknown } {
    if (url === '/api/v1/ledger') return { status: 200, body: this.#ledger() }
    if (url === '/api/v1/readings') return this.#take(authorization, sent)
    if (authorization !== `Bearer ${this.token}`) return { status: 401, body: { title: 'Unauthorized' } }
    if (url === '/api/v1/clock') return this.#moveTo((sent as { now: number }).now)
    if (url.startsWith('/api/v1/devices?')) return this.#list(new URL(url, 'http://x').searchParams)
    const renewed = /^\/api\/v1\/devices\/([^/]+)\/secret$/.exec(url)?.[1]
    if (renewed !== undefined) return { status: 200, body: { secret: this.#secret(renewed) } }
    const asked = sent === null ? /^\/api\/v1\/devices\/([^/]+)$/.exec(url)?.[1] : undefined
    if (asked !== undefined) return { status: 200, body: this.registered.get(asked) }
    const device = sent as Registration & { secret?: string }
    if (this.registered.has(device.id)) return { status: 409, body: { title: 'Conflict' } }
    this.registered.set(device.id, device)
    return { status: 201, body: { ...device, secret: this.#secret(device.id, device.secret) } }
  }

  #moveTo(now: number): { status: number; body: unknown } {
    if (now < this.now) return { status: 409, body: { title: 'Conflict' } }
    this.now = now
    return { status: 200, body: { now } }
  }

  /** Two a page, however many are asked for. */
  #list(query: URLSearchParams): { status: number; body: unknown } {
    const kind = query.get('kind')
    const all = [...this.registered.values()].filter((device) => kind === null || device.kind === kind)
    const from = Number(query.get('cursor') ?? 0)
    const next = from + 2
    const items = all.slice(from, next).map((device) => ({ ...device, presence: null, last: null }))
    return { status: 200, body: { items, ...(next < all.length && { cursor: String(next) }) } }
  }

  #ledger(): Record<string, number> {
    let received = 0
    for (const readings of this.readings.values()) received += readings.length
    return {
      received,
      accepted: received,
      duplicates: 0,
      quarantined: 0,
      stored: received,
      pending: 0,
      late: 0,
    }
  }

  #take(authorization: string | undefined, sent: unknown): { status: number; body: unknown } {
    for (const { device, ...reading } of sent as (Reading & { device: string })[]) {
      const isAdmin = authorization === `Bearer ${this.token}`
      if (!isAdmin && authorization !== `Bearer ${device}:${this.secrets.get(device)}`)
        return { status: 401, body: {} }
      this.readings.set(device, [...(this.readings.get(device) ?? []), reading])
    }
    return { status: 202, body: {} }
  }

  #secret(device: string, secret = `secret-of-${device}-${this.secrets.size}`): string {
    this.secrets.set(device, secret)
    return secret
  }
}

/** None when they are none. */
function readingsIn(payload: string): Reading | Reading[] {
  try {
    return JSON.parse(payload) as Reading | Reading[]
  } catch {
    return []
  }
}
