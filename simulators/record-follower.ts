import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { get as getSecurely } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { linesIn } from './lines.ts'
import type { Registration } from './reading.ts'

/** First pause before a lost stream is opened again, and the longest, ms. */
const FIRST_PAUSE = 200
const LONGEST_PAUSE = 10_000
/** The gateway says something every 15 s; without it the connection is dead, ms. */
const SILENCE = 45_000

export interface FollowedMessage {
  readonly seq: number
  readonly readings: number
  readonly device: string
  readonly topic: string
  readonly at: number
  readonly payload: Buffer
}

/** The gateway answered, and the answer was no. */
export class FollowingRefused extends Error {
  override readonly name = 'FollowingRefused'
}

/** `GET /api/v1/messages`, followed across restarts of the gateway. */
export class Follower {
  readonly #url: string
  readonly #token: string
  readonly #signal: AbortSignal
  /** Readings that were no longer there. */
  lost = 0

  constructor(url: string, token: string, signal: AbortSignal) {
    this.#url = url
    this.#token = token
    this.#signal = signal
  }

  /** From reading `from` on, or from now on, until the signal. Rejects with {@link FollowingRefused}. */
  async *messages(from?: number): AsyncGenerator<FollowedMessage> {
    let next = from
    let pause = FIRST_PAUSE
    while (!this.#signal.aborted) {
      const query = next === undefined ? 'follow=true' : `follow=true&from=${next}`
      const response = await this.#open(`/api/v1/messages?${query}`)
      if (response !== undefined) {
        for await (const message of this.#linesOf(response)) {
          // A recording from the beginning begins where the journal does.
          if (next !== undefined && next > 0 && message.seq > next) this.lost += message.seq - next
          next = message.seq + message.readings
          pause = FIRST_PAUSE
          yield message
        }
      }
      await sleep(pause, undefined, { signal: this.#signal }).catch(() => {})
      pause = Math.min(LONGEST_PAUSE, pause * 2)
    }
  }

  /** Undefined when it is not registered, or nobody can be asked. */
  async device(id: string): Promise<Registration | undefined> {
    const response = await fetch(new URL(`/api/v1/devices/${encodeURIComponent(id)}`, this.#url), {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(10_000),
    }).catch(() => undefined)
    return response?.ok === true ? ((await response.json()) as Registration) : undefined
  }

  /** Undefined while nobody answers. */
  async #open(path: string): Promise<IncomingMessage | undefined> {
    const url = new URL(path, this.#url)
    const request = (url.protocol === 'https:' ? getSecurely : get)(url, {
      headers: { authorization: `Bearer ${this.#token}` },
      timeout: SILENCE,
      signal: this.#signal,
    })
    request.on('timeout', () => request.destroy())
    let response: IncomingMessage
    try {
      ;[response] = (await once(request, 'response')) as [IncomingMessage]
    } catch {
      return undefined
    }
    // What breaks later ends its lines, and is tried again.
    request.on('error', () => {})
    if (response.statusCode === 200) return response
    response.resume()
    if (response.statusCode! >= 500) return undefined
    throw new FollowingRefused(`${this.#url} does not let its messages be read (${response.statusCode})`)
  }

  async *#linesOf(response: IncomingMessage): AsyncGenerator<FollowedMessage> {
    response.on('error', () => {})
    try {
      for await (const line of linesIn(response.setEncoding('utf8') as AsyncIterable<string>)) {
        if (line === '') continue
        const { payload, encoding, ...message } = JSON.parse(line) as Omit<FollowedMessage, 'payload'> & {
          payload: string
          encoding?: 'base64'
        }
        yield { ...message, payload: Buffer.from(payload, encoding ?? 'utf8') }
      }
    } catch {
      // The last line was cut off with the connection: it comes again.
    } finally {
      response.destroy()
    }
  }
}
