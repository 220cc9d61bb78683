import { fileURLToPath } from 'node:url'
import { connectAsync, type MqttClient } from 'mqtt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { eventually, GatewayProcess } from '../gateway-process.ts'

/**
 * Kills the gateway (−9) again and again while devices publish, and compares what was acknowledged with
 * what the historian holds afterwards. The oracle is a set in this process: a reading enters it when its
 * PUBACK arrives, and nothing else counts as a promise.
 */
export interface CrashReport {
  readonly kills: number
  readonly sent: number
  readonly acknowledged: number
  readonly stored: number
  /** Acknowledged readings that the historian does not hold. */
  readonly lost: number
  /** Points that the historian holds more than once or that nobody sent. */
  readonly doubled: number
  /** The slowest start until the ready line, ms. */
  readonly slowestStart: number
  readonly alarms: number
  /** Alarms that should be there and are not, and the other way round. */
  readonly alarmsMissing: number
  readonly alarmsUnexpected: number
  readonly alarmsWithoutCase: number
  readonly openCases: number
  readonly devices: number
  readonly ledger: Record<string, number>
}

const DEVICES = 8
const PUBLISH_EVERY_MS = 20
/** Length of the stretches over and under the limit. Several fit between two kills. */
const STRETCH_MS = 150

const overLimit = (ts: number) => Math.floor(ts / STRETCH_MS) % 2 === 0

class SimulatedDevice {
  readonly id: string
  readonly secret: string
  readonly sent = new Map<number, number>()
  readonly acknowledged = new Map<number, number>()
  #client: MqttClient | undefined
  #timer: NodeJS.Timeout | undefined
  #ts = Date.now()

  constructor(id: string, secret: string) {
    this.id = id
    this.secret = secret
  }

  async connect(port: number): Promise<void> {
    this.#client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      clientId: this.id,
      username: this.id,
      password: this.secret,
      clean: false,
      reconnectPeriod: 0,
    })
    this.#client.on('error', () => {})
  }

  publish(): void {
    this.#timer = setInterval(() => this.#publishOne(), PUBLISH_EVERY_MS)
  }

  /** Every third message repeats the one before it, as a device does that missed an acknowledgement. */
  #publishOne(): void {
    this.#ts = Math.max(this.#ts + 1, Date.now())
    const value = overLimit(this.#ts) ? 8 + (this.#ts % 100) / 100 : 0.5
    this.#send(this.#ts, value)
    if (this.#ts % 3 === 0) this.#send(this.#ts, value)
  }

  #send(ts: number, fume: number): void {
    this.sent.set(ts, fume)
    this.#client!.publish(
      `v1/${this.id}/readings`,
      JSON.stringify({ ts, metrics: { fume, fan: true } }),
      { qos: 1 },
      (error) => {
        if (error === undefined || error === null) this.acknowledged.set(ts, fume)
      },
    )
  }

  /** Sends what was never acknowledged once more: the device's duty after a lost connection. */
  resend(): void {
    for (const [ts, fume] of this.sent) if (!this.acknowledged.has(ts)) this.#send(ts, fume)
  }

  /** Starts of the alarms that the rule of rules/fume.yaml must have given, whatever was killed in between. */
  expectedAlarms(): number[] {
    const times = [...this.sent.keys()].sort((a, b) => a - b)
    return times.filter((ts, index) => overLimit(ts) && (index === 0 || !overLimit(times[index - 1]!)))
  }

  pause(): void {
    clearInterval(this.#timer)
  }

  drop(): void {
    this.pause()
    this.#client?.end(true)
  }
}

export async function crash(options: {
  kills: number
  seed: number
  environment?: Record<string, string>
  onKill?: (kill: number) => void
}): Promise<CrashReport> {
  const rules = fileURLToPath(new URL('rules', import.meta.url))
  const gateway = new GatewayProcess({ GW_RULES_DIR: rules, ...options.environment })
  const random = xoroshiro128plus(options.seed)
  let slowestStart = 0
  const start = async () => {
    const began = performance.now()
    await gateway.start()
    slowestStart = Math.max(slowestStart, performance.now() - began)
  }
  try {
    await start()
    const devices: SimulatedDevice[] = []
    for (let index = 0; index < DEVICES; index++) {
      const id = `crash-${index}`
      const { secret } = await gateway.api<{ secret: string }>('POST', '/api/v1/devices', {
        id,
        kind: 'cooking_fume',
        site: `site-${index}`,
        street: 'tangzhazhen',
        grid: 'tangzhazhen-001',
        position: [120.8239, 32.0616],
      })
      devices.push(new SimulatedDevice(id, secret))
    }
    for (let kill = 0; kill < options.kills; kill++) {
      await Promise.all(devices.map((device) => device.connect(gateway.ports.mqtt)))
      for (const device of devices) {
        device.resend()
        device.publish()
      }
      await new Promise((resolve) => setTimeout(resolve, uniformInt(random, 60, 500)))
      await gateway.end('SIGKILL')
      for (const device of devices) device.drop()
      await start()
      options.onKill?.(kill + 1)
    }
    await Promise.all(devices.map((device) => device.connect(gateway.ports.mqtt)))
    for (const device of devices) device.resend()
    await eventually('every reading acknowledged in the end', () =>
      devices.every((device) => device.acknowledged.size === device.sent.size) ? true : undefined,
    )
    const ledger = await eventually('nothing pending', async () => {
      const now = await gateway.api<Record<string, number>>('GET', '/api/v1/ledger')
      return now['pending'] === 0 ? now : undefined
    })
    const outcome = { sent: 0, acknowledged: 0, stored: 0, lost: 0, doubled: 0 }
    for (const device of devices) await compare(gateway, device, outcome)
    const alarms = await settledAlarms(gateway)
    const expected = new Set(
      devices.flatMap((device) => device.expectedAlarms().map((ts) => `${device.id} ${ts}`)),
    )
    const found = alarms.map((alarm) => `${alarm.device} ${alarm.startedAt}`)
    const cases = await gateway.api<{ items: { state: string }[] }>('GET', '/api/v1/cases?limit=1000')
    for (const device of devices) device.drop()
    return {
      kills: options.kills,
      ...outcome,
      slowestStart: Math.round(slowestStart),
      alarms: found.length,
      alarmsMissing: [...expected].filter((alarm) => !found.includes(alarm)).length,
      alarmsUnexpected:
        found.filter((alarm) => !expected.has(alarm)).length + found.length - new Set(found).size,
      alarmsWithoutCase: alarms.filter((alarm) => alarm.case === null).length,
      openCases: cases.items.filter((item) => item.state !== 'closed' && item.state !== 'void').length,
      devices: devices.length,
      ledger,
    }
  } finally {
    await gateway.dispose()
  }
}

interface AlarmItem {
  device: string
  startedAt: number
  state: string
  case: string | null
}

/** All alarms that stand in the end: withdrawn ones were corrected by a resent reading. */
async function settledAlarms(gateway: GatewayProcess): Promise<AlarmItem[]> {
  const alarms: AlarmItem[] = []
  let cursor: string | undefined
  do {
    const page: { items: AlarmItem[]; cursor?: string } = await gateway.api(
      'GET',
      `/api/v1/alarms?limit=1000${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    )
    alarms.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined)
  return alarms.filter((alarm) => alarm.state !== 'withdrawn')
}

async function compare(
  gateway: GatewayProcess,
  device: SimulatedDevice,
  outcome: { sent: number; acknowledged: number; stored: number; lost: number; doubled: number },
): Promise<void> {
  const { points } = await gateway.api<{ points: [number, number][] }>(
    'GET',
    `/api/v1/readings?device=${device.id}&metric=fume&from=0&to=${Date.now() + 86_400_000}&limit=100000`,
  )
  const stored = new Map(points)
  outcome.sent += device.sent.size
  outcome.acknowledged += device.acknowledged.size
  outcome.stored += points.length
  for (const [ts, fume] of device.acknowledged) if (stored.get(ts) !== fume) outcome.lost += 1
  outcome.doubled += points.length - stored.size
  for (const [ts, fume] of stored) if (device.sent.get(ts) !== fume) outcome.doubled += 1
}
