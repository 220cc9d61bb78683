/**
 * `node bench/line-protocol.ts`: line protocol over HTTP, 1,000 lines a request, beside MQTT with 50 readings a
 * message, in turn against the same gateway. The readings are the same, about as many are under way at once, and
 * load generator and InfluxDB share the machine with the gateway.
 */
import { spawn } from 'node:child_process'
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { LoadResult } from '../simulators/load.ts'
import { deviceIds } from '../simulators/load/fleet.ts'
import { writeTime } from '../simulators/load/frames.ts'
import { QUIET_KITCHEN } from '../simulators/load/payload.ts'
import { Secrets } from '../simulators/secrets.ts'
import { CpuWatch } from './processes.ts'
import { SYSTEMS, TOKEN, type System } from './systems.ts'

const ROUNDS = 3
const SECONDS = 5
/** Of the same load beforehand, by devices of its own: a gateway runs for years, and is compiled in the first seconds. */
const WARM_UP_SECONDS = 5
const LINES = 1000
/** Requests under way: as many readings as 100 connections with 4 messages of 50. */
const REQUESTS = 20

const cli = fileURLToPath(new URL('../cli/gridwhistle.ts', import.meta.url))
/** Of all senders, at most. */
const MOST_DEVICES = 1000
const PREFIXES = { warmUp: 'warm-', measured: 'load-' }

interface Measured {
  /** Readings/s. */
  readonly rate: number
  /** Of the gateway, µs for each reading. */
  readonly cpu: number
}

/** Loads the gateway for so long, by devices with this prefix. */
type Way = (system: System, prefix: string, seconds: number) => Promise<Measured>

async function mqtt(
  system: System,
  load: { devices: number; 'in-flight': number; batch: number },
  prefix: string,
  seconds: number,
): Promise<Measured> {
  const args = Object.entries({ ...load, 'device-prefix': prefix, duration: `${seconds}s` }).flatMap(
    ([name, value]) => [`--${name}`, String(value)],
  )
  const child = spawn(process.execPath, [cli, 'load', '--json', ...system.load, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const watch = new CpuWatch(system.programs)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  const result = JSON.parse(output) as LoadResult
  const { rate, acked, startedAt } = result
  return { rate, cpu: cpuOf(watch, acked, startedAt, startedAt + result.seconds * 1000) }
}

/** One sender of requests that are the same but for their times. */
class Sender {
  readonly #url: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #headers: Record<string, string | number>
  readonly #body: Buffer
  readonly #times: number[] = []
  #ts: number

  constructor(url: string, token: string, devices: readonly string[], ts: number) {
    const fields = Object.entries(QUIET_KITCHEN).map(([metric, value]) => `${metric}=${value}`)
    const lines = Array.from({ length: LINES }, (_, i) => {
      const device = devices[Math.floor((i * devices.length) / LINES)]
      return `cooking_fume,device=${device} ${fields.join(',')} `
    })
    let size = 0
    for (const line of lines) {
      this.#times.push(size + line.length)
      size += line.length + 14
    }
    this.#body = Buffer.from(lines.map((line) => `${line}0000000000000\n`).join(''))
    this.#url = new URL('/api/v2/write?precision=ms', url)
    this.#headers = { authorization: `Token ${token}`, 'content-length': this.#body.length }
    this.#ts = ts
  }

  async send(until: number): Promise<number> {
    let acked = 0
    while (performance.now() < until) {
      for (const at of this.#times) writeTime(this.#body, at, this.#ts++)
      const status = await new Promise<number>((resolve, reject) => {
        const post = request(
          this.#url,
          { method: 'POST', agent: this.#agent, headers: this.#headers },
          (answer) => {
            answer.resume().once('end', () => resolve(answer.statusCode!))
          },
        )
        post.once('error', reject)
        post.end(this.#body)
      })
      if (status !== 204) throw new Error(`HTTP ${status}`)
      acked += LINES
    }
    this.#agent.destroy()
    return acked
  }
}

/** A device hands in its own readings, or a gateway those of so many devices, each with as many lines in a request. */
async function lines(system: System, count: number, prefix: string, seconds: number): Promise<Measured> {
  const { url, secrets: file } = system.http!
  const secrets = new Secrets(file)
  const watch = new CpuWatch(system.programs)
  const startedAt = Date.now()
  const started = performance.now()
  const senders = Array.from({ length: REQUESTS }, (_, i) => {
    const devices = deviceIds(prefix, MOST_DEVICES).slice(i * count, (i + 1) * count)
    const own = devices[0]!
    return new Sender(url, count === 1 ? `${own}:${secrets.get(own)}` : TOKEN, devices, Date.now())
  })
  const acked = await Promise.all(senders.map((sender) => sender.send(started + seconds * 1000)))
  const readings = acked.reduce((sum, one) => sum + one, 0)
  return {
    rate: (readings * 1000) / (performance.now() - started),
    cpu: cpuOf(watch, readings, startedAt, Date.now()),
  }
}

function cpuOf(watch: CpuWatch, readings: number, from: number, to: number): number {
  return (watch.stop(from, to)['gridwhistle']! * 1e6) / readings
}

const byMqtt =
  (load: Parameters<typeof mqtt>[1]): Way =>
  (system, prefix, seconds) =>
    mqtt(system, load, prefix, seconds)
const byLines =
  (count: number): Way =>
  (system, prefix, seconds) =>
    lines(system, count, prefix, seconds)
const WAYS: Record<string, Way> = {
  'MQTT, 50 readings a message': byMqtt({ devices: 100, 'in-flight': 4, batch: 50 }),
  // As many devices, and as many readings of each, as in the last two ways: what they cost whatever the wire.
  'MQTT, 50 readings a message, 400 devices': byMqtt({ devices: 400, 'in-flight': 1, batch: 50 }),
  'MQTT, 20 readings a message, 1,000 devices': byMqtt({ devices: 1000, 'in-flight': 1, batch: 20 }),
  'line protocol, 1,000 lines of one device': byLines(1),
  'line protocol, 1,000 lines of 20 devices': byLines(20),
  'line protocol, 1,000 lines of 50 devices': byLines(50),
}
const results = new Map<string, Measured[]>()
for (let round = 0; round < ROUNDS; round++) {
  for (const [way, measure] of Object.entries(WAYS)) {
    const system = await SYSTEMS.gridwhistle()
    try {
      await system.register(Object.values(PREFIXES).flatMap((prefix) => deviceIds(prefix, MOST_DEVICES)))
      await measure(system, PREFIXES.warmUp, WARM_UP_SECONDS)
      const result = await measure(system, PREFIXES.measured, SECONDS)
      process.stderr.write(`${way}: ${Math.round(result.rate)}/s, ${result.cpu.toFixed(2)} µs\n`)
      results.set(way, [...(results.get(way) ?? []), result])
    } finally {
      await system.stop()
    }
  }
}

const median = (way: string, figure: keyof Measured) =>
  results
    .get(way)!
    .map((result) => result[figure])
    .sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!
const [mqttWay] = Object.keys(WAYS)
process.stdout.write(
  '| way | readings/s | to MQTT | CPU of the gateway, µs per reading |\n| --- | --: | --: | --: |\n',
)
for (const way of Object.keys(WAYS)) {
  const rate = median(way, 'rate')
  const ratio = (rate / median(mqttWay!, 'rate')).toFixed(2)
  process.stdout.write(
    `| ${way} | ${Math.round(rate).toLocaleString('en')} | ${ratio} | ${median(way, 'cpu').toFixed(2)} |\n`,
  )
}
