import { readFileSync } from 'node:fs'
import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt'
import type { Clock } from '../../gateway/model/clock.ts'
import type { Health, Intake, Part } from '../../gateway/model/pipeline.ts'
import { RAW_LIMIT, type Refusal, type RefusalCode } from '../../gateway/model/reading.ts'
import { saysWhen, type TopicPattern } from './codec.ts'

export interface UpstreamOptions {
  /** mqtt:// or mqtts:// */
  readonly url: string
  /** Stays the same from one life to the next: the broker keeps the session under it. */
  readonly clientId: string
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** PEM files: whom to trust, and who we are. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly version: '3.1.1' | 5
  readonly topics: readonly TopicPattern[]
  /** Group of gateways that share the messages among them. */
  readonly share?: string | undefined
  /** How long the broker is to keep our session while we are away, s. Version 5 alone can say so. */
  readonly sessionExpiry: number
}

export interface UpstreamParts {
  readonly intake: Intake
  /** Into the quarantine, for what never reaches the intake. */
  readonly refuse: (refusal: Refusal) => Promise<void>
  readonly clock: Clock
  readonly log: {
    info(bindings: object, message: string): void
    warn(bindings: object, message: string): void
  }
}

/** Messages that may wait for the disk; a broker that speaks version 5 is told so [MQTT5-3.1.2.11.3]. */
const PENDING_LIMIT = 1000
/** And their bytes. */
const PENDING_BYTES = 16 * 1024 * 1024
const KEEPALIVE_SECONDS = 30
const CONNECT_TIMEOUT = 10_000
/** Pause before the next attempt, ms. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 15_000
/** A stop waits this long for what has come in, ms. */
const DRAIN_TIMEOUT = 3000
/** And this long for the broker to close, ms. */
const PARTING_TIMEOUT = 1000

/** A message that waits for its acknowledgement; without an id it needs none. */
interface Pending {
  readonly messageId: number | undefined
  readonly bytes: number
  isDurable: boolean
}

/**
 * A client of an existing broker. The broker keeps the session, so what arrives while the gateway is down or the
 * disk refuses waits there, and comes again when it was not acknowledged.
 *
 * mqtt.js hands over one message at a time and acknowledges when `handleMessage` calls back, so each would have an
 * fsync of its own. Here the callback comes at once, with an error, which to mqtt.js means "not acknowledged"; the
 * PUBACK follows from here when the message is durable, in the order of the messages [MQTT-4.6.0-2]. When too many
 * wait, the callback waits too: nothing more is read.
 */
export class Upstream implements Part {
  readonly #options: UpstreamOptions
  readonly #parts: UpstreamParts
  #client: MqttClient | undefined
  /** Of the present connection, in the order of arrival. */
  #pending: Pending[] = []
  #pendingBytes = 0
  #resume: (() => void) | undefined
  #drained: (() => void) | undefined
  /** Why the connection is being given up. */
  #reason: string | undefined
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  #isStopping = false
  #state: Health = { ready: false, detail: 'not started' }

  constructor(options: UpstreamOptions, parts: UpstreamParts) {
    this.#options = options
    this.#parts = parts
  }

  /** Does not wait for the broker: it may be away. Throws when a certificate cannot be read. */
  async start(): Promise<void> {
    this.#connect(this.#credentials())
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#retry)
    const client = this.#client
    if (client === undefined) return
    await this.#drain()
    if (client.connected) await this.#partFrom(client)
    await client.endAsync(true)
  }

  /**
   * Ends our side of the connection and waits until the broker ends its own, so that it has read our last
   * acknowledgements before our next life takes the session over: else it sends those messages again. Without a
   * DISCONNECT: there is no will, and what was not acknowledged is to come again.
   */
  async #partFrom(client: MqttClient): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    client.once('close', () => resolve())
    const timer = setTimeout(resolve, PARTING_TIMEOUT)
    client.stream.end()
    await promise
    clearTimeout(timer)
  }

  health(): Health {
    const { ready, detail } = this.#state
    return { ready, detail: `${this.#options.url}: ${detail}` }
  }

  #credentials(): IClientOptions {
    const files: IClientOptions = {}
    for (const name of ['ca', 'cert', 'key'] as const) {
      const file = this.#options[name]
      if (file !== undefined) files[name] = readFileSync(file)
    }
    return files
  }

  /** A client for each connection: what mqtt.js keeps from one to the next is of no use to a mere subscriber. */
  #connect(credentials: IClientOptions): void {
    const { url, clientId, username, password, version, sessionExpiry } = this.#options
    const client = connect(url, {
      ...credentials,
      clientId,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      protocolVersion: version === 5 ? 5 : 4,
      ...(version === 5 && {
        properties: { sessionExpiryInterval: sessionExpiry, receiveMaximum: PENDING_LIMIT },
      }),
      clean: false,
      keepalive: KEEPALIVE_SECONDS,
      connectTimeout: CONNECT_TIMEOUT,
      reconnectPeriod: 0,
      resubscribe: false,
    })
    this.#client = client
    this.#pending = []
    this.#pendingBytes = 0
    this.#resume = undefined
    client.handleMessage = (packet, next) => this.#take(client, packet, next)
    let reason = 'the connection was closed'
    client.on('error', (error) => (reason = describe(error)))
    client.on('connect', () => void this.#subscribe(client))
    client.once('close', () => this.#closed(client, credentials, reason))
  }

  /** Each time: a session that the broker has lost begins anew, and one that it kept takes no harm. */
  async #subscribe(client: MqttClient): Promise<void> {
    const { topics, share } = this.#options
    const filters = topics.map(({ filter }) => (share === undefined ? filter : `$share/${share}/${filter}`))
    try {
      const granted = await client.subscribeAsync(filters, { qos: 1, rh: ONLY_NEW })
      const refused = granted.filter(({ qos }) => qos > 2)
      if (refused.length > 0) throw new Error(`${refused[0]!.topic} may not be subscribed to`)
    } catch (error) {
      this.#giveUp(client, describe(error as Error))
      return
    }
    this.#failures = 0
    this.#state = { ready: true, detail: `connected as ${this.#options.clientId}` }
    this.#parts.log.info({ url: this.#options.url }, 'connected to the upstream broker')
  }

  #closed(client: MqttClient, credentials: IClientOptions, reason: string): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#drained?.()
    if (this.#isStopping) return
    client.end(true)
    const why = this.#reason ?? reason
    this.#reason = undefined
    if (this.#failures === 0)
      this.#parts.log.warn({ url: this.#options.url, reason: why }, 'no connection to the upstream broker')
    this.#state = { ready: false, detail: `not connected: ${why}` }
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.#failures++, 16))
    // At random between half and all of it, so that several gateways do not come back together.
    this.#retry = setTimeout(() => this.#connect(credentials), pause * (0.5 + Math.random() / 2))
  }

  /** Closes the connection: the broker sends again, on the next one, what was not acknowledged. */
  #giveUp(client: MqttClient, reason: string): void {
    if (this.#client !== client) return
    this.#reason = reason
    client.stream.destroy()
  }

  #take(client: MqttClient, packet: IPublishPacket, next: (error?: Error) => void): void {
    const payload = Buffer.from(packet.payload)
    const pending: Pending = {
      messageId: packet.qos === 0 ? undefined : packet.messageId,
      bytes: payload.length,
      isDurable: false,
    }
    this.#pending.push(pending)
    this.#pendingBytes += pending.bytes
    void this.#hand(client, packet, payload, pending)
    if (!this.#isFull()) next(LATER)
    else this.#resume = () => next(LATER)
  }

  async #hand(client: MqttClient, packet: IPublishPacket, payload: Buffer, pending: Pending): Promise<void> {
    try {
      await this.#accept(packet, payload)
    } catch (error) {
      this.#giveUp(client, describe(error as Error))
      return
    }
    pending.isDurable = true
    if (this.#client === client) this.#acknowledge(client)
  }

  async #accept({ topic, retain }: IPublishPacket, payload: Buffer): Promise<void> {
    for (const pattern of this.#options.topics) {
      const device = pattern.deviceOf(topic)
      if (device === undefined) continue
      // The broker's copy of an earlier message: with the time of our connection it would pass for a new value.
      if (retain && !saysWhen(payload)) {
        await this.#refuse(device, 'bad_reading', 'ts: missing, and the message was retained', payload)
        return
      }
      await this.#parts.intake.accept({ device, payload, receivedAt: this.#parts.clock.now() })
      return
    }
    // Of a subscription that an earlier configuration left in the session.
    const where = `${JSON.stringify(topic.slice(0, 256))} from ${this.#options.url}`
    await this.#refuse(null, 'unknown_topic', `unknown topic ${where}`, payload)
  }

  #refuse(device: string | null, code: RefusalCode, message: string, payload: Buffer): Promise<void> {
    return this.#parts.refuse({
      device: device?.slice(0, NAME_LIMIT) ?? null,
      code,
      message,
      raw: payload.subarray(0, RAW_LIMIT),
      rawSize: payload.length,
      receivedAt: this.#parts.clock.now(),
    })
  }

  /** Everything durable up to the first message that is not. */
  #acknowledge(client: MqttClient): void {
    let count = 0
    const frames: number[] = []
    for (const { isDurable, messageId, bytes } of this.#pending) {
      if (!isDurable) break
      count++
      this.#pendingBytes -= bytes
      // PUBACK [MQTT-3.4], in version 5 with reason 0, which may be left out [MQTT5-3.4.2.1].
      if (messageId !== undefined) frames.push(0x40, 2, messageId >> 8, messageId & 0xff)
    }
    this.#pending.splice(0, count)
    if (frames.length > 0 && client.stream.writable) client.stream.write(Buffer.from(frames))
    if (this.#pending.length === 0) this.#drained?.()
    if (this.#isStopping || this.#isFull()) return
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  #isFull(): boolean {
    return this.#isStopping || this.#pending.length >= PENDING_LIMIT || this.#pendingBytes >= PENDING_BYTES
  }

  async #drain(): Promise<void> {
    if (this.#pending.length === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#drained = resolve
    const timer = setTimeout(resolve, DRAIN_TIMEOUT)
    await promise
    clearTimeout(timer)
  }
}

/** Longest id (contract §2); a longer name is nobody's. */
const NAME_LIMIT = 64
/** Retained messages come with a subscription that is new, and not at every connection [MQTT5-3.8.3.1]. */
const ONLY_NEW = 1
const LATER = new Error('acknowledged later')

/** System errors of several addresses come as one with an empty message. */
function describe(error: Error & { readonly code?: unknown }): string {
  return error.message === '' ? String(error.code) : error.message
}
