import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, installed } from './service.ts'

const COMMAND = '/usr/sbin/mosquitto'
export const hasMosquitto = installed(COMMAND)

/** Files of a certificate that the broker shows, and of the CA whose clients it lets in. */
export interface BrokerTls {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** Debian's Mosquitto on a port and in a folder of its own; sessions and queues outlive a restart. */
export class Mosquitto {
  readonly port: number
  readonly #dir: string
  readonly #config: string
  #child: ChildProcess | undefined
  #output = ''

  private constructor(dir: string, port: number) {
    this.#dir = dir
    this.port = port
    this.#config = join(dir, 'mosquitto.conf')
  }

  static async launch(
    options: { readonly tls?: BrokerTls; readonly lines?: string } = {},
  ): Promise<Mosquitto> {
    const dir = mkdtempSync(join(tmpdir(), 'gridwhistle-mosquitto-'))
    const broker = new Mosquitto(dir, await freePort())
    const { tls, lines = '' } = options
    const secure =
      tls === undefined
        ? ''
        : `cafile ${tls.ca}\ncertfile ${tls.cert}\nkeyfile ${tls.key}\nrequire_certificate true\n`
    writeFileSync(
      broker.#config,
      // Its default forgets what an absent client misses beyond 1,000 messages.
      `listener ${broker.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n` +
        `persistence true\npersistence_location ${dir}/\nautosave_interval 1\nuser root\n${secure}${lines}\n`,
    )
    await broker.start()
    return broker
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    const child = spawn(COMMAND, ['-c', this.#config], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-10_000)))
    const deadline = Date.now() + 10_000
    while (Date.now() < deadline && child.exitCode === null) {
      if (await this.#answers()) return
      await sleep(20)
    }
    await this.stop()
    throw new Error(`mosquitto does not listen on ${this.port}:\n${this.#output}`)
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async #answers(): Promise<boolean> {
    const socket = connect(this.port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return true
    } catch {
      return false
    } finally {
      socket.destroy()
    }
  }
}
