import { connect, type MqttClient } from 'mqtt'
import type { Line } from './line.ts'
import { type Reading, readingsTopic } from './reading.ts'

/** First pause before a lost connection is tried again, and the longest, ms. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000

/** What the gateway asks of a device. */
export interface Command {
  readonly id: string
  readonly command: string
  readonly args: Readonly<Record<string, unknown>>
}

export interface ConnectionOptions {
  /** mqtt://host:port, mqtts:// or ws:// */
  readonly url: string
  readonly device: string
  readonly secret: string
  /** The gateway's word on a reading that it refused (contract §2, `v1/{device}/errors`). */
  readonly onRefused?: (code: string) => void
  readonly onError?: (error: Error) => void
  /** Carries out a command (contract §2) and answers what was wrong with it; a device without takes none. */
  readonly onCommand?: (command: Command) => string | null
}

/**
 * One device on the wire, as a careful device would do it: signs in with its id and secret, leaves a last
 * will, says that it is online, publishes at QoS 1 and comes back by itself with growing pauses. What was not
 * acknowledged before a break is sent again after it, in order (mqtt.js keeps it).
 */
export class DeviceConnection implements Line {
  readonly #options: ConnectionOptions
  #client: MqttClient | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /** Resolves once signed in; goes on trying until then. */
  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { url, device, secret, onRefused, onError, onCommand } = this.#options
    const status = `v1/${device}/status`
    const client = connect(url, {
      clientId: device,
      username: device,
      password: secret,
      protocolVersion: 4,
      keepalive: 30,
      connectTimeout: 10_000,
      reconnectPeriod: FIRST_PAUSE,
      // A gateway under a reconnect storm may refuse a right secret for a moment.
      reconnectOnConnackError: true,
      will: { topic: status, payload: Buffer.from('{"online":false}'), qos: 1, retain: true },
    })
    this.#client = client
    client.on('error', (error) => onError?.(error))
    client.on('reconnect', () => {
      // Spread out, so that a thousand devices do not come back in step.
      const pause = client.options.reconnectPeriod ?? FIRST_PAUSE
      client.options.reconnectPeriod = Math.min(LONGEST_PAUSE, pause * (1.5 + Math.random()))
    })
    client.on('connect', () => {
      client.options.reconnectPeriod = FIRST_PAUSE
      client.publish(status, '{"online":true}', { qos: 1, retain: true })
      if (onRefused !== undefined) client.subscribe(`v1/${device}/errors`, { qos: 0 })
      if (onCommand !== undefined) client.subscribe(`v1/${device}/commands`, { qos: 1 })
    })
    client.on('message', (topic, payload) => {
      if (topic.endsWith('/errors')) onRefused?.(codeOf(payload))
      if (topic.endsWith('/commands')) this.#obey(client, payload)
    })
    await this.#connected(client, signal)
  }

  async #connected(client: MqttClient, signal: AbortSignal | undefined): Promise<void> {
    const { url, device } = this.#options
    let problem = 'no answer'
    const remember = (error: Error): void => {
      problem = error.message
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const give = (): void => reject(new Error(`${device} could not sign in at ${url}: ${problem}`))
    client.on('error', remember)
    client.once('connect', () => resolve())
    signal?.addEventListener('abort', give, { once: true })
    try {
      await promise
    } finally {
      client.off('error', remember)
      signal?.removeEventListener('abort', give)
    }
  }

  #obey(client: MqttClient, payload: Buffer): void {
    const command = JSON.parse(payload.toString('utf8')) as Command
    const error = this.#options.onCommand?.(command) ?? null
    const result = error === null ? { ok: true } : { ok: false, error }
    const topic = `v1/${this.#options.device}/commands/${command.id}/result`
    client.publish(topic, JSON.stringify(result), { qos: 1 })
  }

  /** Resolves when the gateway has acknowledged it, on this connection or a later one. */
  async publish(readings: readonly Reading[]): Promise<void> {
    await this.send(JSON.stringify(readings.length === 1 ? readings[0] : readings))
  }

  /** The same with bytes as they are. */
  async send(payload: string | Buffer): Promise<void> {
    if (this.#client === undefined) throw new Error(`${this.#options.device} is not connected`)
    await this.#client.publishAsync(readingsTopic(this.#options.device), payload, { qos: 1 })
  }

  get isOpen(): boolean {
    return this.#client !== undefined
  }

  /** As when the power fails: no word of farewell, so that the last will is read. */
  async cut(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.endAsync(true)
  }

  /** Says that it goes, and goes. May be called twice. */
  async stop(): Promise<void> {
    const client = this.#client
    if (client === undefined) return
    this.#client = undefined
    if (!client.connected) return await client.endAsync(true)
    client.publish(`v1/${this.#options.device}/status`, '{"online":false}', { qos: 1, retain: true })
    // A gateway that has just gone down will not acknowledge any more.
    const timer = setTimeout(() => client.end(true), 2000)
    await client.endAsync(false)
    clearTimeout(timer)
  }
}

function codeOf(payload: Buffer): string {
  try {
    const { code } = JSON.parse(payload.toString('utf8')) as { code?: unknown }
    return typeof code === 'string' ? code : 'unknown'
  } catch {
    return 'unknown'
  }
}
