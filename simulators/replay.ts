import { setTimeout as sleep } from 'node:timers/promises'
import { DeviceConnection } from './connection.ts'
import { InFlight } from './in-flight.ts'
import { MESSAGE_LIMIT, type Reading, type Registration } from './reading.ts'
import type { RecordingMap } from './recording-map.ts'
import { Recording, RecordingError, type Row, type Skip } from './recording.ts'
import { registerDevices } from './registration.ts'
import { Secrets } from './secrets.ts'
import { WrongUsage } from './wrong-usage.ts'

/**
 * Where the recording's times go: `now` lets it end at the moment its last row is sent, so that no reading is
 * ahead of the clock at any speed; `none` keeps them; a number is the new time of the first row, epoch ms.
 */
export type Shift = 'now' | 'none' | number

export interface ReplayOptions {
  readonly file: string
  readonly map: RecordingMap
  /** Times life's own pace; Infinity is as fast as the gateway acknowledges. */
  readonly speed: number
  readonly shift: Shift
  readonly devicePrefix: string
  readonly mqttUrl: string
  /** Registers the map's devices; without it their secrets must be known. */
  readonly registry?: { readonly httpUrl: string; readonly token: string }
  readonly secrets?: Secrets
  /** Readings of a device in one message; a message waits until it is full. */
  readonly batch: number
  /** Messages that may wait for their acknowledgement. */
  readonly inFlight: number
  /** Longest pause when paced, ms: a hole in the recording is not sat out. Times stay as recorded. */
  readonly maxGap: number
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, rows: number) => void
}

export interface ReplayResult {
  /** Rows of the file that were played, and readings made of them. */
  rows: number
  sent: number
  acknowledged: number
  /** What devices were told on their `errors` topic; the gateway limits how often, so at least so many. */
  refused: number
  readonly skipped: Partial<Record<Skip, number>>
  readonly devices: Record<string, number>
  /** Device times as sent, ISO 8601. */
  first: string | null
  last: string | null
  complete: boolean
}

/** Plays a recording through MQTT in the file's order. Rejects when it cannot be read or nobody answers. */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { map, signal, secrets = new Secrets() } = options
  if (!(options.batch >= 1 && options.batch <= MESSAGE_LIMIT)) {
    throw new WrongUsage(`a message holds 1 to ${MESSAGE_LIMIT} readings, not ${options.batch}`)
  }
  const recording = new Recording(options.file, map)
  const pacing = new Pacing(options.speed, options.maxGap)
  const survey = await surveyed(recording, options.file, pacing)
  const registrations = devicesOf(map, options.devicePrefix)
  if (options.registry !== undefined) {
    await registerDevices(registrations, secrets, { ...options.registry, ...(signal && { signal }) })
  }
  const result: ReplayResult = {
    rows: 0,
    sent: 0,
    acknowledged: 0,
    refused: 0,
    skipped: {},
    devices: {},
    first: null,
    last: null,
    complete: false,
  }
  const window = new InFlight(options.inFlight, signal)
  const players = registrations.map(
    ({ id }) => new Player(id, options.mqttUrl, secrets.get(id) ?? '', options.batch, window, result),
  )
  const byMapId = new Map(map.devices.map(({ id }, index) => [id, players[index]!]))
  try {
    const limit = AbortSignal.any([AbortSignal.timeout(CONNECT_LIMIT), ...(signal ? [signal] : [])])
    await Promise.all(players.map((player) => player.start(limit)))
    const startedAt = Date.now()
    const offset = shiftBy(options.shift, survey, startedAt)
    let due = startedAt
    let previous: number | null = null
    for await (const row of recording.rows()) {
      due += pacing.pause(previous, row.ts)
      previous = row.ts ?? previous
      if (due > Date.now()) await sleep(due - Date.now(), undefined, signal ? { signal } : {})
      note(row, offset, result)
      for (const { device, reading } of row.readings) {
        await byMapId.get(device)!.play({ ...reading, ts: reading.ts + offset })
      }
      options.onProgress?.(result.rows, survey.rows)
    }
    for (const player of players) await player.flush()
    await window.settled()
    result.complete = true
  } catch (error) {
    if (signal?.aborted !== true) throw error
  } finally {
    await Promise.all(players.map((player) => player.stop()))
  }
  return result
}

/** A device of the recording, gathering readings into messages. */
class Player {
  readonly #id: string
  readonly #connection: DeviceConnection
  readonly #size: number
  readonly #window: InFlight
  readonly #result: ReplayResult
  #batch: Reading[] = []

  constructor(id: string, url: string, secret: string, size: number, window: InFlight, result: ReplayResult) {
    this.#id = id
    this.#size = size
    this.#window = window
    this.#result = result
    this.#connection = new DeviceConnection({ url, device: id, secret, onRefused: () => result.refused++ })
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#connection.start(signal)
  }

  async play(reading: Reading): Promise<void> {
    this.#batch.push(reading)
    if (this.#batch.length >= this.#size) await this.flush()
  }

  async flush(): Promise<void> {
    const batch = this.#batch
    if (batch.length === 0) return
    this.#batch = []
    await this.#window.start(async () => {
      await this.#connection.publish(batch)
      this.#result.acknowledged += batch.length
    })
    this.#result.sent += batch.length
    this.#result.devices[this.#id] = (this.#result.devices[this.#id] ?? 0) + batch.length
  }

  async stop(): Promise<void> {
    await this.#connection.stop()
  }
}

const CONNECT_LIMIT = 30_000

/** Wall time between rows, ms. */
class Pacing {
  readonly #speed: number
  readonly #maxGap: number

  constructor(speed: number, maxGap: number) {
    if (!(speed > 0)) throw new WrongUsage(`speed must be above 0, not ${speed}`)
    this.#speed = speed
    this.#maxGap = maxGap
  }

  pause(from: number | null, to: number | null): number {
    if (from === null || to === null) return 0
    return Math.min(this.#maxGap, Math.max(0, to - from) / this.#speed)
  }
}

interface Survey {
  readonly rows: number
  readonly first: number
  readonly last: number
  /** Wall time that playing it takes, ms. */
  readonly takes: number
}

/** Reads it once ahead of the playing: how long it is decides where `now` puts it. */
async function surveyed(recording: Recording, file: string, pacing: Pacing): Promise<Survey> {
  let rows = 0
  let first: number | null = null
  let last = -Infinity
  let previous: number | null = null
  let takes = 0
  for await (const { ts } of recording.rows()) {
    rows++
    if (ts === null) continue
    first ??= ts
    last = Math.max(last, ts)
    takes += pacing.pause(previous, ts)
    previous = ts
  }
  if (first === null) throw new RecordingError(`${file} has no row whose time can be read as the map says`)
  return { rows, first, last, takes }
}

function shiftBy(shift: Shift, { first, last, takes }: Survey, startedAt: number): number {
  if (shift === 'none') return 0
  if (shift !== 'now') return shift - first
  // Slower than life, the first row would come out ahead of the clock: let that one be now instead.
  return Math.floor(startedAt + Math.min(takes, last - first) - last)
}

function note(row: Row, offset: number, result: ReplayResult): void {
  result.rows++
  for (const skip of row.skips) result.skipped[skip] = (result.skipped[skip] ?? 0) + 1
  if (row.ts === null) return
  const time = new Date(row.ts + offset).toISOString()
  result.first ??= time
  result.last = time
}

function devicesOf(map: RecordingMap, prefix: string): Registration[] {
  return map.devices.map(({ id, kind, site, street, grid, position }) => ({
    id: `${prefix}${id}`,
    kind,
    site,
    street,
    grid,
    ...(position && { position }),
    attributes: { simulated: true, source: map.source },
  }))
}
