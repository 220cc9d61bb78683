import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Target } from './target.ts'

const CLI = fileURLToPath(new URL('gridwhistle.ts', import.meta.url))

/** A gateway for one run: a process of its own with a clock that the run drives, on data that go with it. */
export class OwnGateway {
  #child: ChildProcess | undefined
  #dataDir: string | undefined

  async start(): Promise<Pick<Target, 'mqttUrl' | 'httpUrl'> & { readonly token: string }> {
    const token = randomBytes(24).toString('base64url')
    this.#dataDir = mkdtempSync(join(tmpdir(), 'gridwhistle-run-'))
    const child = spawn(process.execPath, [CLI, 'serve'], {
      env: {
        ...process.env,
        GW_DATA_DIR: this.#dataDir,
        GW_ADMIN_TOKEN: token,
        GW_HOST: '127.0.0.1',
        GW_MQTT_PORT: '0',
        GW_WS_PORT: '0',
        GW_HTTP_PORT: '0',
        GW_CLOCK: 'driven',
        // Whoever takes orders of a run is of the run.
        GW_DISPATCH_SIMULATED: 'true',
        GW_LOG_LEVEL: 'error',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    const lines = createInterface(child.stdout)
    const line = await Promise.race([once(lines, 'line'), once(child, 'exit')])
    if (typeof line[0] !== 'string') throw new Error('the gateway of the run has ended before it was ready')
    const { mqtt, http } = JSON.parse(line[0]) as { mqtt: number; http: number }
    return { mqttUrl: `mqtt://127.0.0.1:${mqtt}`, httpUrl: `http://127.0.0.1:${http}`, token }
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }
    if (this.#dataDir !== undefined) rmSync(this.#dataDir, { recursive: true, force: true })
  }
}
