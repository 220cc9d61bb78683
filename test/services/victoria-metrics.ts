import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, installed, Service } from './service.ts'

const COMMAND = '/usr/bin/victoria-metrics'
export const hasVictoriaMetrics = installed(COMMAND)

/** One exported series: `{kind}_{field}` with its tags. */
export interface ExportedSeries {
  metric: Record<string, string>
  values: number[]
  timestamps: number[]
}

/** VictoriaMetrics stands in for InfluxDB 2: it takes the same writes at `/api/v2/write`. */
export class VictoriaMetrics {
  readonly url: string
  readonly #dir: string
  readonly #service: Service

  private constructor(dir: string, port: number) {
    this.url = `http://127.0.0.1:${port}`
    this.#dir = dir
    this.#service = new Service(
      COMMAND,
      [`-httpListenAddr=127.0.0.1:${port}`, `-storageDataPath=${dir}/data`, '-retentionPeriod=100y'],
      `${this.url}/health`,
    )
  }

  static async launch(): Promise<VictoriaMetrics> {
    const dir = mkdtempSync(join(tmpdir(), 'gridwhistle-victoria-'))
    const service = new VictoriaMetrics(dir, await freePort())
    await service.#service.start()
    return service
  }

  async dispose(): Promise<void> {
    await this.#service.stop('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** What it holds, after it has made all of it visible: it stores in the background. */
  async export(match: string): Promise<ExportedSeries[]> {
    await (await fetch(`${this.url}/internal/force_flush`)).text()
    const response = await fetch(
      `${this.url}/api/v1/export?${new URLSearchParams({ 'match[]': match }).toString()}`,
    )
    const text = await response.text()
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as ExportedSeries)
  }
}
