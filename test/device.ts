import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import type { GatewayProcess } from './gateway-process.ts'

export interface DeviceFields {
  id: string
  kind?: string
  site?: string
  street?: string
  grid?: string
  protocols?: Record<string, unknown>
  attributes?: Record<string, string | number | boolean>
}

/** Registers a device over HTTP and answers its secret. */
export async function register(gateway: GatewayProcess, fields: DeviceFields): Promise<string> {
  const street = fields.street ?? 'tangzhazhen'
  const { secret } = await gateway.api<{ secret: string }>('POST', '/api/v1/devices', {
    kind: 'cooking_fume',
    site: `site-${fields.id}`,
    street,
    grid: `${street}-001`,
    position: [120.8239, 32.0616],
    ...fields,
  })
  return secret
}

export async function signIn(
  gateway: GatewayProcess,
  username: string,
  password: string,
  options: IClientOptions = {},
): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${gateway.ports.mqtt}`, {
    username,
    password,
    clientId: username,
    reconnectPeriod: 0,
    ...options,
  })
  client.on('error', () => {})
  return client
}

/** Registers and connects in one go. */
export async function device(
  gateway: GatewayProcess,
  fields: DeviceFields,
  options: IClientOptions = {},
): Promise<{ client: MqttClient; secret: string; send: (payload: unknown) => Promise<unknown> }> {
  const secret = await register(gateway, fields)
  const client = await signIn(gateway, fields.id, secret, options)
  const send = (payload: unknown) =>
    client.publishAsync(
      `v1/${fields.id}/readings`,
      typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload),
      { qos: 1 },
    )
  return { client, secret, send }
}

export interface Ledger {
  received: number
  accepted: number
  duplicates: number
  quarantined: number
  stored: number
  pending: number
  late: number
}

export const ledgerOf = (gateway: GatewayProcess) => gateway.api<Ledger>('GET', '/api/v1/ledger')

/** All points of a metric in time order. */
export async function pointsOf(
  gateway: GatewayProcess,
  id: string,
  metric: string,
): Promise<[number, number | boolean][]> {
  const to = Date.now() + 86_400_000
  const { points } = await gateway.api<{ points: [number, number | boolean][] }>(
    'GET',
    `/api/v1/readings?device=${id}&metric=${metric}&from=0&to=${to}&limit=100000`,
  )
  return points
}

/** Every item of a list, page by page. */
export async function all<T>(gateway: GatewayProcess, path: string): Promise<T[]> {
  const items: T[] = []
  let cursor: string | undefined
  do {
    const separator = path.includes('?') ? '&' : '?'
    const next = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page: { items: T[]; cursor?: string } = await gateway.api(
      'GET',
      `${path}${separator}limit=500${next}`,
    )
    items.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined)
  return items
}
