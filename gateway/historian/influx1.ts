import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { InfluxDB, ResultError } from 'influx'
import type { Config } from '../config.ts'
import { addressOf, CreationRefused, refusal, REQUEST_TIMEOUT_MS, type Wire } from './influx.ts'
import type { Answer } from './isolate.ts'

const compress = promisify(gzip)

/**
 * InfluxDB 1.x. Databases and queries go through the `influx` library; writes do not: it only takes points as
 * objects and formats them itself (three times our cost), sets a server aside for a while after an error, and
 * throws the body of a 5xx away, which is where InfluxDB says that its disk is full.
 */
export class Influx1 implements Wire {
  readonly #client: InfluxDB
  readonly #database: string
  readonly #writeUrl: string
  readonly #headers: Record<string, string>
  readonly #gzip: boolean

  constructor(config: Config['historian']) {
    const address = addressOf(config.url)
    const url = new URL(address)
    this.#database = config.database
    this.#writeUrl = `${address}/write?${new URLSearchParams({ db: config.database, precision: 'ms' }).toString()}`
    this.#headers = { 'content-type': 'text/plain; charset=utf-8' }
    if (config.username !== undefined) {
      const credentials = Buffer.from(`${config.username}:${config.password ?? ''}`)
      this.#headers['authorization'] = `Basic ${credentials.toString('base64')}`
    }
    this.#gzip = config.gzip
    if (config.gzip) this.#headers['content-encoding'] = 'gzip'
    this.#client = new InfluxDB({
      host: url.hostname,
      port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
      protocol: url.protocol === 'https:' ? 'https' : 'http',
      path: url.pathname === '/' ? '' : url.pathname,
      database: config.database,
      ...(config.username === undefined
        ? {}
        : { username: config.username, password: config.password ?? '' }),
      // One query's failure says nothing of the next one: never set the server aside.
      pool: { maxRetries: 0, requestTimeout: REQUEST_TIMEOUT_MS, backoff: noBackoff },
    })
  }

  async post(lines: string): Promise<Answer> {
    const response = await fetch(this.#writeUrl, {
      method: 'POST',
      headers: this.#headers,
      body: this.#gzip ? await compress(lines) : lines,
      redirect: 'error',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    const text = await response.text()
    if (response.ok) return { type: 'stored' }
    return refusal(response.status, messageOf(text))
  }

  async create(): Promise<void> {
    try {
      await this.#client.createDatabase(this.#database)
    } catch (error) {
      const { message } = error as Error
      // The library does not export the class of its 4xx errors; they all begin like this.
      if (!(error instanceof ResultError) && !/^A 4\d\d /.test(message)) throw error
      throw new CreationRefused(`database ${this.#database} could not be created: ${message}`, {
        cause: error,
      })
    }
  }

  async ask(influxql: string): Promise<unknown> {
    return (await this.#client.queryRaw(influxql, { precision: 'ms' })) as unknown
  }
}

const noBackoff = { getDelay: () => 0, next: () => noBackoff, reset: () => noBackoff }

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { error?: string }).error ?? body
  } catch {
    return body
  }
}
