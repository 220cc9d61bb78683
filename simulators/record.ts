import { open, type FileHandle } from 'node:fs/promises'
import { connectAsync, type MqttClient } from 'mqtt'
import type { Registration } from './reading.ts'
import { Follower, type FollowedMessage } from './record-follower.ts'
import { deviceLine, messageLine } from './recording-messages.ts'

export interface RecordOptions {
  /** A new file. */
  readonly file: string
  readonly httpUrl: string
  /** mqtt://host:port: what the gateway says is heard there. */
  readonly mqttUrl: string
  readonly token: string
  /** What is heard beside readings. */
  readonly topics: readonly string[]
  /** Begins with all that the journal still holds, rather than with what comes. */
  readonly all: boolean
  /** Devices that are recorded; all of them without. */
  readonly devices?: ReadonlySet<string>
  /** Ends by itself after this, ms. */
  readonly duration?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (messages: number) => void
}

export interface RecordResult {
  /** Messages of devices, the readings in them, and how many devices sent them. */
  messages: number
  readings: number
  devices: number
  /** Messages of the gateway. */
  others: number
  /** Readings that the journal no longer held when they were asked for. */
  lost: number
  bytes: number
}

/** Lines are written together after this, ms, … */
const WRITE_EVERY = 200
/** … or when there is so much, characters: then nothing more is read until it is written. */
const WRITE_SIZE = 1 << 20

/**
 * Writes what passes the gateway to a file of JSON lines, until it is told to end: the messages of devices byte for
 * byte, and what the gateway says on `topics`. A device is introduced ahead of its first message, so that a replay
 * needs nothing else. Rejects when the gateway says no or the disk does; a gateway that is away is waited for.
 */
export async function record(options: RecordOptions): Promise<RecordResult> {
  const target = await open(options.file, 'wx')
  try {
    return await new RecordRun(options, target).perform()
  } finally {
    await target.close()
  }
}

class RecordRun {
  readonly #options: RecordOptions
  readonly #target: FileHandle
  readonly #broken = new AbortController()
  readonly #follower: Follower
  readonly #introduced = new Set<string>()
  readonly #result: RecordResult = { messages: 0, readings: 0, devices: 0, others: 0, lost: 0, bytes: 0 }
  #lines: string[] = []
  #size = 0
  #written: Promise<void> = Promise.resolve()

  constructor(options: RecordOptions, target: FileHandle) {
    const { httpUrl, token, duration, signal } = options
    this.#options = options
    this.#target = target
    const ends = [this.#broken.signal, ...(signal ? [signal] : [])]
    if (duration !== undefined) ends.push(AbortSignal.timeout(duration))
    this.#follower = new Follower(httpUrl, token, AbortSignal.any(ends))
  }

  async perform(): Promise<RecordResult> {
    const writing = setInterval(() => {
      this.#write().catch((error: unknown) => this.#broken.abort(error))
    }, WRITE_EVERY)
    let client: MqttClient | undefined
    try {
      client = await this.#listen()
      await this.#follow()
      this.#broken.signal.throwIfAborted()
    } finally {
      clearInterval(writing)
      await client?.endAsync(true)
    }
    await this.#write()
    await this.#target.sync()
    return this.#result
  }

  async #listen(): Promise<MqttClient | undefined> {
    const { mqttUrl, token, topics } = this.#options
    if (topics.length === 0) return undefined
    const client = await connectAsync(mqttUrl, { protocolVersion: 4, username: 'admin', password: token })
    client.on('message', (topic, payload, { retain }) => {
      // A retained one was said before.
      if (retain) return
      this.#result.others++
      this.#add(messageLine({ device: deviceIn(topic), topic, at: Date.now() }, payload))
    })
    await client.subscribeAsync([...topics], { qos: 1 })
    return client
  }

  async #follow(): Promise<void> {
    const { all, devices, onProgress } = this.#options
    for await (const message of this.#follower.messages(all ? 0 : undefined)) {
      const { device, topic, at, payload, readings } = message
      this.#result.lost = this.#follower.lost
      if (devices?.has(device) === false) continue
      await this.#introduce(message)
      this.#result.messages++
      this.#result.readings += readings
      this.#add(messageLine({ device, topic, at }, payload))
      if (this.#size > WRITE_SIZE) await this.#write()
      onProgress?.(this.#result.messages)
    }
  }

  /** One that is registered no more is left for a roster to introduce. */
  async #introduce({ device, at }: FollowedMessage): Promise<void> {
    if (this.#introduced.has(device)) return
    this.#introduced.add(device)
    this.#result.devices++
    const known = await this.#follower.device(device)
    if (known !== undefined) this.#add(deviceLine(registrationOf(known), at))
  }

  #add(line: string): void {
    this.#lines.push(line)
    this.#size += line.length
  }

  /** One write after the other. */
  async #write(): Promise<void> {
    this.#written = this.#written.then(() => this.#append())
    await this.#written
  }

  async #append(): Promise<void> {
    const bytes = Buffer.from(this.#lines.join(''))
    this.#lines = []
    this.#size = 0
    await this.#target.appendFile(bytes)
    this.#result.bytes += bytes.length
  }
}

/** `v1/{device}/status`, `alarms/{street}/{device}`; nobody's where it is about a team. */
function deviceIn(topic: string): string | null {
  const [root, second, third] = topic.split('/')
  if (root === 'v1') return second ?? null
  return root === 'alarms' ? (third ?? null) : null
}

/** Without what the gateway shows of it beside, and without wires that are not the replay's. */
function registrationOf({ id, kind, site, street, grid, position, attributes }: Registration): Registration {
  return {
    id,
    kind,
    site,
    street,
    grid,
    ...(position && { position }),
    ...(attributes && { attributes }),
  }
}
