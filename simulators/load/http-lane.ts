import { connect, type Socket } from 'node:net'
import { writeTime } from './frames.ts'
import { Instants, type Lane, type LaneListener, Waiting } from './lane.ts'
import type { Payload } from './payload.ts'

export interface HttpLaneOptions {
  readonly device: string
  /** Address of the gateway, http only. */
  readonly url: string
  /** `{device}:{secret}`, or another bearer token that may hand in the device's readings. */
  readonly bearer: string
  /** A body for `POST /api/v1/readings`. */
  readonly payload: Payload
  readonly slots: number
}

/** A device over HTTP/1.1, one kept-alive connection for each message under way. Prepared bytes, as with MQTT. */
export class HttpLane implements Lane {
  readonly device: string
  readonly #options: HttpLaneOptions
  readonly #listener: LaneListener
  readonly #instants = new Instants()
  readonly #waiting = new Waiting()
  readonly #head: Buffer
  readonly #idle: HttpConnection[] = []
  readonly #open = new Set<HttpConnection>()
  #closed = false

  constructor(options: HttpLaneOptions, listener: LaneListener) {
    const { url, bearer, payload } = options
    this.device = options.device
    this.#options = options
    this.#listener = listener
    this.#head = Buffer.from(
      `POST /api/v1/readings HTTP/1.1\r\nhost: ${new URL(url).host}\r\nauthorization: Bearer ${bearer}\r\n` +
        `content-type: application/json\r\ncontent-length: ${payload.bytes.length}\r\n\r\n`,
    )
  }

  async open(): Promise<void> {}

  offer(intendedAt: number): void {
    this.#waiting.push(intendedAt)
    this.#send()
  }

  get ended(): boolean {
    return this.#closed
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#open) connection.close()
  }

  #send(): void {
    while (this.#waiting.length > 0 && !this.#closed) {
      const connection = this.#idle.pop() ?? this.#connect()
      if (connection === undefined) return
      connection.send(this.#request(), this.#waiting.shift())
      this.#listener.onSent(this)
    }
  }

  #request(): Buffer {
    const { bytes, times } = this.#options.payload
    const request = Buffer.allocUnsafe(this.#head.length + bytes.length)
    this.#head.copy(request)
    bytes.copy(request, this.#head.length)
    const first = this.#instants.take(times.length)
    for (let index = 0; index < times.length; index++)
      writeTime(request, this.#head.length + times[index]!, first + index)
    return request
  }

  #connect(): HttpConnection | undefined {
    if (this.#open.size >= this.#options.slots) return undefined
    const connection = new HttpConnection(this.#options.url, {
      onAnswer: (status, intendedAt) => {
        this.#idle.push(connection)
        if (status === 202 || status === 200) this.#listener.onAcked(this, performance.now() - intendedAt)
        else this.#failed(`HTTP ${status}`)
        this.#send()
      },
      onEnd: (reason, wasBusy) => {
        this.#open.delete(connection)
        const index = this.#idle.indexOf(connection)
        if (index >= 0) this.#idle.splice(index, 1)
        if (wasBusy) this.#failed(reason)
        this.#send()
      },
    })
    this.#open.add(connection)
    return connection
  }

  #failed(reason: string): void {
    if (!this.#closed) this.#listener.onError(this, reason)
  }
}

interface ConnectionListener {
  onAnswer(status: number, intendedAt: number): void
  onEnd(reason: string, wasBusy: boolean): void
}

/** One request at a time; answers are as short as those of `POST /readings`. */
class HttpConnection {
  readonly #socket: Socket
  readonly #listener: ConnectionListener
  #intendedAt = NaN
  #unread = ''

  constructor(url: string, listener: ConnectionListener) {
    const { hostname, port } = new URL(url)
    this.#listener = listener
    this.#socket = connect({ host: hostname, port: Number(port === '' ? 80 : port), noDelay: true })
    let problem = 'the connection was closed'
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#hear(chunk))
    this.#socket.on('error', (error) => {
      problem = error.message
    })
    this.#socket.on('close', () => listener.onEnd(problem, !Number.isNaN(this.#intendedAt)))
  }

  send(request: Buffer, intendedAt: number): void {
    this.#intendedAt = intendedAt
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #hear(chunk: string): void {
    this.#unread += chunk
    const end = this.#unread.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#unread)?.[1]
    // Without a length it comes in chunks, of which the last is empty [RFC 9112 §7.1].
    const isWhole =
      length === undefined
        ? this.#unread.endsWith('\r\n0\r\n\r\n')
        : this.#unread.length >= end + 4 + Number(length)
    if (!isWhole) return
    const status = Number(this.#unread.slice(9, 12))
    const intendedAt = this.#intendedAt
    this.#unread = ''
    this.#intendedAt = NaN
    this.#listener.onAnswer(status, intendedAt)
  }
}
