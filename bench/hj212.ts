/**
 * HJ 212 beside MQTT in one run: readings/s acknowledged after the fsync, with as many connections and messages under
 * way, and what an idle connection of a monitor costs in memory.
 *
 *   node bench/hj212.ts [rounds]
 *
 * The same seven metrics go both ways. Load generator and gateway share the machine; ratios are taken within a round.
 * Rules and store are given the time to catch up before each turn: MQTT leaves them more to do, which HJ 212 would pay
 * for in its own turn.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LoadResult } from '../simulators/load.ts'
import { CpuWatch, Program, residentBytes } from './processes.ts'
import { median } from './report.ts'
import { TOKEN } from './systems.ts'

const ROUNDS = Number(process.argv[2] ?? 3)
const DEVICES = 2000
/** More than are loaded: what the heap has free after the start would flatter a few. */
const IDLE = 8000
const SECONDS = 5
const cli = fileURLToPath(new URL('../cli/gridwhistle.ts', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-bench-'))
const { program, line } = await Program.launch(
  'gridwhistle',
  process.execPath,
  ['--max-semi-space-size=64', cli, 'serve'],
  /"ready":true/,
  {
    env: {
      GW_DATA_DIR: folder,
      GW_ADMIN_TOKEN: TOKEN,
      GW_MQTT_PORT: '0',
      GW_WS_PORT: '0',
      GW_HTTP_PORT: '0',
      GW_HJ212_PORT: '0',
      GW_HJ212_FRAMES_PER_SECOND: '1000',
      GW_LOG_LEVEL: 'error',
    },
  },
)
const ports = JSON.parse(line) as { mqtt: number; http: number; hj212: number }

try {
  process.stdout.write(
    `${(await idleKiB()).toFixed(1)} KiB for each of ${IDLE} idle connections of monitors\n\n`,
  )
  process.stdout.write(
    '| in flight | MQTT readings/s (µs CPU) | HJ 212 readings/s (µs CPU) | ratio |\n|--:|--:|--:|--:|\n',
  )
  for (const inFlight of [1, 10]) {
    const rounds: { mqtt: Measured; hj212: Measured }[] = []
    for (let round = 0; round < ROUNDS; round++) {
      rounds.push({ mqtt: await measure('mqtt', inFlight), hj212: await measure('hj212', inFlight) })
    }
    const of = (pick: (round: (typeof rounds)[number]) => number) => median(rounds.map(pick)) ?? NaN
    const cell = (name: 'mqtt' | 'hj212') =>
      `${Math.round(of((round) => round[name].rate))} (${of((round) => round[name].cpu).toFixed(1)})`
    const ratio = of(({ mqtt, hj212 }) => hj212.rate / mqtt.rate).toFixed(2)
    process.stdout.write(`| ${inFlight} | ${cell('mqtt')} | ${cell('hj212')} | ${ratio} |\n`)
  }
} finally {
  await program.stop()
  rmSync(folder, { recursive: true, force: true })
}

interface Measured {
  readonly rate: number
  /** Of the gateway, microseconds for each reading. */
  readonly cpu: number
}

async function measure(protocol: 'mqtt' | 'hj212', inFlight: number): Promise<Measured> {
  await caughtUp()
  const watch = new CpuWatch([program])
  const result = await generate(protocol, inFlight)
  if (!result.complete) throw new Error(`${protocol}: ${result.firstError ?? 'something went unanswered'}`)
  const { gridwhistle } = watch.stop(result.startedAt, result.startedAt + result.seconds * 1000)
  return { rate: result.rate, cpu: ((gridwhistle ?? NaN) * 1e6) / result.acked }
}

/** Resolves when no consumer of the journal is behind. */
async function caughtUp(): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${ports.http}/metrics`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    const metrics = await response.text()
    const lags = [...metrics.matchAll(/^gridwhistle_consumer_lag_readings\{.*\} (\d+)$/gm)]
    if (lags.length > 0 && lags.every(([, lag]) => lag === '0')) return
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

async function generate(protocol: 'mqtt' | 'hj212', inFlight: number): Promise<LoadResult> {
  const options = {
    protocol,
    'device-prefix': `${protocol}-`,
    devices: DEVICES,
    'in-flight': inFlight,
    duration: `${SECONDS}s`,
    to: `mqtt://127.0.0.1:${ports.mqtt}`,
    http: `http://127.0.0.1:${ports.http}`,
    hj212: `tcp://127.0.0.1:${ports.hj212}`,
    secrets: join(folder, `${protocol}.json`),
  }
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn(process.execPath, [cli, 'load', '--json', ...args], {
    env: { ...process.env, GW_ADMIN_TOKEN: TOKEN },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  return JSON.parse(output) as LoadResult
}

/** KiB of resident memory for each connection that has said nothing yet. */
async function idleKiB(): Promise<number> {
  const settle = () => new Promise((resolve) => setTimeout(resolve, 2000))
  await settle()
  const before = residentBytes(program.pid)
  const sockets: Socket[] = []
  for (let i = 0; i < IDLE; i++) {
    const socket = connect(ports.hj212, '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    sockets.push(socket)
  }
  await settle()
  const bytes = (residentBytes(program.pid) - before) / IDLE
  for (const socket of sockets) socket.destroy()
  return bytes / 1024
}
