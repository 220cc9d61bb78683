import { connect, type Socket } from 'node:net'
import { AnswerReader, stampOf, type UploadTemplate } from './hj212-frames.ts'
import { Instants, type Lane, type LaneListener, Waiting } from './lane.ts'

export interface Hj212LaneOptions {
  readonly device: string
  readonly host: string
  readonly port: number
  readonly template: UploadTemplate
  readonly slots: number
}

/** Every lane reads into the same memory: a chunk is dealt with before the next one is read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536)

/** A monitor that keeps a connection; there is no sign-in, its frames say who it is. */
export class Hj212Lane implements Lane {
  readonly device: string
  readonly #options: Hj212LaneOptions
  readonly #listener: LaneListener
  readonly #instants = new Instants()
  readonly #waiting = new Waiting()
  /** When each message under way should have gone out, by the stamp that is its QN. */
  readonly #intended = new Map<number, number>()
  readonly #opened = Promise.withResolvers<void>()
  #socket: Socket | undefined
  #ready = false
  #closed = false
  #reading = false
  #now = 0

  constructor(options: Hj212LaneOptions, listener: LaneListener) {
    this.device = options.device
    this.#options = options
    this.#listener = listener
  }

  async open(): Promise<void> {
    if (this.#closed) throw new Error('the load has ended')
    const { host, port } = this.#options
    const reader = new AnswerReader((stamp) => this.#acked(stamp))
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
    socket.on('connect', () => {
      this.#ready = true
      this.#opened.resolve()
    })
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
    this.#socket?.destroy()
  }

  #acked(stamp: number): void {
    const intended = this.#intended.get(stamp)
    if (intended === undefined) {
      this.#listener.onError(this, `an acknowledgement of ${stamp}, which is not under way`)
      return
    }
    this.#intended.delete(stamp)
    this.#listener.onAcked(this, this.#now - intended)
  }

  #send(): void {
    const { template, slots } = this.#options
    const count = Math.min(this.#waiting.length, slots - this.#intended.size)
    if (count <= 0 || !this.#ready || this.#closed) return
    const out = Buffer.allocUnsafe(count * template.size)
    for (let index = 0; index < count; index++) {
      const stamp = stampOf(this.#instants.take(1))
      this.#intended.set(stamp, this.#waiting.shift())
      template.write(out, index * template.size, stamp)
      this.#listener.onSent(this)
    }
    this.#socket!.write(out)
  }

  #ended(problem: string): void {
    this.#opened.reject(new Error(`${this.device}: ${problem}`))
    // Nobody may be waiting for it any more.
    this.#opened.promise.catch(() => {})
    if (this.#closed) return
    this.#closed = true
    if (this.#ready) this.#listener.onError(this, problem)
  }
}
