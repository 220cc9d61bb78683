import { setInterval as ticks } from 'node:timers/promises'
import { Concentrator } from './concentrator.ts'
import { DeviceConnection } from './connection.ts'
import { District } from './district.ts'
import { DrivenClock } from './driven-clock.ts'
import type { LineOf } from './line.ts'
import { Pace } from './pace.ts'
import { parallel } from './parallel.ts'
import { noProgress, type SimulationProgress, throttled } from './progress.ts'
import { registerDevices } from './registration.ts'
import { RunningDevice } from './running-device.ts'
import type { Scenario } from './scenario.ts'
import { Secrets } from './secrets.ts'

export interface SimulationOptions {
  readonly scenario: Scenario
  readonly seed: number
  /** Device time against wall time; above 1 it needs a `duration`. */
  readonly speed: number
  /** Device time that the run spans, ms; until `signal` when absent. */
  readonly duration?: number
  readonly mqttUrl: string
  readonly httpUrl: string
  readonly token: string
  /** `http` hands in what all devices say in one request instead of a connection for each; `mqtt` when absent. */
  readonly via?: 'mqtt' | 'http'
  readonly secrets?: Secrets
  /** Ends the run cleanly. */
  readonly signal?: AbortSignal
  /** Called as time passes by the gateway's clock, epoch ms: for those who act in the run. */
  readonly onTime?: (now: number) => Promise<void>
  /** At most twice a second. */
  readonly onProgress?: (progress: SimulationProgress) => void
}

/** A run that has a gateway's clock to itself, and so no speed. */
export interface DrivenOptions extends Omit<SimulationOptions, 'speed'> {
  readonly duration: number
}

/** Wall time between two looks at who is due, ms. */
const TICK = 50
/** Connections opened at once. */
const PARALLEL = 32
const CONNECT_LIMIT = 60_000
/** How long the end of a run waits for the last acknowledgements, ms. */
const DRAIN_LIMIT = 10_000
/**
 * A driven clock is moved once all readings of that long are in: what is under way for less counts as at once (the
 * gateway's rule), so that judging is exact; and by no more than a minute, so that deadlines fall where they should.
 */
const STEP = 10_000
const LONGEST_STEP = 60_000

/**
 * Registers a scenario's devices over HTTP, connects each over MQTT, hands over their backlogs and then lets
 * them report in their time until the duration or the signal ends it. Rejects when the devices cannot be
 * registered or connected.
 */
export async function runSimulation(options: SimulationOptions): Promise<SimulationProgress> {
  const length = options.duration ?? Infinity
  // Refuses an impossible speed before anything is registered.
  void new Pace(0, options.speed, length)
  return await run(options, async (devices, district, progress, tell) => {
    const pace = new Pace(Date.now(), options.speed, length)
    progress.epoch = pace.ts(0)
    for (const device of devices) device.begin(-district.backlog, progress.epoch)
    let reporting = [...devices]
    for await (const _ of ticks(TICK, undefined, options.signal ? { signal: options.signal } : {})) {
      progress.elapsed = Math.min(length, pace.elapsed(Date.now()))
      for (const device of reporting) {
        device.take(progress.elapsed)
        void device.send()
      }
      await options.onTime?.(Date.now())
      reporting = reporting.filter((device) => device.next < length)
      tell()
      if (reporting.length === 0) break
    }
  })
}

/**
 * The same with a gateway whose clock the run drives (`clock: driven`): at the scenario's own times, as fast as the
 * gateway takes it, in lock-step, so that a run is the same whatever the machine.
 */
export async function driveSimulation(options: DrivenOptions): Promise<SimulationProgress> {
  const clock = new DrivenClock(options)
  await clock.moveTo(Date.parse(options.scenario.begins) - new District(options.scenario, 0).backlog)
  return await run(options, async (devices, { begins, backlog }, progress, tell) => {
    progress.epoch = begins
    for (const device of devices) device.begin(-backlog, begins)
    progress.elapsed = -backlog
    const moveTo = async (moment: number): Promise<void> => {
      progress.elapsed = moment
      await clock.moveTo(begins + moment)
      await options.onTime?.(begins + moment)
      tell()
    }
    while (progress.elapsed < options.duration) {
      options.signal?.throwIfAborted()
      const next = devices.reduce((earliest, device) => Math.min(earliest, device.next), options.duration)
      const slot = Math.floor(next / STEP) * STEP
      while (progress.elapsed < slot) await moveTo(Math.min(slot, progress.elapsed + LONGEST_STEP))
      const end = Math.min(slot + STEP, options.duration)
      for (const device of devices) device.take(end)
      await Promise.all(devices.map(async (device) => await device.send()))
      if (!devices.every((device) => device.idle))
        throw new Error(progress.lastError ?? 'nothing is taken in')
      await moveTo(Math.max(progress.elapsed, end))
    }
  })
}

type Course = (
  devices: readonly RunningDevice[],
  district: District,
  progress: SimulationProgress,
  tell: () => void,
) => Promise<void>

async function run(options: Omit<SimulationOptions, 'speed'>, course: Course): Promise<SimulationProgress> {
  const { scenario, seed, signal, secrets = new Secrets() } = options
  const district = new District(scenario, seed)
  const progress = noProgress(district.devices.length)
  const tell = throttled(() => options.onProgress?.({ ...progress }))
  const registry = { httpUrl: options.httpUrl, token: options.token, ...(signal && { signal }) }
  let devices: RunningDevice[] = []
  try {
    await registerDevices(
      district.devices.map((device) => device.registration),
      secrets,
      registry,
      (done) => {
        progress.registered = done
        tell()
      },
    )
    const line = lineOf(options, secrets)
    devices = district.devices.map((device) => new RunningDevice(device, line, progress))
    const limit = AbortSignal.any([AbortSignal.timeout(CONNECT_LIMIT), ...(signal ? [signal] : [])])
    await parallel(devices, PARALLEL, async (device) => {
      await device.connect(limit)
      progress.connected++
      tell()
    })
    await course(devices, district, progress, tell)
    await drained(devices)
  } catch (error) {
    if (signal?.aborted !== true) throw error
  } finally {
    await Promise.all(devices.map((device) => device.stop()))
  }
  options.onProgress?.({ ...progress })
  return progress
}

function lineOf(options: Omit<SimulationOptions, 'speed'>, secrets: Secrets): LineOf {
  if (options.via === 'http') return new Concentrator(options).lineOf
  return (device, handlers) =>
    new DeviceConnection({ url: options.mqttUrl, device, secret: secrets.get(device) ?? '', ...handlers })
}

async function drained(devices: readonly RunningDevice[]): Promise<void> {
  const until = Date.now() + DRAIN_LIMIT
  for await (const _ of ticks(TICK)) {
    if (devices.every((device) => device.idle) || Date.now() > until) return
  }
}
