/**
 * `npm run bench [-- --runs 3 --quick --only NAME --part TITLE]`: Gridwhistle beside its peers, one after the other on the
 * same machine in the same run, medians and ratios as a Markdown table. Load generator and InfluxDB share the
 * machine with whoever is measured. Nothing is installed but bench/peers.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { LoadResult } from '../simulators/load.ts'
import { deviceIds } from '../simulators/load/fleet.ts'
import { CpuWatch, residentBytes } from './processes.ts'
import { report, type Figures } from './report.ts'
import { SYSTEMS, type System, type SystemName } from './systems.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const cli = here('../cli/gridwhistle.ts')

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    part: { type: 'string', multiple: true },
  },
})
/** What the load generator puts in front of the number of a device. */
const PREFIX = 'load-'
const runs = Number(flags.runs)
const seconds = flags.quick ? 4 : 6
const wanted = (name: string) => flags.only === undefined || flags.only.some((part) => name.includes(part))
const isPart = (title: string) => flags.part === undefined || flags.part.some((part) => title.includes(part))

const GRIDWHISTLE: SystemName = 'gridwhistle'
const DEAD: SystemName = 'gridwhistle, InfluxDB dead'
const STORING = (Object.keys(SYSTEMS) as SystemName[]).filter((name) => name !== 'aedes' && name !== DEAD)

const say = (text: string) => process.stderr.write(`${text}\n`)

interface Measured extends LoadResult {
  /** Readings in InfluxDB at the end; null where nothing is stored. */
  readonly stored: number | null
  /** From the last acknowledgement until everything was stored, s; null when it never was. */
  readonly settled: number | null
  /** CPU of each of the system's processes, µs per acknowledged reading. */
  readonly cpuOf: Readonly<Record<string, number>>
}

/** Runs the load generator as a process of its own, as a user would. */
async function generate(system: System, args: readonly string[]): Promise<LoadResult> {
  const child = spawn(process.execPath, [cli, 'load', '--json', ...system.load, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  if (output === '') throw new Error(`load ${args.join(' ')} against ${system.name}: ${errors}`)
  return JSON.parse(output) as LoadResult
}

interface Load {
  readonly devices: number
  /** Readings/s of an open loop; as fast as acknowledged without. */
  readonly rate?: number
  readonly inFlight?: number
  readonly batch?: number
  readonly probes?: number
  readonly drain?: string
  /** Under the same load before, so that each device was heard: the first reading of one makes all that is kept of it. */
  readonly isKnown?: boolean
}

function argumentsOf({ devices, rate, inFlight, batch, probes, drain }: Load, system: System): string[] {
  const options = {
    '--devices': devices,
    '--duration': `${seconds}s`,
    '--rate': rate,
    '--in-flight': inFlight,
    '--batch': batch,
    '--probe': probes,
    '--probe-topic': probes === undefined ? undefined : system.probeTopic,
    '--drain': drain,
  }
  return Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [name, String(value)],
  )
}

/** Devices are registered before, and CPU is counted from the first message to the last acknowledgement. */
async function measure(name: SystemName, load: Load): Promise<Measured> {
  const system = await SYSTEMS[name]()
  try {
    await system.register([
      ...deviceIds(PREFIX, load.devices),
      ...deviceIds(`${PREFIX}probe-`, load.probes ?? 0),
    ])
    const args = argumentsOf(load, system)
    const known = load.isKnown === true ? (await generate(system, args)).acked : 0
    await settle(system, known)
    const watch = new CpuWatch(system.programs)
    const result = await generate(system, args)
    const cpu = watch.stop(result.startedAt, result.startedAt + result.seconds * 1000)
    const expected = known + result.acked + (result.probe?.tripped ?? 0)
    const { stored, settled } = await settle(system, expected)
    const perReading = (busy: number) => (busy * 1e6) / Math.max(1, result.acked)
    const cpuOf = Object.fromEntries(
      Object.entries(cpu).map(([program, busy]) => [program, perReading(busy)]),
    )
    return { ...result, stored: stored === null ? null : stored - known, settled, cpuOf }
  } finally {
    await system.stop()
  }
}

/** Waits until InfluxDB holds what was acknowledged, or until nothing more comes. */
async function settle(
  system: System,
  expected: number,
): Promise<{ stored: number | null; settled: number | null }> {
  const began = performance.now()
  let stored = await system.stored()
  if (stored === null) return { stored, settled: null }
  let progressAt = performance.now()
  while (stored < expected && performance.now() - progressAt < 5_000) {
    await new Promise((resolve) => setTimeout(resolve, 250))
    const now = (await system.stored()) ?? 0
    if (now > stored) progressAt = performance.now()
    stored = now
  }
  return { stored, settled: stored >= expected ? (performance.now() - began) / 1000 : null }
}

function lost(result: Measured): number {
  const expected = result.acked + (result.probe?.tripped ?? 0)
  return result.unacked + (result.stored === null ? 0 : expected - result.stored)
}

/** Systems take turns, so that a slow minute of the machine hits all of them alike. */
async function compare(title: string, names: readonly SystemName[], load: Load): Promise<Figures> {
  const figures: Figures = { title, systems: {} }
  for (let run = 0; isPart(title) && run < runs; run++) {
    for (const name of names.filter(wanted)) {
      const result = await measure(name, load)
      const { rate, latency, probe, cpu } = result
      say(
        `${title} · ${name}: ${rate}/s, p99 ${latency?.p99} ms, lost ${lost(result)}, probe p50 ${probe?.latency?.p50} p99 ${probe?.latency?.p99}`,
      )
      const rows = (figures.systems[name] ??= [])
      rows.push({
        rate,
        ackP50: latency?.p50 ?? null,
        ackP99: latency?.p99 ?? null,
        lost: lost(result),
        settled: result.settled,
        cpu: result.cpuOf,
        loadCpu: cpu.microsecondsPerReading,
        probeP50: probe?.latency?.p50 ?? null,
        probeP99: probe?.latency?.p99 ?? null,
      })
    }
  }
  return figures
}

/** The highest rate of an open loop at which everything sent was acknowledged and stored. */
async function highestRate(name: SystemName): Promise<number> {
  const holds = async (rate: number) => {
    const result = await measure(name, { devices: 1000, rate, drain: '10s' })
    // Complete, stored soon after, and not merely piled up in queues that a longer run would overflow.
    const kept =
      result.complete && lost(result) === 0 && result.settled !== null && result.settled < seconds / 2
    const onTime = (result.latency?.p99 ?? Infinity) < 1000
    say(
      `open loop ${rate}/s · ${name}: ${kept && onTime ? 'held' : 'not held'} (p99 ${result.latency?.p99} ms, stored after ${result.settled?.toFixed(1)} s, lost ${lost(result)})`,
    )
    return kept && onTime
  }
  let low = 0
  let high = 2000
  while (high <= 128_000 && (await holds(high))) {
    low = high
    high *= 2
  }
  for (let step = 0; step < 3; step++) {
    const middle = Math.round((low + high) / 2 / 100) * 100
    if (await holds(middle)) low = middle
    else high = middle
  }
  return low
}

async function idleMemory(name: SystemName): Promise<number> {
  const CONNECTIONS = 5000
  const system = await SYSTEMS[name]()
  try {
    const [program] = system.programs
    await system.register([...deviceIds(PREFIX, CONNECTIONS), ...deviceIds('warm-', 50)])
    // Warm: code is compiled and pools are filled before the first look.
    await generate(system, [
      '--devices',
      '50',
      '--device-prefix',
      'warm-',
      '--rate',
      '50',
      '--duration',
      '3s',
    ])
    const before = residentBytes(program!.pid)
    const loading = generate(system, ['--devices', String(CONNECTIONS), '--rate', '1', '--duration', '20s'])
    // All are connected and most of the garbage of connecting is gone.
    await new Promise((resolve) => setTimeout(resolve, 15_000))
    const after = residentBytes(program!.pid)
    await loading
    return (after - before) / CONNECTIONS
  } finally {
    await system.stop()
  }
}

function installPeers(): void {
  if (existsSync(here('peers/node_modules'))) return
  say('bench: installing the peers into bench/peers')
  const result = spawnSync('npm', ['ci'], { cwd: here('peers'), stdio: ['ignore', 'ignore', 'inherit'] })
  if (result.status !== 0) throw new Error('npm ci in bench/peers failed')
}

installPeers()
const tables: Figures[] = [
  await compare('1,000 connections, 1 message in flight', [GRIDWHISTLE, DEAD, 'aedes'], {
    devices: 1000,
    inFlight: 1,
  }),
  await compare('1,000 connections, 10 messages in flight', [GRIDWHISTLE, DEAD, 'aedes'], {
    devices: 1000,
    inFlight: 10,
  }),
  await compare('100 connections, 50 readings in a message', [GRIDWHISTLE], {
    devices: 100,
    inFlight: 4,
    batch: 50,
  }),
  await compare('publish → order or alarm at 2,000 readings/s', STORING, {
    devices: 1000,
    rate: 2000,
    probes: 200,
  }),
  await compare('5,000 readings/s from 1,000 devices', [GRIDWHISTLE], {
    devices: 1000,
    rate: 5000,
    isKnown: true,
  }),
  await compare('5,000 readings/s from 19,000 devices', [GRIDWHISTLE], {
    devices: 19_000,
    rate: 5000,
    isKnown: true,
  }),
  await compare('5,000 readings/s from 19,000 devices that were never heard', [GRIDWHISTLE], {
    devices: 19_000,
    rate: 5000,
  }),
]

const highest: Partial<Record<SystemName, number>> = {}
for (const name of isPart('highest rate') ? STORING.filter(wanted) : [])
  highest[name] = await highestRate(name)
const idle: Partial<Record<SystemName, number>> = {}
for (const name of [GRIDWHISTLE, 'aedes'] as const)
  if (isPart('idle memory') && wanted(name)) idle[name] = await idleMemory(name)

const machine = `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node.js ${process.version}`
const text = report({ machine, runs, seconds, tables, highest, idle })
mkdirSync(here('results'), { recursive: true })
writeFileSync(here('results/latest.md'), text)
process.stdout.write(text)
