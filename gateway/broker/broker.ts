import { setTimeout as delay } from 'node:timers/promises'
import type { AuthenticateError, PublishPacket } from 'aedes'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { durationMs } from '../model/duration.ts'
import type { Health, Part, Retainer } from '../model/pipeline.ts'
import type { Principal, SignIn } from '../model/user.ts'
import { Arrivals, type Receivers } from './arrivals.ts'
import { Connection, type AttachedClient } from './connection.ts'
import { DeliveringAedes } from './delivering-aedes.ts'
import { ErrorReports } from './error-reports.ts'
import {
  FailedSignIns,
  INFLIGHT_QOS2,
  PIPELINED_PACKETS,
  SUBSCRIPTIONS_PER_CLIENT,
  TOPIC_LEVELS,
} from './limits.ts'
import { Listeners, type Caller } from './listeners.ts'
import { ownerOf, Peers, type Peer } from './peers.ts'
import { Presence } from './presence.ts'
import { Sessions } from './sessions.ts'
import { identify, REFUSED, requestOf, type Refused } from './sign-in.ts'
import { mayRead, maySubscribe } from './topic-rights.ts'

export interface BrokerOptions extends Receivers {
  readonly config: Config
  /** The SQLite file of sessions and retained messages. */
  readonly sessionsFile: string
  readonly signIn: SignIn
  streetsOf(team: string): readonly string[]
  /** A device came, went, or said so itself; only when it changes. */
  onStatus(device: string, online: boolean, at: number): void
  readonly clock: Clock
  readonly log: Log
}

type Done = (error?: Error | null) => void

/** The MQTT broker (contract §2): aedes with our sign-in, rights and limits, acknowledging what the intake took. */
export class MqttBroker implements Part, Retainer {
  readonly #options: BrokerOptions
  readonly #log: Log
  readonly #connectTimeout: number
  readonly #drainTimeout: number
  readonly #listeners: Listeners
  readonly #sessions: Sessions
  readonly #peers: Peers
  readonly #arrivals: Arrivals
  readonly #presence: Presence
  readonly #reports: ErrorReports
  readonly #failures = new FailedSignIns()
  readonly #aedes: DeliveringAedes
  readonly #connections = new Set<Connection>()
  #timers: NodeJS.Timeout[] = []
  #state: 'new' | 'running' | 'stopped' = 'new'
  #signedIn = 0
  #failedSignIns = 0

  constructor(options: BrokerOptions) {
    const { config, clock } = options
    this.#options = options
    this.#log = options.log
    this.#connectTimeout = durationMs(config.mqtt.connectTimeout)
    this.#drainTimeout = durationMs(config.mqtt.drainTimeout)
    this.#listeners = new Listeners(config, (caller) => this.#receive(caller), options.log)
    this.#peers = new Peers(
      (team) => options.streetsOf(team),
      config.mqtt.messagesPerSecond,
      config.mqtt.connectionsPerDevice,
    )
    this.#sessions = new Sessions(options.sessionsFile, clock, (client, filter) =>
      holds(client as AttachedClient, filter),
    )
    this.#presence = new Presence(
      (device, online, at) => options.onStatus(device, online, at),
      (topic, payload) => this.#retain(topic, payload),
      clock,
    )
    this.#arrivals = new Arrivals(
      options,
      (device, online) => this.#presence.set(device, online),
      (device, outcome) => this.#reports.report(device, outcome.refused),
      clock,
    )
    this.#reports = new ErrorReports((device, payload) => this.#sendError(device, payload))
    this.#aedes = this.#createAedes()
  }

  async start(): Promise<void> {
    await this.#aedes.listen()
    this.#presence.settle(this.#sessions.retained('v1/+/status'))
    await this.#sendWillsOfLastRun()
    this.#state = 'running'
    await this.#listeners.start()
    this.#timers = [setInterval(() => this.#dropSilent(), 1000), setInterval(() => void this.#tidy(), 60_000)]
  }

  /** Takes no more in, answers what is under way, sends the wills and leaves: within twice the drain time. */
  async stop(): Promise<void> {
    if (this.#state !== 'running') return
    this.#state = 'stopped'
    for (const timer of this.#timers) clearInterval(timer)
    this.#listeners.close()
    for (const connection of this.#connections) connection.stopReading()
    await this.#arrivalsSettled()
    await new Promise<void>((resolve) => this.#aedes.close(resolve))
    this.#listeners.destroy()
    await this.#arrivalsSettled()
    this.#reports.stop()
    await this.#sessions.destroy()
  }

  ports(): { mqtt: number; mqtts?: number; ws: number } {
    return this.#listeners.ports()
  }

  health(): Health {
    const ready = this.#state === 'running'
    return { ready, detail: ready ? `${this.#signedIn} connections` : this.#state }
  }

  /** Connections that are signed in. */
  connections(): number {
    return this.#signedIn
  }

  /** For the metrics; all but `connections` only grow. */
  counters(): {
    connections: number
    refusedConnections: number
    failedSignIns: number
    offlineDropped: number
  } {
    return {
      connections: this.#signedIn,
      refusedConnections: this.#listeners.refused,
      failedSignIns: this.#failedSignIns,
      offlineDropped: this.#sessions.dropped,
    }
  }

  publish(
    topic: string,
    payload: string,
    options: { readonly qos: 0 | 1; readonly retain: boolean },
  ): Promise<void> {
    if (this.#state !== 'running') return Promise.reject(new Error('the MQTT broker is not running'))
    return this.#deliver(topic, payload, options.qos, options.retain)
  }

  *retainedTopics(filter: string): Generator<string> {
    for (const { topic } of this.#sessions.retained(filter)) yield topic
  }

  /**
   * Closes all connections of someone whose secret was replaced. `forget` when he is gone for good: then his
   * sessions go too, and what is retained of a device's status.
   */
  async expel(type: Principal['type'], name: string, forget: boolean): Promise<void> {
    const owner = `${type}/${name}`
    const connections = [...(this.#peers.get(owner)?.connections ?? [])]
    await Promise.all(
      connections.map(async ({ stream }) => {
        const closed = new Promise((resolve) => stream.once('close', resolve))
        stream.destroy()
        await closed
      }),
    )
    if (!forget) return
    await this.#sessions.forget(owner)
    if (type === 'device') await this.#deliver(`v1/${name}/status`, '', 1, true)
  }

  /** Closes the connections that signed in by a token which opens nothing any more. */
  endGrant(token: string): void {
    for (const { grant, stream } of this.#connections) if (grant?.token === token) stream.destroy()
  }

  #createAedes(): DeliveringAedes {
    const aedes = new DeliveringAedes({
      persistence: this.#sessions,
      connectTimeout: this.#connectTimeout,
      drainTimeout: this.#drainTimeout,
      queueLimit: PIPELINED_PACKETS,
      maxInflightInbound: INFLIGHT_QOS2,
      maxTopicLevels: TOPIC_LEVELS,
      preConnect: (client: AttachedClient, packet, done) => {
        client.connection!.request = requestOf(packet)
        // Until sign-in has succeeded the client goes by a random id: aedes touches what is stored under it even
        // when sign-in fails. Keepalive is ours (Connection.isSilent).
        packet.clientId = ''
        packet.keepalive = 0
        done(null, true)
      },
      authenticate: (client: AttachedClient, username, password, done) => {
        void this.#authenticate(client.connection!, username, password, done)
      },
      authorizePublish: (client, packet, done) => this.#authorizePublish(client, packet, done),
      authorizeSubscribe: (client: AttachedClient, subscription, done) => {
        done(null, this.#grant(client.connection!, subscription.topic) ? subscription : null)
      },
      authorizeForward: (client: AttachedClient, packet) => {
        const peer = client.connection?.peer
        return peer != null && mayRead(peer.rights, packet.topic) ? packet : null
      },
    })
    aedes.on('connackSent', (_, client: AttachedClient) => {
      client.connection!.isOpen = true
    })
    aedes.on('unsubscribe', (filters, client: AttachedClient) => {
      for (const filter of filters) client.connection?.filters.delete(filter)
    })
    const closed = (client: AttachedClient, error: Error) => {
      const { address, session } = client.connection ?? {}
      this.#log.debug({ address, session, reason: error.message }, 'MQTT connection closed')
    }
    aedes.on('clientError', closed)
    aedes.on('connectionError', closed)
    // Not in aedes' types: what it could not store.
    ;(aedes as NodeJS.EventEmitter).on('error', (error) => this.#log.error({ err: error }, 'MQTT broker'))
    return aedes
  }

  #receive(caller: Caller): void {
    const { maxPacketBytes } = this.#options.config.mqtt
    const connection = new Connection(
      caller.stream,
      caller.address,
      caller.certificate,
      maxPacketBytes,
      (from, publishes) => this.#arrivals.publishes(from, from.peer!.name, publishes),
      this.#drainTimeout,
    )
    connection.guard()
    this.#connections.add(connection)
    const { stream } = connection
    const late = setTimeout(() => {
      if (connection.peer === null) stream.destroy(new Error('did not sign in in time'))
    }, this.#connectTimeout)
    stream.once('close', () => {
      clearTimeout(late)
      this.#leave(connection)
    })
    const client: AttachedClient = this.#aedes.handle(stream)
    client.connection = connection
    connection.client = client
  }

  #leave(connection: Connection): void {
    this.#connections.delete(connection)
    const { peer } = connection
    if (peer === null) return
    this.#signedIn--
    if (this.#peers.leave(connection) && peer.principal.type === 'device') {
      this.#presence.set(peer.principal.device, false)
    }
  }

  async #authenticate(
    connection: Connection,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): Promise<void> {
    let verdict: Refused | null
    try {
      verdict = await this.#signIn(connection, username, password)
    } catch (error) {
      this.#log.error({ err: error }, 'sign-in failed')
      verdict = REFUSED.unavailable
    }
    if (verdict === null) {
      done(null, true)
      return
    }
    if (verdict === REFUSED.credentials) {
      this.#failedSignIns++
      await delay(this.#failures.record(connection.address, performance.now()))
    }
    done(Object.assign(new Error('sign-in refused'), { returnCode: verdict }), null)
  }

  async #signIn(connection: Connection, username?: string, password?: Buffer): Promise<Refused | null> {
    const { client, request, stream } = connection
    const principal = await identify(connection, request!, username, password, this.#options.signIn)
    if (typeof principal === 'number') return principal
    if (stream.destroyed || this.#state !== 'running') return REFUSED.unavailable
    const session = `${ownerOf(principal)}/${request!.clientId === '' ? client!.id : request!.clientId}`
    // A grant is the connection's, not the peer's.
    const plain: Principal = principal.type === 'user' ? { type: 'user', user: principal.user } : principal
    const joined = this.#peers.join(connection, session, plain)
    if (joined === null) return REFUSED.unavailable
    if (principal.type === 'user') connection.grant = principal.grant ?? null
    this.#signedIn++
    client!.id = session
    if (joined.leaves !== null) await new Promise<void>((resolve) => joined.leaves!.client!.close(resolve))
    const { rights } = connection.peer!
    await this.#sessions.attend(session, request!.clean, (filter) => maySubscribe(rights, filter))
    if (principal.type === 'device') this.#presence.set(principal.device, true)
    return null
  }

  #authorizePublish(client: AttachedClient | null, packet: PublishPacket, done: Done): void {
    const connection = client?.connection
    const peer = connection?.peer
    // aedes handles packets that follow a CONNECT in a chunk of their own before it has asked who that was.
    if (connection === undefined || peer == null) {
      done(new Error('not signed in'))
      return
    }
    const payload = packet.payload as Buffer
    // aedes keeps a QoS 2 message until its PUBREL. All that matters then is its number: half a megabyte need not wait.
    if (packet.qos === 2) packet.payload = ''
    if (packet.topic === peer.readingsTopic) {
      this.#arrivals.readings(connection, peer.name, payload, done)
      return
    }
    // A redelivery of what has been taken; readings are safe to take twice.
    const redelivered = packet.qos === 2 && this.#sessions.holdsIncoming(client!.id, packet.messageId!)
    if (redelivered || (client!.closed && this.#isStaleWill(connection, peer, packet.topic))) done(null)
    else this.#arrivals.other(connection, principalOf(connection, peer), packet.topic, payload, done)
  }

  /** The last word of a connection that another of the same device has outlived is not the device's. */
  #isStaleWill(connection: Connection, peer: Peer, topic: string): boolean {
    if (topic !== `v1/${peer.name}/status`) return false
    return [...(this.#peers.get(peer.owner)?.connections ?? [])].some((other) => other !== connection)
  }

  #grant(connection: Connection, filter: string): boolean {
    const { peer, filters } = connection
    if (peer === null || !maySubscribe(peer.rights, filter)) return false
    if (filters.size >= SUBSCRIPTIONS_PER_CLIENT && !filters.has(filter)) return false
    filters.add(filter)
    return true
  }

  #sendError(device: string, payload: string): void {
    const peer = this.#peers.get(`device/${device}`)
    const topic = `v1/${device}/errors`
    const heard = [...(peer?.connections ?? [])].some(({ filters }) =>
      [...filters].some((filter) => filter.startsWith(topic)),
    )
    if (!heard) return
    this.#deliver(topic, payload, 0, false).catch((error: unknown) => {
      this.#log.warn({ err: error, topic }, 'not told')
    })
  }

  #retain(topic: string, payload: string): void {
    this.#deliver(topic, payload, 1, true).catch((error: unknown) => {
      this.#log.warn({ err: error, topic }, 'not retained')
    })
  }

  /** Whoever is connected gets it at once; the promise waits until what is retained or queued is on file. */
  async #deliver(topic: string, payload: string, qos: 0 | 1, retain: boolean): Promise<void> {
    const delivered = new Promise<void>((resolve, reject) => {
      const packet = {
        cmd: 'publish',
        topic,
        payload: Buffer.from(payload),
        qos,
        retain,
        dup: false,
      } as const
      this.#aedes.publish(packet, (error) => (error ? reject(error) : resolve()))
    })
    // Asked at once: by the time it is delivered, the transaction that retained it may have failed and gone.
    await Promise.all([delivered, this.#sessions.settled()])
    await this.#sessions.settled()
  }

  /** After a crash: the wills of those who were here are still to be sent. */
  async #sendWillsOfLastRun(): Promise<void> {
    for (const will of this.#sessions.wills()) {
      const [type, device = ''] = will.clientId.split('/')
      try {
        if (type === 'device')
          await this.#arrivals.take({ type, device }, will.topic, Buffer.from(will.payload))
        await this.#sessions.delWill({ id: will.clientId })
      } catch (error) {
        this.#log.warn({ err: error, session: will.clientId }, 'will of the last run not sent')
      }
    }
  }

  #dropSilent(): void {
    const now = performance.now()
    for (const connection of this.#connections) {
      if (connection.peer !== null && connection.isSilent(now)) {
        connection.stream.destroy(new Error('keepalive timeout'))
      }
    }
  }

  async #tidy(): Promise<void> {
    const present: string[] = []
    for (const { session } of this.#connections) if (session !== '') present.push(session)
    try {
      await this.#sessions.tidy(present)
    } catch (error) {
      this.#log.error({ err: error }, 'sessions not tidied')
    }
  }

  async #arrivalsSettled(): Promise<void> {
    const until = performance.now() + this.#drainTimeout
    while (this.#arrivals.pending > 0 && performance.now() < until) await delay(5)
    // aedes answers in a turn of its own.
    await delay(5)
  }
}

/** aedes stores all filters of a SUBSCRIBE, the refused ones too: so the store asks what was granted. */
function holds(client: AttachedClient, filter: string): boolean {
  return client.connection?.filters.has(filter) === true
}

/** The peer as it came in by this connection. */
function principalOf({ grant }: Connection, { principal }: Peer): Principal {
  return principal.type === 'user' && grant !== null ? { ...principal, grant } : principal
}
