import { connect, type Socket } from 'node:net'
import {
  AckReader,
  connectFrame,
  type Credentials,
  DISCONNECT,
  type PublishTemplate,
  releaseFrame,
} from './frames.ts'
import { Instants, type Lane, type LaneListener, Waiting } from './lane.ts'

export interface MqttLaneOptions {
  readonly host: string
  readonly port: number
  readonly clientId: string
  readonly credentials: Credentials | undefined
  readonly template: PublishTemplate
  /** Readings in one message. */
  readonly batch: number
  readonly slots: number
}

/** Every lane reads into the same memory: a chunk is dealt with before the next one is read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536)

/** A device over a raw socket. All that may go out after a chunk of acknowledgements goes out in one write. */
export class MqttLane implements Lane {
  readonly device: string
  readonly #options: MqttLaneOptions
  readonly #listener: LaneListener
  readonly #instants = new Instants()
  readonly #waiting = new Waiting()
  /** Slot n sends packet id n + 1; 0 is not a packet id [MQTT-2.3.1-1]. */
  readonly #intended: Float64Array
  readonly #free: number[]
  readonly #opened = Promise.withResolvers<void>()
  /** At QoS 2, messages whose PUBREL is due. */
  #releases: number[] = []
  #socket: Socket | undefined
  #ready = false
  #closed = false
  #reading = false
  #now = 0

  constructor(options: MqttLaneOptions, listener: LaneListener) {
    this.device = options.clientId
    this.#options = options
    this.#listener = listener
    this.#intended = new Float64Array(options.slots).fill(NaN)
    this.#free = Array.from({ length: options.slots }, (_, slot) => slot)
  }

  async open(): Promise<void> {
    if (this.#closed) throw new Error('the load has ended')
    const { host, port, clientId, credentials } = this.#options
    const reader = new AckReader({
      onConnack: (returnCode) => this.#connected(returnCode),
      onAcknowledged: (packetId) => this.#acked(packetId),
      onReceived: (packetId) => this.#releases.push(packetId),
    })
    const socket = connect({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          this.#reading = true
          this.#now = performance.now()
          reader.push(READ_BUFFER.subarray(0, length))
          this.#reading = false
          this.#send()
          return true
        },
      },
    })
    this.#socket = socket
    let problem = 'the connection was closed'
    socket.on('error', (error) => {
      problem = error.message
    })
    socket.on('close', () => this.#ended(problem))
    socket.on('drain', () => this.#send())
    socket.write(connectFrame(clientId, credentials))
    await this.#opened.promise
  }

  offer(intendedAt: number): void {
    this.#waiting.push(intendedAt)
    if (!this.#reading) this.#send()
  }

  get ended(): boolean {
    return this.#closed
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#ready) this.#socket?.end(DISCONNECT)
    else this.#socket?.destroy()
  }

  #connected(returnCode: number): void {
    if (returnCode === 0) {
      this.#ready = true
      this.#opened.resolve()
      return
    }
    // [MQTT-3.2.2-5]
    this.#opened.reject(new Error(`${this.#options.clientId} was refused (CONNACK ${returnCode})`))
  }

  #acked(packetId: number): void {
    const slot = packetId - 1
    const intended = this.#intended[slot]
    if (intended === undefined || Number.isNaN(intended)) {
      this.#listener.onError(this, `an acknowledgement of packet ${packetId}, which is not under way`)
      return
    }
    this.#intended[slot] = NaN
    this.#free.push(slot)
    this.#listener.onAcked(this, this.#now - intended)
  }

  #send(): void {
    const { template, batch } = this.#options
    if (!this.#ready || this.#closed) return
    if (this.#releases.length > 0) {
      this.#socket!.write(Buffer.concat(this.#releases.map(releaseFrame)))
      this.#releases = []
    }
    if (template.qos === 0) return this.#sendUnacknowledged()
    const count = Math.min(this.#waiting.length, this.#free.length)
    if (count === 0) return
    const out = Buffer.allocUnsafe(count * template.size)
    for (let index = 0; index < count; index++) {
      const intended = this.#waiting.shift()
      const slot = this.#free.pop()!
      this.#intended[slot] = intended
      template.write(out, index * template.size, slot + 1, this.#instants.take(batch))
      this.#listener.onSent(this)
    }
    this.#socket!.write(out)
  }

  /** At QoS 0 the socket is all that can say that it is enough. */
  #sendUnacknowledged(): void {
    const { template, batch } = this.#options
    const socket = this.#socket!
    while (this.#waiting.length > 0 && !socket.writableNeedDrain) {
      this.#waiting.shift()
      const out = Buffer.allocUnsafe(template.size)
      template.write(out, 0, 0, this.#instants.take(batch))
      this.#listener.onSent(this)
      socket.write(out)
    }
  }

  #ended(problem: string): void {
    this.#opened.reject(new Error(`${this.#options.clientId}: ${problem}`))
    // Nobody may be waiting for it any more.
    this.#opened.promise.catch(() => {})
    if (this.#closed) return
    this.#closed = true
    if (this.#ready) this.#listener.onError(this, problem)
  }
}
