import { parallel } from '../parallel.ts'
import type { Registration } from '../reading.ts'
import type { Secrets } from '../secrets.ts'
import { PublishTemplate, type Qos } from './frames.ts'
import { UploadTemplate } from './hj212-frames.ts'
import { Hj212Lane } from './hj212-lane.ts'
import { HttpLane } from './http-lane.ts'
import type { Lane, LaneListener } from './lane.ts'
import { MqttLane } from './mqtt-lane.ts'
import { httpPayload, type Metrics, readingsPayload } from './payload.ts'

export const PROTOCOLS = ['mqtt', 'http', 'hj212'] as const
export type Protocol = (typeof PROTOCOLS)[number]

export interface FleetOptions {
  readonly protocol: Protocol
  /** Of MQTT. */
  readonly qos: Qos
  readonly mqttUrl: string
  readonly hj212Url: string
  readonly httpUrl: string
  /** Where a device publishes, `{device}` filled in. */
  readonly topic: string
  /** Devices whose secret is not known sign in anonymously. */
  readonly secrets: Secrets
  /** Messages of a device that may wait for their acknowledgement. */
  readonly slots: number
}

/** Connections opened at once. */
const PARALLEL = 100
const CONNECT_LIMIT = 60_000

/** Makes the lanes of devices and opens them. */
export class Fleet {
  readonly #options: FleetOptions

  constructor(options: FleetOptions) {
    this.#options = options
  }

  /** The lane of a device that says the same in each message, `batch` readings of it. */
  lane(device: string, metrics: Metrics, batch: number, listener: LaneListener): Lane {
    const { protocol, qos, mqttUrl, httpUrl, hj212Url, topic, secrets, slots } = this.#options
    const secret = secrets.get(device)
    if (protocol === 'http') {
      const payload = httpPayload(device, metrics, batch)
      const bearer = `${device}:${secret ?? ''}`
      return new HttpLane({ device, url: httpUrl, bearer, payload, slots }, listener)
    }
    if (protocol === 'hj212') {
      const { hostname: host, port } = new URL(hj212Url)
      const template = new UploadTemplate(device, metrics)
      return new Hj212Lane(
        { device, host, port: Number(port === '' ? 9212 : port), template, slots },
        listener,
      )
    }
    const { hostname, port } = new URL(mqttUrl)
    return new MqttLane(
      {
        host: hostname,
        port: Number(port === '' ? 1883 : port),
        clientId: device,
        credentials: secret === undefined ? undefined : { username: device, password: secret },
        template: new PublishTemplate(
          topic.replaceAll('{device}', device),
          readingsPayload(metrics, batch),
          qos,
        ),
        batch,
        slots,
      },
      listener,
    )
  }

  /** Rejects with the first refusal, or when not all could connect in a minute. */
  async open(
    lanes: readonly Lane[],
    onProgress: (done: number) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const late = Promise.withResolvers<never>()
    let done = 0
    const timer = setTimeout(() => {
      late.reject(new Error(`only ${done} of ${lanes.length} devices could connect in a minute`))
    }, CONNECT_LIMIT)
    try {
      const opening = parallel(lanes, PARALLEL, async (lane) => {
        signal?.throwIfAborted()
        await lane.open()
        onProgress(++done)
      })
      await Promise.race([opening, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
}

export function deviceIds(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(6, '0')}`)
}

/** Each with its id for an MN, and at a site of its own, so that no two alarms of a load share a case. */
export function registration(id: string, protocol: Protocol = 'mqtt'): Registration {
  return {
    id,
    kind: 'cooking_fume',
    site: id,
    street: 'tangzhazhen',
    grid: 'tangzhazhen-001',
    attributes: { simulated: true },
    ...(protocol === 'hj212' && { protocols: { hj212: { mn: id } } }),
  }
}
