import { Agent, request } from 'node:http'
import { writeTime } from './frames.ts'
import { Instants, type Lane, type LaneListener, Waiting } from './lane.ts'
import type { Payload } from './payload.ts'

export interface HttpLaneOptions {
  /** Address of the gateway, http only. */
  readonly url: string
  /** `{device}:{secret}`, or another bearer token that may hand in the device's readings. */
  readonly bearer: string
  /** A body for `POST /api/v1/readings`. */
  readonly payload: Payload
  readonly slots: number
}

/** A device over HTTP, one kept-alive connection for each slot. */
export class HttpLane implements Lane {
  readonly #options: HttpLaneOptions
  readonly #listener: LaneListener
  readonly #instants = new Instants()
  readonly #waiting = new Waiting()
  readonly #agent: Agent
  readonly #url: URL
  #free: number
  #closed = false

  constructor(options: HttpLaneOptions, listener: LaneListener) {
    this.#options = options
    this.#listener = listener
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.slots })
    this.#url = new URL('/api/v1/readings', options.url)
    this.#free = options.slots
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
    this.#agent.destroy()
  }

  #send(): void {
    while (this.#free > 0 && this.#waiting.length > 0 && !this.#closed) {
      this.#free--
      this.#post(this.#waiting.shift())
      this.#listener.onSent()
    }
  }

  #post(intendedAt: number): void {
    const { payload, bearer } = this.#options
    const { times } = payload
    const body = Buffer.from(payload.bytes)
    const first = this.#instants.take(times.length)
    for (let index = 0; index < times.length; index++) writeTime(body, times[index]!, first + index)
    const headers = {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json',
      'content-length': body.length,
    }
    const post = request(this.#url, { method: 'POST', agent: this.#agent, headers }, (response) => {
      response.resume()
      response.on('end', () => {
        this.#free++
        const ok = response.statusCode === 202 || response.statusCode === 200
        if (ok) this.#listener.onAcked(this, performance.now() - intendedAt)
        else this.#failed(`HTTP ${response.statusCode}`)
        this.#send()
      })
    })
    post.on('error', (error) => {
      this.#free++
      this.#failed(error.message)
    })
    post.end(body)
  }

  #failed(reason: string): void {
    if (!this.#closed) this.#listener.onError(this, reason)
  }
}
