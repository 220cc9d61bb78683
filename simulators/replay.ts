import { InFlight } from './in-flight.ts'
import { MESSAGE_LIMIT, type Registration } from './reading.ts'
import { FrameRecording } from './recording-hj212.ts'
import { readRecordingMap, readRoster } from './recording-map.ts'
import { isMessageRecording, MessageRecording } from './recording-messages.ts'
import { RowRecording, type RowFormat } from './recording-rows.ts'
import { type Recording, RecordingError, type Skip } from './recording.ts'
import { registerDevices } from './registration.ts'
import { type PauseSwitch, ReplayClock } from './replay-clock.ts'
import { FramePlayer } from './replay-hj212.ts'
import { MessagePlayer, type Player, type PlayerListener, ReadingPlayer } from './replay-player.ts'
import { Secrets } from './secrets.ts'
import { WrongUsage } from './wrong-usage.ts'

/**
 * Where the recording's times go: `now` lets it end at the moment its last row is sent, so that no reading is
 * ahead of the clock at any speed; `none` keeps them; a number is the new time of the first row, epoch ms.
 */
export type Shift = 'now' | 'none' | number

/** `messages` is what `record` writes. */
export const FORMATS = ['csv', 'json', 'jsonl', 'messages', 'tlog', 'hj212'] as const
export type Format = (typeof FORMATS)[number]

export interface ReplayOptions {
  readonly file: string
  /** What the file's name and beginning say when absent. */
  readonly format?: Format
  /** File of the map, or for messages and HJ 212 frames of the roster. Recorded messages name their own devices. */
  readonly map?: string | URL
  /** Times life's own pace; Infinity is as fast as the gateway acknowledges. */
  readonly speed: number
  readonly shift: Shift
  readonly devicePrefix: string
  readonly mqttUrl: string
  /** tcp://host:port, for HJ 212 frames. */
  readonly hj212Url?: string
  /** Registers the recording's devices; without it their secrets must be known. */
  readonly registry?: { readonly httpUrl: string; readonly token: string }
  readonly secrets?: Secrets
  /** Readings of a device in one message; a message waits until it is full. Recorded messages stay as they are. */
  readonly batch: number
  /** Messages that may wait for their acknowledgement. */
  readonly inFlight: number
  /** Longest pause when paced, ms: a hole in the recording is not sat out. Times stay as recorded. */
  readonly maxGap: number
  readonly pause?: PauseSwitch
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, rows: number) => void
}

export interface ReplayResult {
  readonly format: Format
  /** Rows of the file that were played: lines, frames. */
  rows: number
  /** Readings made of them; messages or frames where these are played as they are. */
  sent: number
  /** HJ 212 acknowledges only frames that ask for it. */
  acknowledged: number
  /** What devices were told on their `errors` topic; the gateway limits how often, so at least so many. */
  refused: number
  readonly skipped: Partial<Record<Skip, number>>
  readonly devices: Record<string, number>
  /** Holes that were longer than `maxGap`. */
  gaps: number
  /** Times as sent, ISO 8601. */
  first: string | null
  last: string | null
  complete: boolean
}

/** Plays a recording in the file's order. Rejects when it cannot be read or nobody answers. */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { batch, file, inFlight, signal } = options
  if (!(batch >= 1 && batch <= MESSAGE_LIMIT)) {
    throw new WrongUsage(`a message holds 1 to ${MESSAGE_LIMIT} readings, not ${batch}`)
  }
  const format = options.format ?? (await formatOf(file))
  const account = new Account(format)
  const window = new InFlight(inFlight, signal)
  const mqtt = (device: string, secret: string) => ({
    device,
    url: options.mqttUrl,
    secret,
    window,
    listener: account,
  })
  if (format === 'messages') {
    const roster = options.map === undefined ? undefined : readRoster(options.map)
    const recording = new MessageRecording(file, roster)
    const cast: Cast<Buffer> = (device, secret) => new MessagePlayer(mqtt(device, secret))
    return await new Run(options, recording, cast, window, account).perform()
  }
  if (options.map === undefined) throw new WrongUsage(`${file}: a ${format} file needs a map`)
  if (format === 'hj212') {
    const recording = new FrameRecording(file, readRoster(options.map))
    const { hj212Url } = options
    if (hj212Url === undefined) throw new WrongUsage('where the gateway takes HJ 212 is not known')
    const cast = (device: string) => new FramePlayer(device, hj212Url, window, account)
    return await new Run(options, recording, cast, window, account).perform()
  }
  const recording = new RowRecording(file, format, readRecordingMap(options.map))
  const cast = (device: string, secret: string) => new ReadingPlayer(mqtt(device, secret), batch)
  return await new Run(options, recording, cast, window, account).perform()
}

/** By the file's name; of JSON lines by the first. */
async function formatOf(file: string): Promise<Format> {
  const name = file.replace(/\.gz$/, '')
  const byEnding: Readonly<Record<string, RowFormat | 'hj212'>> = {
    csv: 'csv',
    json: 'json',
    tlog: 'tlog',
    hj212: 'hj212',
    log: 'hj212',
  }
  const ending = /\.(\w+)$/.exec(name)?.[1] ?? ''
  if (/^(jsonl|ndjson)$/.test(ending)) return (await isMessageRecording(file)) ? 'messages' : 'jsonl'
  const format = Object.hasOwn(byEnding, ending) ? byEnding[ending] : undefined
  if (format === undefined) throw new WrongUsage(`${file}: what it holds is not known; say --format`)
  return format
}

type Cast<T> = (device: string, secret: string) => Player<T>

const CONNECT_LIMIT = 30_000

/** One recording played once. */
class Run<T> {
  readonly #options: ReplayOptions
  readonly #recording: Recording<T>
  readonly #cast: Cast<T>
  readonly #window: InFlight
  readonly #account: Account
  readonly #clock: ReplayClock
  readonly #secrets: Secrets

  constructor(
    options: ReplayOptions,
    recording: Recording<T>,
    cast: Cast<T>,
    window: InFlight,
    account: Account,
  ) {
    this.#options = options
    this.#recording = recording
    this.#cast = cast
    this.#window = window
    this.#account = account
    this.#clock = new ReplayClock(options.speed, options.maxGap, options.pause, options.signal)
    this.#secrets = options.secrets ?? new Secrets()
  }

  async perform(): Promise<ReplayResult> {
    const { devicePrefix, registry, signal } = this.#options
    const survey = await this.#survey()
    const devices = [...this.#recording.devices()]
    const registrations = devices.map((device) => simulated(device, devicePrefix))
    if (registry !== undefined) {
      await registerDevices(registrations, this.#secrets, { ...registry, ...(signal && { signal }) })
    }
    const players = new Map(
      devices.map(({ id }) => {
        const device = `${devicePrefix}${id}`
        return [id, this.#cast(device, this.#secrets.get(device) ?? '')]
      }),
    )
    try {
      const limit = AbortSignal.any([AbortSignal.timeout(CONNECT_LIMIT), ...(signal ? [signal] : [])])
      await Promise.all([...players.values()].map((player) => player.start(limit)))
      await this.#play(survey, players)
    } catch (error) {
      if (signal?.aborted !== true) throw error
    } finally {
      await Promise.all([...players.values()].map((player) => player.stop()))
    }
    return this.#account.result
  }

  async #play(survey: Survey, players: ReadonlyMap<string, Player<T>>): Promise<void> {
    const { result } = this.#account
    const startedAt = Date.now()
    const offset = shiftBy(this.#options.shift, survey, startedAt)
    this.#clock.start(startedAt)
    for await (const row of this.#recording.rows()) {
      await this.#clock.until(row.ts)
      result.gaps = this.#clock.gaps
      this.#account.note(row.ts, row.skips, offset)
      for (const { device, what } of row.said) await players.get(device)!.play(what, offset)
      this.#options.onProgress?.(result.rows, survey.rows)
    }
    for (const player of players.values()) await player.flush()
    await this.#window.settled()
    result.complete = true
  }

  /** Reads it once ahead of the playing: how long it is decides where `now` puts it, and who speaks in it. */
  async #survey(): Promise<Survey> {
    let rows = 0
    let first: number | null = null
    let last = -Infinity
    let previous: number | null = null
    let takes = 0
    const speakers = new Set<string>()
    for await (const { ts, said } of this.#recording.rows()) {
      rows++
      for (const { device } of said) speakers.add(device)
      if (ts === null) continue
      first ??= ts
      last = Math.max(last, ts)
      takes += this.#clock.between(previous, ts)
      previous = ts
    }
    const { file } = this.#options
    if (first === null) throw new RecordingError(`${file} has no row whose time can be read`)
    for (const { id } of this.#recording.devices()) speakers.delete(id)
    if (speakers.size > 0) {
      throw new RecordingError(`${file} does not say what ${[...speakers].join(', ')} is; name it in --map`)
    }
    return { rows, first, last, takes }
  }
}

interface Survey {
  readonly rows: number
  readonly first: number
  readonly last: number
  /** Wall time that playing it takes, ms. */
  readonly takes: number
}

function shiftBy(shift: Shift, { first, last, takes }: Survey, startedAt: number): number {
  if (shift === 'none') return 0
  if (shift !== 'now') return shift - first
  // Slower than life, the first row would come out ahead of the clock: let that one be now instead.
  return Math.floor(startedAt + Math.min(takes, last - first) - last)
}

/** Nobody shall take it for the real one, and no crew be called by it. */
function simulated(device: Registration, prefix: string): Registration {
  return { ...device, id: `${prefix}${device.id}`, attributes: { ...device.attributes, simulated: true } }
}

/** Keeps the result as it comes about. */
class Account implements PlayerListener {
  readonly result: ReplayResult

  constructor(format: Format) {
    this.result = {
      format,
      rows: 0,
      sent: 0,
      acknowledged: 0,
      refused: 0,
      skipped: {},
      devices: {},
      gaps: 0,
      first: null,
      last: null,
      complete: false,
    }
  }

  note(ts: number | null, skips: readonly Skip[], offset: number): void {
    const { result } = this
    result.rows++
    for (const skip of skips) result.skipped[skip] = (result.skipped[skip] ?? 0) + 1
    if (ts === null) return
    const time = new Date(ts + offset).toISOString()
    result.first ??= time
    result.last = time
  }

  onSent(device: string, count: number): void {
    this.result.sent += count
    this.result.devices[device] = (this.result.devices[device] ?? 0) + count
  }

  onAcknowledged(count: number): void {
    this.result.acknowledged += count
  }

  onRefused(): void {
    this.result.refused++
  }
}
