import { setInterval as ticks } from 'node:timers/promises'
import { DeviceConnection } from './connection.ts'
import { District, type SimulatedDevice } from './district.ts'
import { Pace } from './pace.ts'
import { parallel } from './parallel.ts'
import type { Reading } from './reading.ts'
import { registerDevices } from './registration.ts'
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
  readonly secrets?: Secrets
  /** Ends the run cleanly. */
  readonly signal?: AbortSignal
  /** At most twice a second. */
  readonly onProgress?: (progress: SimulationProgress) => void
}

export interface SimulationProgress {
  readonly devices: number
  registered: number
  connected: number
  /** Readings that devices have taken, that the gateway has acknowledged, and that it has refused. */
  taken: number
  acknowledged: number
  refused: number
  /** Readings given up because the gateway was away for longer than a device can remember. */
  forgotten: number
  lastError: string | null
}

/** Wall time between two looks at who is due, ms. */
const TICK = 50
const PROGRESS_EVERY = 500
/** Connections opened at once. */
const PARALLEL = 32
const CONNECT_LIMIT = 60_000
/** How long the end of a run waits for the last acknowledgements, ms. */
const DRAIN_LIMIT = 10_000

/**
 * Registers a scenario's devices over HTTP, connects each over MQTT, hands over their backlogs and then lets
 * them report in their time until the duration or the signal ends it. Rejects when the devices cannot be
 * registered or connected.
 */
export async function runSimulation(options: SimulationOptions): Promise<SimulationProgress> {
  const { scenario, signal, secrets = new Secrets() } = options
  const length = options.duration ?? Infinity
  const district = new District(scenario, options.seed)
  // Refuses an impossible speed before anything is registered.
  void new Pace(0, options.speed, length)
  const progress: SimulationProgress = {
    devices: district.devices.length,
    registered: 0,
    connected: 0,
    taken: 0,
    acknowledged: 0,
    refused: 0,
    forgotten: 0,
    lastError: null,
  }
  const tell = throttled(() => options.onProgress?.({ ...progress }))
  const registry = { httpUrl: options.httpUrl, token: options.token, ...(signal && { signal }) }
  const devices = district.devices.map((device) => new RunningDevice(device, progress))
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
    await connectAll(devices, options.mqttUrl, secrets, signal, () => {
      progress.connected++
      tell()
    })
    const pace = new Pace(Date.now(), options.speed, length)
    for (const device of devices) device.begin(pace, -district.backlog)
    await report(devices, length, signal, tell)
    await drained(devices)
  } catch (error) {
    if (signal?.aborted !== true) throw error
  } finally {
    await Promise.all(devices.map((device) => device.stop()))
  }
  options.onProgress?.({ ...progress })
  return progress
}

async function connectAll(
  devices: readonly RunningDevice[],
  url: string,
  secrets: Secrets,
  signal: AbortSignal | undefined,
  onConnected: () => void,
): Promise<void> {
  const limit = AbortSignal.any([AbortSignal.timeout(CONNECT_LIMIT), ...(signal ? [signal] : [])])
  await parallel(devices, PARALLEL, async (device) => {
    await device.connect(url, secrets, limit)
    onConnected()
  })
}

async function report(
  devices: readonly RunningDevice[],
  length: number,
  signal: AbortSignal | undefined,
  tell: () => void,
): Promise<void> {
  let reporting = [...devices]
  for await (const _ of ticks(TICK, undefined, signal ? { signal } : {})) {
    const now = Date.now()
    reporting = reporting.filter((device) => device.reportUntil(now, length))
    tell()
    if (reporting.length === 0) return
  }
}

async function drained(devices: readonly RunningDevice[]): Promise<void> {
  const until = Date.now() + DRAIN_LIMIT
  for await (const _ of ticks(TICK)) {
    if (devices.every((device) => device.idle) || Date.now() > until) return
  }
}

function throttled(act: () => void): () => void {
  let last = 0
  return () => {
    const now = Date.now()
    if (now - last < PROGRESS_EVERY) return
    last = now
    act()
  }
}

/** Readings a device can remember while the gateway is away, and those it sends at once when it is back. */
const MEMORY = 5000
const AT_ONCE = 100

/** A device of the run: takes readings on its beat, remembers them, sends them one message at a time. */
class RunningDevice {
  readonly #device: SimulatedDevice
  readonly #progress: SimulationProgress
  #connection: DeviceConnection | undefined
  #pace: Pace | undefined
  #next = 0
  #memory: Reading[] = []
  #sending = false

  constructor(device: SimulatedDevice, progress: SimulationProgress) {
    this.#device = device
    this.#progress = progress
  }

  get idle(): boolean {
    return this.#memory.length === 0 && !this.#sending
  }

  async connect(url: string, secrets: Secrets, signal: AbortSignal): Promise<void> {
    const { id } = this.#device.registration
    this.#connection = new DeviceConnection({
      url,
      device: id,
      secret: secrets.get(id) ?? '',
      onRefused: (code) => {
        this.#progress.refused++
        this.#progress.lastError = `${id}: a reading was refused: ${code}`
      },
      onError: (error) => {
        this.#progress.lastError = `${id}: ${error.message}`
      },
    })
    await this.#connection.start(signal)
  }

  begin(pace: Pace, from: number): void {
    this.#pace = pace
    this.#next = this.#device.beatFrom(from)
  }

  /** Takes every reading that is due. False once the device's time has passed `end`. */
  reportUntil(now: number, end: number): boolean {
    const pace = this.#pace!
    while (this.#next < end && pace.dueAt(this.#next) <= now) {
      this.#remember({ ts: pace.ts(this.#next), ...this.#device.measure(this.#next) })
      this.#next = this.#device.beatFrom(this.#next + 1)
    }
    void this.#send()
    return this.#next < end
  }

  async stop(): Promise<void> {
    await this.#connection?.stop()
  }

  #remember(reading: Reading): void {
    this.#progress.taken++
    this.#memory.push(reading)
    if (this.#memory.length > MEMORY) {
      this.#memory.shift()
      this.#progress.forgotten++
    }
  }

  /** One message under way at a time keeps the order through any break. */
  async #send(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    try {
      while (this.#memory.length > 0) {
        const batch = this.#memory.splice(0, AT_ONCE)
        await this.#connection!.publish(batch)
        this.#progress.acknowledged += batch.length
      }
    } catch (error) {
      this.#progress.lastError = `${this.#device.registration.id}: ${(error as Error).message}`
    } finally {
      this.#sending = false
    }
  }
}
