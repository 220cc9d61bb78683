import { connectAsync, type MqttClient } from 'mqtt'
import { deviceIds } from './fleet.ts'
import { type Latency, LatencyGauge } from './gauge.ts'
import type { Metrics } from './payload.ts'

export interface ProbeOptions {
  /** Devices that trip an alarm, each once, spread over the run. */
  readonly count: number
  /** What they say; it must break a rule that fires at once (`for: 0s`). */
  readonly metrics: Metrics
  /** Where what it leads to is read, and as whom; anonymously without a user. */
  readonly topic: string
  readonly user?: string
  readonly password?: string
}

export interface ProbeResult {
  readonly tripped: number
  /** Those that something came back for. */
  readonly answered: number
  /** From the write of the reading to the arrival of the first message that names its device or site, ms. */
  readonly latency: Latency | null
}

/**
 * Measures publish → order, or alarm: notes when each probe's reading goes out and listens for the first
 * message that names it. It shares an event loop with the load, so what that costs is in the figure.
 */
export class Probe {
  /** Devices, and at the same time their sites: whichever of them a message names, it is this probe's. */
  readonly ids: readonly string[]
  readonly metrics: Metrics
  readonly #options: ProbeOptions
  readonly #url: string
  readonly #names: RegExp
  readonly #gauge = new LatencyGauge()
  readonly #open = new Map<string, number>()
  #tripped = 0
  #client: MqttClient | undefined

  constructor(options: ProbeOptions, url: string, prefix: string) {
    this.#options = options
    this.#url = url
    this.ids = deviceIds(prefix, options.count)
    this.metrics = options.metrics
    // A prefix is part of an id (contract §2), so the dot is all there is to escape.
    this.#names = new RegExp(`${prefix.replaceAll('.', '\\.')}\\d{6}`)
  }

  async open(): Promise<void> {
    const { user, password, topic } = this.#options
    const client = await connectAsync(this.#url, {
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...(user !== undefined && { username: user, password: password ?? '' }),
    })
    this.#client = client
    client.on('message', (topic, payload, { retain }) => {
      // Retained ones tell of earlier runs.
      if (!retain) this.#heard(topic, payload)
    })
    const [granted] = await client.subscribeAsync(topic, { qos: 1 })
    // [MQTT-3.9.3]: 0x80 is a failure.
    if (granted === undefined || granted.qos > 2) throw new Error(`may not subscribe to ${topic}`)
  }

  get tripped(): number {
    return this.#tripped
  }

  /** Whether every probe that was tripped has been answered. */
  get answered(): boolean {
    return this.#open.size === 0
  }

  /** The next probe sends its reading. */
  trip(send: () => void): void {
    this.#open.set(this.ids[this.#tripped++]!, performance.now())
    send()
  }

  result(): ProbeResult {
    return {
      tripped: this.#tripped,
      answered: this.#tripped - this.#open.size,
      latency: this.#gauge.read(),
    }
  }

  async close(): Promise<void> {
    await this.#client?.endAsync(true)
  }

  #heard(topic: string, payload: Buffer): void {
    const arrived = performance.now()
    const name = this.#names.exec(topic)?.[0] ?? this.#names.exec(payload.toString())?.[0]
    const since = name === undefined ? undefined : this.#open.get(name)
    if (name === undefined || since === undefined) return
    this.#open.delete(name)
    this.#gauge.record(arrived - since)
  }
}
