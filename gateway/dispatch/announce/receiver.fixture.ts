import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

export interface Received {
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

type Reply = (response: ServerResponse, received: Received) => void

/** Somebody's webhook, or a robot of WeCom, DingTalk or Feishu as far as HTTP shows one; listens on this machine. */
export class Receiver {
  readonly received: Received[] = []
  reply: Reply = (response) => response.end('{"errcode":0,"errmsg":"ok"}')
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const received = {
          url: request.url!,
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        }
        this.received.push(received)
        this.reply(response, received)
      })
    })
  }

  async start(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}

interface CloudEvent {
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly data: unknown
}

/** Checks the signature as a receiver should, with the library of Standard Webhooks; throws when it is wrong. */
export function verified({ body, headers }: Received, secret: string): CloudEvent {
  const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  return new Webhook(secret, secret.startsWith('whsec_') ? undefined : { format: 'raw' }).verify(
    body,
    signed,
  ) as CloudEvent
}
