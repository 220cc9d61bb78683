import type { Line, LineOf } from './line.ts'
import type { Reading } from './reading.ts'

const TIMEOUT = 60_000
/** In one request at most: well below the 4 MiB that the gateway takes. */
const AT_ONCE = 5000

interface Waiting {
  readonly device: string
  readonly readings: readonly Reading[]
  readonly done: PromiseWithResolvers<void>
}

/**
 * One that hands in readings over HTTP for all devices of a run, whatever they say at the same moment in one request:
 * many times cheaper than a connection for each, for runs of a month.
 */
export class Concentrator {
  readonly #url: URL
  readonly #token: string
  #waiting: Waiting[] = []

  constructor({ httpUrl, token }: { readonly httpUrl: string; readonly token: string }) {
    this.#url = new URL('/api/v1/readings', httpUrl)
    this.#token = token
  }

  readonly lineOf: LineOf = (device): Line => {
    let isOpen = false
    const set = (open: boolean) => async (): Promise<void> => void (isOpen = open)
    return {
      get isOpen() {
        return isOpen
      },
      start: set(true),
      cut: set(false),
      stop: set(false),
      publish: async (readings) => await this.#handIn(device, readings),
      send: async () => {
        throw new Error(`${device} cannot send bytes that are no reading over HTTP; let it connect over MQTT`)
      },
    }
  }

  async #handIn(device: string, readings: readonly Reading[]): Promise<void> {
    const done = Promise.withResolvers<void>()
    // The first of those who speak at this moment opens the request, and the others join it.
    const waiting = this.#waiting.push({ device, readings, done })
    if (waiting === 1) setImmediate(() => void this.#post(this.#waiting.splice(0)))
    await done.promise
  }

  /** Never rejects: those who wait are told. */
  async #post(waiting: readonly Waiting[]): Promise<void> {
    const all = waiting.flatMap(({ device, readings }) => readings.map((reading) => ({ device, ...reading })))
    try {
      for (let from = 0; from < all.length; from += AT_ONCE)
        await this.#request(all.slice(from, from + AT_ONCE))
      for (const { done } of waiting) done.resolve()
    } catch (error) {
      for (const { done } of waiting) done.reject(error)
    }
  }

  async #request(readings: readonly object[]): Promise<void> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: JSON.stringify(readings),
      signal: AbortSignal.timeout(TIMEOUT),
    })
    const answer = await response.text()
    if (!response.ok) throw new Error(`the gateway answered ${response.status}: ${answer.slice(0, 200)}`)
    const { refused = [] } = JSON.parse(answer) as { refused?: { device: string; code: string }[] }
    const [first] = refused
    if (first !== undefined) throw new Error(`${first.device}: a reading was refused: ${first.code}`)
  }
}
