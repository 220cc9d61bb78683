import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A real server from Debian as a child process; it keeps its port and its files from one life to the next. */
export class Service {
  readonly #command: string
  readonly #args: readonly string[]
  /** Answers 2xx as soon as the service takes requests. */
  readonly #ready: string
  #child: ChildProcess | undefined
  #output = ''

  constructor(command: string, args: readonly string[], ready: string) {
    this.#command = command
    this.#args = args
    this.#ready = ready
  }

  async start(): Promise<void> {
    const child = spawn(this.#command, this.#args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-10_000)
      })
    }
    const deadline = Date.now() + 20_000
    while (Date.now() < deadline && child.exitCode === null) {
      const answer = await fetch(this.#ready).catch(() => undefined)
      await answer?.body?.cancel()
      if (answer?.ok === true) return
      await sleep(50)
    }
    await this.stop('SIGKILL')
    throw new Error(`${this.#command} does not answer at ${this.#ready}:\n${this.#output}`)
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    const killer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await gone
    clearTimeout(killer)
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether a test can have the service: {@link ../services.ts} installs them, and CI insists on it. */
export function installed(command: string): boolean {
  return existsSync(command)
}
