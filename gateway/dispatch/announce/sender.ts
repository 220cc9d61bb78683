import { lookup } from 'node:dns/promises'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import pLimit from 'p-limit'
import { mayConnect, type Range } from './addresses.ts'
import type { Answer, Outgoing } from './channels/channel.ts'

export interface SenderOptions {
  /** Ranges beside the public internet. */
  readonly allowed: readonly Range[]
  /** Whether `http:` may be used; it shows to everybody on the way what is announced. */
  readonly allowHttp: boolean
  /** For tests, which cannot have a name server of their own. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
}

/** The receiver could not be asked, or its answer did not come. The message names no address but the host. */
export class SendError extends Error {
  override readonly name = 'SendError'
  /** It will be no different next time. */
  readonly isFinal: boolean

  constructor(message: string, isFinal = false) {
    super(message)
    this.isFinal = isFinal
  }
}

/** From the first look at the name to the end of the answer, ms. */
const TIMEOUT = 10_000
/** Of an answer, bytes; a robot's has some fifty. */
const ANSWER_LIMIT = 64 * 1024
/** Names at once: each holds one of the four threads that Node has for files and hashes too. */
const LOOKUPS = 2
const RETRY_AFTER_LIMIT = 3_600_000

/**
 * Posts to receivers and reads what they answer. The name is looked up here, every address that it has is checked,
 * and the socket is opened to a checked address: a name that changes between check and use (DNS rebinding) leads
 * nowhere else. Redirects are answers like any other.
 */
export class Sender {
  readonly #options: SenderOptions
  readonly #limit = pLimit(LOOKUPS)
  readonly #http: HttpAgent
  readonly #https: HttpsAgent

  constructor(options: SenderOptions) {
    this.#options = options
    const settings = { keepAlive: true, maxFreeSockets: 100, timeout: TIMEOUT, lookup: this.#lookup }
    this.#http = new HttpAgent(settings)
    this.#https = new HttpsAgent(settings)
  }

  /** Null when the gateway may post there, as far as the address by itself tells; else why not. */
  fault(url: URL): string | null {
    const { allowHttp, allowed } = this.#options
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && allowHttp))
      return allowHttp ? 'must begin with https:// or http://' : 'must begin with https://'
    if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password'
    const host = hostOf(url)
    // The parser of URLs has written 2130706433, 0x7f.1 and 0177.0.0.1 as 127.0.0.1 by now.
    if (isIP(host) !== 0 && !mayConnect(host, allowed))
      return `leads to ${host}, where the gateway may not connect`
    return null
  }

  /** Rejects with {@link SendError}. */
  async post(outgoing: Outgoing): Promise<Answer> {
    const url = new URL(outgoing.url)
    const fault = this.fault(url)
    if (fault !== null) throw new SendError(`the address ${fault}`, true)
    const signal = AbortSignal.timeout(TIMEOUT)
    try {
      return await this.#exchange(url, outgoing, signal)
    } catch (error) {
      if (error instanceof SendError) throw error
      if (signal.aborted) throw new SendError(`no answer within ${TIMEOUT / 1000} s`)
      const { code } = error as NodeJS.ErrnoException
      // Node will not send it as it is, now or later.
      if (code?.startsWith('ERR_INVALID_') === true)
        throw new SendError(`it cannot be sent as it is (${code})`, true)
      throw new SendError(`the receiver could not be reached${code === undefined ? '' : ` (${code})`}`)
    }
  }

  /** Lets go of idle connections. */
  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  async #exchange(url: URL, { headers, body }: Outgoing, signal: AbortSignal): Promise<Answer> {
    const [request, agent] =
      url.protocol === 'https:'
        ? ([httpsRequest, this.#https] as const)
        : ([httpRequest, this.#http] as const)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const outgoing = request(url, {
      method: 'POST',
      agent,
      signal,
      headers: {
        ...headers,
        'content-length': Buffer.byteLength(body),
        accept: 'application/json',
        'user-agent': 'gridwhistle',
      },
    })
    outgoing.on('response', resolve)
    outgoing.on('error', reject)
    outgoing.end(body)
    const response = await promise
    const retryAfter = Number(response.headers['retry-after'])
    return {
      status: response.statusCode!,
      body: await textOf(response),
      ...(Number.isFinite(retryAfter) &&
        retryAfter > 0 && { retryAfterMs: Math.min(retryAfter * 1000, RETRY_AFTER_LIMIT) }),
    }
  }

  /** Node asks here before it opens a socket for a name; for a literal address it does not ask, {@link fault} has. */
  readonly #lookup: LookupFunction = (host, _options, answer) => {
    this.#checked(host).then(
      (addresses) => answer(null, addresses),
      (error: unknown) => answer(error as Error, []),
    )
  }

  async #checked(host: string): Promise<{ address: string; family: number }[]> {
    const resolve = this.#options.resolve ?? addressesOf
    const addresses = await this.#limit(async () => resolve(host))
    const wrong = addresses.find((address) => !mayConnect(address, this.#options.allowed))
    if (wrong !== undefined)
      throw new SendError(`${host} leads to ${wrong}, where the gateway may not connect`, true)
    return addresses.map((address) => ({ address, family: isIP(address) }))
  }
}

async function addressesOf(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true })
  return found.map(({ address }) => address)
}

function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
}

/** The whole answer, so that the connection can be used again; one that does not end is cut off. */
async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > ANSWER_LIMIT) {
      response.destroy()
      throw new SendError(`the answer is longer than ${ANSWER_LIMIT} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
