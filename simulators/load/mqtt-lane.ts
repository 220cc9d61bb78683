import { connect, type Socket } from 'node:net'
import { AckReader, connectFrame, type Credentials, DISCONNECT, type PublishTemplate } from './frames.ts'
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
  readonly #options: MqttLaneOptions
  readonly #listener: LaneListener
  readonly #instants = new Instants()
  readonly #waiting = new Waiting()
  /** Slot n sends packet id n + 1; 0 is not a packet id [MQTT-2.3.1-1]. */
  readonly #intended: Float64Array
  readonly #free: number[]
  readonly #opened = Promise.withResolvers<void>()
  #socket: Socket | undefined
  #ready = false
  #closed = false
  #reading = false
  #now = 0

  constructor(options: MqttLaneOptions, listener: LaneListener) {
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
      onPuback: (packetId) => this.#acked(packetId),
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
    const count = Math.min(this.#waiting.length, this.#free.length)
    if (count === 0 || !this.#ready || this.#closed) return
    const out = Buffer.allocUnsafe(count * template.size)
    for (let index = 0; index < count; index++) {
      const intended = this.#waiting.shift()
      const slot = this.#free.pop()!
      this.#intended[slot] = intended
      template.write(out, index * template.size, slot + 1, this.#instants.take(batch))
      this.#listener.onSent()
    }
    this.#socket!.write(out)
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
