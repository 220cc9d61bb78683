import { HttpError, InfluxDB, type Transport } from '@influxdata/influxdb-client'
import { BucketsAPI, OrgsAPI } from '@influxdata/influxdb-client-apis'
import type { Config } from '../config.ts'
import { addressOf, CreationRefused, refusal, REQUEST_TIMEOUT_MS, type Wire } from './influx.ts'
import type { Answer } from './isolate.ts'

/**
 * InfluxDB 2.x and 3.x, over the transport of `@influxdata/influxdb-client` (token, gzip, errors). Its WriteApi
 * is not used: it buffers without back-pressure, retries on its own, and takes a 201 for success, by which
 * InfluxDB 3 says that it has left some lines out.
 */
export class Influx2 implements Wire {
  readonly #client: InfluxDB
  readonly #transport: Transport
  readonly #org: string
  readonly #bucket: string
  readonly #gzip: boolean

  constructor(config: Config['historian']) {
    this.#client = new InfluxDB({
      url: addressOf(config.url),
      timeout: REQUEST_TIMEOUT_MS,
      ...(config.token === undefined ? {} : { token: config.token }),
    })
    this.#transport = this.#client.transport
    this.#org = config.org
    this.#bucket = config.bucket
    this.#gzip = config.gzip
  }

  async post(lines: string): Promise<Answer> {
    const where = new URLSearchParams({ org: this.#org, bucket: this.#bucket, precision: 'ms' }).toString()
    let status = 0
    try {
      const body: unknown = await this.#transport.request(
        `/api/v2/write?${where}`,
        lines,
        {
          method: 'POST',
          headers: { 'content-type': 'text/plain; charset=utf-8' },
          ...(this.#gzip ? { gzipThreshold: 0 } : {}),
          signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        },
        (_headers, code) => {
          status = code ?? 0
        },
      )
      return status === 201
        ? { type: 'refused', reason: JSON.stringify(body).slice(0, 500) }
        : { type: 'stored' }
    } catch (error) {
      if (error instanceof HttpError) return refusal(error.statusCode, messageOf(error))
      throw error
    }
  }

  async create(): Promise<void> {
    try {
      const { orgs } = await new OrgsAPI(this.#client).getOrgs({ org: this.#org })
      const orgID = orgs?.[0]?.id
      if (orgID === undefined) throw new CreationRefused(`InfluxDB has no organisation ${this.#org}`)
      await new BucketsAPI(this.#client).postBuckets({
        body: { orgID, name: this.#bucket, retentionRules: [] },
      })
    } catch (error) {
      if (!(error instanceof HttpError) || error.statusCode >= 500) throw error
      // 422: it is there already.
      if (error.statusCode === 422) return
      // 404: no such organisation, or a server that takes writes and knows no buckets (VictoriaMetrics).
      // 401, 403: a token for this bucket's data and nothing else.
      throw new CreationRefused(
        `bucket ${this.#bucket} could not be created: ${error.statusCode} ${messageOf(error)}`,
        { cause: error },
      )
    }
  }

  async ask(influxql: string): Promise<unknown> {
    return (await this.#transport.request(
      `/query?${new URLSearchParams({ db: this.#bucket, epoch: 'ms' }).toString()}`,
      new URLSearchParams({ q: influxql }).toString(),
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      },
    )) as unknown
  }
}

function messageOf(error: HttpError): string {
  return error.body ?? error.message
}
