import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, installed, Service } from './service.ts'

const COMMAND = '/usr/bin/influxd'
export const hasInfluxd = installed(COMMAND)

/** InfluxDB 1.6.7 on a port and in a folder of its own. */
export class Influxd {
  readonly url: string
  readonly #dir: string
  readonly #service: Service

  private constructor(dir: string, port: number, config: string) {
    this.url = `http://127.0.0.1:${port}`
    this.#dir = dir
    this.#service = new Service(COMMAND, ['-config', config], `${this.url}/ping`)
  }

  /** With `dataDir` its data lies there (a disk of its own, say), else in a temporary folder. */
  static async launch(dataDir?: string): Promise<Influxd> {
    const dir = mkdtempSync(join(tmpdir(), 'gridwhistle-influxd-'))
    const [http, rpc] = [await freePort(), await freePort()]
    const config = join(dir, 'influxdb.conf')
    const data = dataDir ?? dir
    writeFileSync(
      config,
      `reporting-disabled = true
bind-address = "127.0.0.1:${rpc}"
[meta]
dir = "${data}/meta"
[data]
dir = "${data}/data"
wal-dir = "${data}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:${http}"
log-enabled = false
[monitor]
store-enabled = false
[continuous_queries]
enabled = false
`,
    )
    const influxd = new Influxd(dir, http, config)
    await influxd.start()
    return influxd
  }

  async start(): Promise<void> {
    await this.#service.start()
  }

  async stop(): Promise<void> {
    await this.#service.stop()
  }

  async kill(): Promise<void> {
    await this.#service.stop('SIGKILL')
  }

  /** Ends it for good and removes its files. */
  async dispose(): Promise<void> {
    await this.kill()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** Rows of the first series of an answer, times in milliseconds; throws what InfluxDB complains of. */
  async query(influxql: string, database = ''): Promise<unknown[][]> {
    const response = await fetch(`${this.url}/query`, {
      method: 'POST',
      body: new URLSearchParams({ q: influxql, db: database, epoch: 'ms' }),
    })
    const answer = (await response.json()) as {
      error?: string
      results?: { error?: string; series?: { values: unknown[][] }[] }[]
    }
    const problem = answer.error ?? answer.results?.[0]?.error
    if (problem !== undefined) throw new Error(problem)
    return answer.results?.[0]?.series?.[0]?.values ?? []
  }
}
