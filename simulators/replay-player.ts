import { DeviceConnection } from './connection.ts'
import type { InFlight } from './in-flight.ts'
import type { Reading } from './reading.ts'
import { moved } from './recording-messages.ts'

/** Plays one device's part of a recording. */
export interface Player<T> {
  start(signal: AbortSignal): Promise<void>
  /** Its times are moved by `offset`, ms. Resolves when there is room for the next. */
  play(what: T, offset: number): Promise<void>
  /** Sends what waits for more of its kind. */
  flush(): Promise<void>
  stop(): Promise<void>
}

/** What a player has done; readings, or frames where there are no readings. */
export interface PlayerListener {
  onSent(device: string, count: number): void
  onAcknowledged(count: number): void
  onRefused(): void
}

export interface PlayerOptions {
  readonly device: string
  /** mqtt://host:port */
  readonly url: string
  readonly secret: string
  readonly window: InFlight
  readonly listener: PlayerListener
}

/** Readings over MQTT, gathered into messages of `batch`. */
export class ReadingPlayer implements Player<Reading> {
  readonly #publisher: Publisher
  readonly #size: number
  #batch: Reading[] = []

  constructor(options: PlayerOptions, batch: number) {
    this.#publisher = new Publisher(options)
    this.#size = batch
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#publisher.start(signal)
  }

  async play(reading: Reading, offset: number): Promise<void> {
    this.#batch.push({ ...reading, ts: reading.ts + offset })
    if (this.#batch.length >= this.#size) await this.flush()
  }

  async flush(): Promise<void> {
    const batch = this.#batch
    if (batch.length === 0) return
    this.#batch = []
    const payload = Buffer.from(JSON.stringify(batch.length === 1 ? batch[0] : batch))
    await this.#publisher.publish(payload, batch.length)
  }

  async stop(): Promise<void> {
    await this.#publisher.stop()
  }
}

/** Recorded messages over MQTT, each as it came. */
export class MessagePlayer implements Player<Buffer> {
  readonly #publisher: Publisher

  constructor(options: PlayerOptions) {
    this.#publisher = new Publisher(options)
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#publisher.start(signal)
  }

  async play(payload: Buffer, offset: number): Promise<void> {
    await this.#publisher.publish(moved(payload, offset), 1)
  }

  async flush(): Promise<void> {}

  async stop(): Promise<void> {
    await this.#publisher.stop()
  }
}

class Publisher {
  readonly #options: PlayerOptions
  readonly #connection: DeviceConnection

  constructor(options: PlayerOptions) {
    const { device, url, secret, listener } = options
    this.#options = options
    this.#connection = new DeviceConnection({ url, device, secret, onRefused: () => listener.onRefused() })
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#connection.start(signal)
  }

  async publish(payload: Buffer, count: number): Promise<void> {
    const { device, window, listener } = this.#options
    await window.start(async () => {
      await this.#connection.send(payload)
      listener.onAcknowledged(count)
    })
    listener.onSent(device, count)
  }

  async stop(): Promise<void> {
    await this.#connection.stop()
  }
}
