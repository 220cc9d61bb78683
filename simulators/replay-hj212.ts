import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { LoggedFrame } from './hj212-frame.ts'
import type { InFlight } from './in-flight.ts'
import type { Player, PlayerListener } from './replay-player.ts'

/** How long an answer is waited for: three times the standard's 10 s (HJ 212-2017 table 1, cellular), ms. */
const ANSWER_LIMIT = 30_000

/** Raw frames over a TCP connection of the device's own. One that asks for it is acknowledged by its 9014. */
export class FramePlayer implements Player<LoggedFrame> {
  readonly #device: string
  readonly #url: URL
  readonly #window: InFlight
  readonly #listener: PlayerListener
  /** By request number, the oldest first: frames of one packet may share theirs. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #socket: Socket | undefined
  #unread = ''

  /** `url`: tcp://host:port */
  constructor(device: string, url: string, window: InFlight, listener: PlayerListener) {
    this.#device = device
    this.#url = new URL(url)
    this.#window = window
    this.#listener = listener
  }

  async start(signal: AbortSignal): Promise<void> {
    const socket = connect({ host: this.#url.hostname, port: Number(this.#url.port), noDelay: true })
    this.#socket = socket
    await once(socket, 'connect', { signal })
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#hear(chunk))
    // What was not answered by then is not going to be.
    socket.on('error', () => {})
  }

  async play(frame: LoggedFrame, offset: number): Promise<void> {
    const bytes = frame.moved(offset)
    const qn = frame.asksForAck ? /QN=(\d+)/.exec(bytes.toString('latin1'))?.[1] : undefined
    await this.#window.start(async () => {
      const answered = qn === undefined ? undefined : this.#answer(qn)
      await this.#write(bytes)
      if (answered === undefined) return
      await answered
      this.#listener.onAcknowledged(1)
    })
    this.#listener.onSent(this.#device, 1)
  }

  async flush(): Promise<void> {}

  async stop(): Promise<void> {
    this.#socket?.end()
  }

  async #write(bytes: Buffer): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#socket!.write(bytes, (error) => (error ? reject(error) : resolve()))
    await promise
  }

  async #answer(qn: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = this.#waiting.get(qn) ?? []
    this.#waiting.set(qn, [...waiting, resolve])
    const give = (reason: string) => (): void => reject(new Error(`${this.#device}: ${reason}`))
    const timer = setTimeout(give(`no answer to ${qn}`), ANSWER_LIMIT)
    const closed = give('the gateway closed the connection')
    this.#socket!.once('close', closed)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#socket!.off('close', closed)
    }
  }

  #hear(chunk: string): void {
    const lines = (this.#unread + chunk).split('\r\n')
    this.#unread = lines.pop()!
    for (const line of lines) {
      if (!/;CN=9014;/.test(line)) continue
      const qn = /QN=(\d+)/.exec(line)?.[1] ?? ''
      const [first, ...others] = this.#waiting.get(qn) ?? []
      if (others.length === 0) this.#waiting.delete(qn)
      else this.#waiting.set(qn, others)
      first?.()
    }
  }
}
