import { setTimeout as wait } from 'node:timers/promises'
import {
  AttributeIds,
  DataChangeFilter,
  DataChangeTrigger,
  DataType,
  makeBrowsePath,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  setErrorLogger,
  setWarningLogger,
  StatusCodes,
  TimestampsToReturn,
  UserTokenType,
  type ClientSession,
  type ClientSubscription,
  type DataValue,
  type StatusCode,
  type UserIdentityInfo,
} from 'node-opcua-client'
import type { Health } from '../../gateway/model/pipeline.ts'
import type { Sample } from './codec.ts'
import type { Pki } from './pki.ts'
import { engineeringOf, NODES_AT_ONCE } from './engineering.ts'
import type { Engineering } from './units.ts'

/** Where to connect, and how; devices with the same share one connection. */
export interface Endpoint {
  readonly url: string
  readonly securityMode: 'None' | 'Sign' | 'SignAndEncrypt'
  readonly securityPolicy: string
  readonly username?: string | undefined
  readonly password?: string | undefined
}

interface Node {
  readonly watched: Watched
  readonly nodeId: string
  readonly range: Engineering['range']
}

/** A variable to watch. */
export interface Watched {
  readonly device: string
  readonly metric: string
  /** Node id or browse path. */
  readonly node: string
}

export interface LinkListener {
  /** Null, or why the variable must not be taken for this metric. */
  check(watched: Watched, engineering: Engineering): string | null
  /** Values that came together, by device. */
  onSamples(device: string, samples: readonly Sample[]): void
  /** A variable cannot be read, or must not be. Said once for each connection. */
  onProblem(watched: Watched, problem: string): void
  /** The values stopped coming, after they had come. */
  onLost(reason: string): void
}

interface Log {
  info(bindings: object, message: string): void
  warn(bindings: object, message: string): void
  debug(bindings: object, message: string): void
}

/** The server says what changed this often, ms, and is asked to look as often. */
const PUBLISHING_INTERVAL = 500
/** Values of one variable that the server is to keep between two publications. */
const QUEUE_SIZE = 100
/** Publications that may stay away before the server must say that it is there: 5 s. */
const KEEPALIVE_COUNT = 10
/** And before it forgets the subscription. */
const LIFETIME_COUNT = 60
/** A server that does not answer for this long is lost, ms. */
const ANSWER_TIMEOUT = 5000
/** Pause before the next attempt, ms: values are to come again within 15 s of a server's return. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 5000

/**
 * A value that has not changed is a measurement too: without it a steady river would look like a dead station. Not
 * every server knows this filter; the others tell changes only.
 */
const EVERY_SAMPLE = new DataChangeFilter({ trigger: DataChangeTrigger.StatusValueTimestamp })
const FILTER_REFUSED: ReadonlySet<StatusCode> = new Set([
  StatusCodes.BadFilterNotAllowed,
  StatusCodes.BadMonitoredItemFilterInvalid,
  StatusCodes.BadMonitoredItemFilterUnsupported,
])

/**
 * One connection to a server: session, subscription, and the way back when it is lost. Each connection begins anew,
 * with node ids and units read again, for the server that comes back may be another version of itself.
 */
export class Link {
  readonly #endpoint: Endpoint
  readonly #watched: readonly Watched[]
  readonly #pki: Pki
  readonly #listener: LinkListener
  readonly #log: Log
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #state: Health = { ready: false, detail: 'connecting' }

  constructor(endpoint: Endpoint, watched: readonly Watched[], pki: Pki, listener: LinkListener, log: Log) {
    this.#endpoint = endpoint
    this.#watched = watched
    this.#pki = pki
    this.#listener = listener
    this.#log = log
  }

  start(): void {
    for (const set of [setWarningLogger, setErrorLogger])
      set((...words: unknown[]) => this.#log.debug({ words }, 'node-opcua'))
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  health(): Health {
    return { ready: this.#state.ready, detail: `${this.#endpoint.url}: ${this.#state.detail}` }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted) {
      let wasReady = false
      let reason: string
      try {
        reason = await this.#live(() => {
          wasReady = true
          failures = 0
        })
      } catch (error) {
        reason = (error as Error).message
      }
      if (signal.aborted) return
      if (wasReady) this.#listener.onLost(reason)
      if (wasReady || failures === 0)
        this.#log.warn({ endpoint: this.#endpoint.url, reason }, 'no OPC UA connection')
      this.#state = { ready: false, detail: `not connected: ${reason}` }
      const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures++, 8))
      // A stop ends it early.
      await wait(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
    }
  }

  /** The life of one connection; resolves with why it ended. */
  async #live(onReady: () => void): Promise<string> {
    const { url, securityMode, username } = this.#endpoint
    const isSecure = securityMode !== 'None'
    const certificate = isSecure ? await this.#trustedCertificate() : undefined
    const client = this.#client(isSecure, certificate)
    const over = new AbortController()
    try {
      await this.#inTime(client.connect(url), 'connecting')
      const session = await this.#inTime(client.createSession(this.#identity()), 'signing in')
      const lost = this.#loss(client, session, over.signal)
      const count = await this.#inTime(this.#subscribe(session, lost.end), 'subscribing', 30_000)
      onReady()
      const as = username === undefined ? '' : ` as ${username}`
      this.#state = { ready: true, detail: `connected${as}, ${count} of ${this.#watched.length} nodes` }
      this.#log.info({ endpoint: url, nodes: count }, 'connected to an OPC UA server')
      return await lost.reason
    } finally {
      over.abort()
      await this.#close(client)
    }
  }

  #client(isSecure: boolean, serverCertificate?: Buffer): OPCUAClient {
    const { securityMode, securityPolicy } = this.#endpoint
    return OPCUAClient.create({
      applicationName: 'Gridwhistle',
      clientName: 'gridwhistle',
      applicationUri: this.#pki.applicationUri,
      clientCertificateManager: this.#pki.manager,
      ...(isSecure && {
        certificateFile: this.#pki.certificateFile,
        privateKeyFile: this.#pki.privateKeyFile,
        securityMode: MessageSecurityMode[securityMode],
        securityPolicy: SecurityPolicy[securityPolicy as keyof typeof SecurityPolicy],
      }),
      // Given, so that the client asks nobody where to connect: the address is the one that was registered.
      ...(serverCertificate !== undefined && { serverCertificate }),
      endpointMustExist: false,
      connectionStrategy: { maxRetry: 0, initialDelay: 100, maxDelay: 100 },
      transportTimeout: ANSWER_TIMEOUT,
      defaultTransactionTimeout: ANSWER_TIMEOUT,
      requestedSessionTimeout: 60_000,
      keepSessionAlive: true,
      keepAliveInterval: ANSWER_TIMEOUT,
    })
  }

  /** Of the server's endpoint with the mode and policy that are bound; rejects when it is not to be trusted. */
  async #trustedCertificate(): Promise<Buffer> {
    const { url, securityMode, securityPolicy } = this.#endpoint
    const client = this.#client(false)
    try {
      await this.#inTime(client.connect(url), 'connecting')
      const endpoints = await this.#inTime(client.getEndpoints({ endpointUrl: url }), 'asking for endpoints')
      const found = endpoints.find(
        (endpoint) =>
          endpoint.securityMode === MessageSecurityMode[securityMode] &&
          endpoint.securityPolicyUri === SecurityPolicy[securityPolicy as keyof typeof SecurityPolicy],
      )
      if (found?.serverCertificate === undefined || found.serverCertificate === null)
        throw new Error(`the server has no endpoint with ${securityMode} and ${securityPolicy}`)
      await this.#pki.mustTrust(found.serverCertificate)
      return found.serverCertificate
    } finally {
      await this.#close(client)
    }
  }

  #identity(): UserIdentityInfo {
    const { username, password = '' } = this.#endpoint
    return username === undefined
      ? { type: UserTokenType.Anonymous }
      : { type: UserTokenType.UserName, userName: username, password }
  }

  /** Whatever says first that the connection is over. */
  #loss(
    client: OPCUAClient,
    session: ClientSession,
    over: AbortSignal,
  ): { reason: Promise<string>; end: (reason: string) => void } {
    const { promise, resolve } = Promise.withResolvers<string>()
    client.on('connection_lost', () => resolve('the connection was lost'))
    client.on('close', () => resolve('the connection was closed'))
    client.on('abort', () => resolve('the connection was aborted'))
    session.on('session_closed', () => resolve('the session was closed'))
    session.on('keepalive_failure', () => resolve('the server does not answer'))
    this.#stopping.signal.addEventListener('abort', () => resolve('stopping'), { signal: over })
    return { reason: promise, end: resolve }
  }

  async #subscribe(session: ClientSession, end: (reason: string) => void): Promise<number> {
    const nodes = await this.#resolve(session)
    const engineering = await engineeringOf(
      session,
      nodes.map(({ nodeId }) => nodeId),
    )
    const good = nodes.flatMap(({ watched, nodeId }, i) => {
      const found = engineering[i]!
      const problem = this.#listener.check(watched, found)
      if (problem !== null) this.#listener.onProblem(watched, problem)
      return problem === null ? [{ watched, nodeId, range: found.range }] : []
    })
    if (good.length === 0) throw new Error('none of the nodes can be taken')
    const subscription = await session.createSubscription2({
      requestedPublishingInterval: PUBLISHING_INTERVAL,
      requestedMaxKeepAliveCount: KEEPALIVE_COUNT,
      requestedLifetimeCount: LIFETIME_COUNT,
      maxNotificationsPerPublish: 1000,
      publishingEnabled: true,
      priority: 1,
    })
    subscription.on('terminated', () => end('the subscription has ended'))
    subscription.on('internal_error', (error: Error) => end(error.message))
    let taken = 0
    for (let from = 0; from < good.length; from += NODES_AT_ONCE)
      taken += await this.#monitor(subscription, good.slice(from, from + NODES_AT_ONCE))
    if (taken === 0) throw new Error('none of the nodes can be monitored')
    return taken
  }

  /** How many of them the server watches. */
  async #monitor(
    subscription: ClientSubscription,
    nodes: readonly Node[],
    filter: DataChangeFilter | null = EVERY_SAMPLE,
  ): Promise<number> {
    const group = await subscription.monitorItems(
      nodes.map(({ nodeId }) => ({ nodeId, attributeId: AttributeIds.Value })),
      {
        samplingInterval: PUBLISHING_INTERVAL,
        discardOldest: true,
        queueSize: QUEUE_SIZE,
        ...(filter !== null && { filter }),
      },
      TimestampsToReturn.Both,
    )
    const arrived = new Map<string, Sample[]>()
    group.on('changed', (_item, value, index) => {
      const { watched, range } = nodes[index]!
      // What comes in one publication is told one by one, without a pause.
      if (arrived.size === 0) setImmediate(() => this.#deliver(arrived))
      const samples = arrived.get(watched.device)
      const sample = sampleOf(watched.metric, value, range)
      if (value.statusCode.isGood() && typeof sample.value !== 'number' && typeof sample.value !== 'boolean')
        this.#listener.onProblem(watched, `its value is of type ${DataType[value.value.dataType]}`)
      if (samples === undefined) arrived.set(watched.device, [sample])
      else samples.push(sample)
    })
    const refused = nodes.flatMap((node, i) => {
      const { statusCode } = group.monitoredItems[i]!
      return statusCode.isGood() ? [] : [{ node, statusCode }]
    })
    const plain = refused.filter(({ statusCode }) => filter !== null && FILTER_REFUSED.has(statusCode))
    for (const { node, statusCode } of refused)
      if (filter === null || !FILTER_REFUSED.has(statusCode))
        this.#listener.onProblem(node.watched, `it cannot be monitored: ${statusCode.name}`)
    const taken = nodes.length - refused.length
    if (plain.length === 0) return taken
    return (
      taken +
      (await this.#monitor(
        subscription,
        plain.map(({ node }) => node),
        null,
      ))
    )
  }

  #deliver(arrived: Map<string, Sample[]>): void {
    const devices = [...arrived]
    arrived.clear()
    for (const [device, samples] of devices) this.#listener.onSamples(device, samples)
  }

  /** Browse paths to node ids; what is not there is a problem, not an end. */
  async #resolve(session: ClientSession): Promise<{ watched: Watched; nodeId: string }[]> {
    const resolved: { watched: Watched; nodeId: string }[] = []
    for (const watched of this.#watched) {
      if (!watched.node.startsWith('/')) resolved.push({ watched, nodeId: watched.node })
      else {
        try {
          const { statusCode, targets } = await session.translateBrowsePath(
            makeBrowsePath('RootFolder', watched.node),
          )
          const target = targets?.[0]?.targetId
          if (statusCode.isGood() && target !== undefined)
            resolved.push({ watched, nodeId: target.toString() })
          else this.#listener.onProblem(watched, `${watched.node} is not there: ${statusCode.name}`)
        } catch (error) {
          this.#listener.onProblem(watched, `${watched.node}: ${(error as Error).message}`)
        }
      }
    }
    return resolved
  }

  async #close(client: OPCUAClient): Promise<void> {
    // A server that is gone does not answer a goodbye.
    await this.#inTime(client.disconnect(), 'closing', 2000).catch(() => {})
    client.removeAllListeners()
  }

  async #inTime<T>(work: Promise<T>, what: string, timeout = 2 * ANSWER_TIMEOUT): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(new Error(`${what}: no answer in ${timeout / 1000} s`)), timeout)
    try {
      return await Promise.race([work, promise])
    } finally {
      clearTimeout(timer)
    }
  }
}

function sampleOf(metric: string, data: DataValue, range: Engineering['range']): Sample {
  const { statusCode, sourceTimestamp, serverTimestamp, value } = data
  const time = sourceTimestamp ?? serverTimestamp
  return {
    metric,
    value: plainValue(value.dataType, value.value),
    status: (statusCode ?? StatusCodes.Good).value,
    ts: time?.getTime() ?? null,
    ...(range !== undefined && { range }),
  }
}

function plainValue(type: DataType, value: unknown): unknown {
  // 7.1 as a Float is 7.099999904632568: the digits that a Float has.
  if (type === DataType.Float && typeof value === 'number') return Number(value.toPrecision(7))
  if ((type === DataType.Int64 || type === DataType.UInt64) && Array.isArray(value)) {
    const [high, low] = value as [number, number]
    return (type === DataType.Int64 ? high | 0 : high) * 2 ** 32 + low
  }
  return value
}
