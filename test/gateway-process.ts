import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The command line's entry point. */
export const cli = fileURLToPath(new URL('../cli/gridwhistle.ts', import.meta.url))

export interface Ready {
  ready: true
  mqtt: number
  mqtts?: number
  ws: number
  http: number
  hj212?: number
}

export const ADMIN_TOKEN = 'test-admin-token-0123456789'

/** Undefined takes a variable away. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The gateway as its users run it: a process of its own, reached only through its ports and signals. */
export class GatewayProcess {
  readonly dataDir: string
  readonly #command: readonly string[]
  readonly #environment: Environment
  #child: ChildProcess | undefined
  #ready: Ready | undefined
  /** Everything it wrote to standard error in its present life. */
  log = ''

  constructor(environment: Environment = {}, command: readonly string[] = ['serve']) {
    this.dataDir = mkdtempSync(join(tmpdir(), 'gridwhistle-test-'))
    this.#command = command
    this.#environment = {
      GW_DATA_DIR: this.dataDir,
      GW_ADMIN_TOKEN: ADMIN_TOKEN,
      GW_MQTT_PORT: '0',
      GW_WS_PORT: '0',
      GW_HTTP_PORT: '0',
      ...environment,
    }
  }

  /** Resolves with the ready line; rejects with what it logged when it ends before that. */
  async start(): Promise<Ready> {
    this.log = ''
    const child = spawn(process.execPath, [cli, ...this.#command], {
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    child.stderr.on('data', (chunk: Buffer) => {
      this.log = (this.log + chunk.toString()).slice(-200_000)
    })
    const lines = createInterface(child.stdout)
    const line = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      child.once('exit', (code, signal) =>
        reject(new Error(`gateway ended (${code ?? signal}) before it was ready:\n${this.log}`)),
      )
    })
    this.#ready = JSON.parse(line) as Ready
    return this.#ready
  }

  get ports(): Ready {
    if (this.#ready === undefined) throw new Error('the gateway has not been started')
    return this.#ready
  }

  /** For commands that are to find this gateway's data and token. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, ...this.#environment }
  }

  get pid(): number {
    return this.#child!.pid!
  }

  /** Sends the signal and resolves with the exit code, or null when the signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null
    const exit = once(child, 'exit') as Promise<[number | null]>
    child.kill(signal)
    return (await exit)[0]
  }

  /** Ends it and removes its data. */
  async dispose(): Promise<void> {
    await this.end('SIGKILL')
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  /** An API call as admin; throws on anything but 2xx. */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.request(method, path, body)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  async request(method: string, path: string, body?: unknown, token = ADMIN_TOKEN): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.ports.http}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }
}

/** Polls until the probe answers something; throws with its name when it takes too long. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  withinMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
