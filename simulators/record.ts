import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectAsync, type MqttClient } from 'mqtt'
import { Follower, type FollowedMessage } from './record-follower.ts'
import { deviceLine, messageLine } from './recording-messages.ts'
import type { Registration } from './reading.ts'

export interface RecordOptions {
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
  /** Lines written: readings' messages, and messages of the gateway. */
  readings: number
  messages: number
  others: number
  devices: number
  /** Readings that the journal no longer held when they were asked for. */
  lost: number
  bytes: number
}

/** Lines are written together after this, ms, … */
const WRITE_EVERY = 200
/** … or when there is so much, bytes: then nothing more is taken until it is written. */
const WRITE_SIZE = 1 << 20

/**
 * Writes what passes the gateway to a file of JSON lines, until it is told to end: the messages of devices byte for
 * byte, and what the gateway says on `topics`. A device is introduced ahead of its first message, so that a replay
 * needs nothing else. Rejects when the gateway says no; one that is away is waited for.
 */
export async function record(options: RecordOptions): Promise<RecordResult> {
  const limits = [
    ...(options.signal ? [options.signal] : []),
    ...(options.duration === undefined ? [] : [AbortSignal.timeout(options.duration)]),
  ]
  const run = new RecordRun(options, AbortSignal.any(limits))
  return await run.perform()
}

class RecordRun {
  readonly #options: RecordOptions
  readonly #ending: AbortSignal
  readonly #follower: Follower
  readonly #introduced = new Set<string>()
  readonly #result: RecordResult = { readings: 0, messages: 0, others: 0, devices: 0, lost: 0, bytes: 0 }
  #lines: string[] = []
  #size = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(options: RecordOptions, ending: AbortSignal) {
    this.#options = options
    this.#ending = ending
    this.#follower = new Follower(options.httpUrl, options.token, ending)
  }

  async perform(): Promise<RecordResult> {
    const { file, all } = this.#options
    // Never over a recording that is there.
    const target = await open(file, 'wx')
    let client: MqttClient | undefined
    try {
      client = await this.#listen()
      const failure = Promise.withResolvers<never>()
      const writer = this.#write(target).catch(failure.reject)
      await Promise.race([this.#follow(all), failure.promise])
      await writer
    } finally {
      await client?.endAsync(true)
      await target.sync()
      await target.close()
    }
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

  async #follow(all: boolean): Promise<void> {
    for await (const message of this.#follower.messages(all ? 0 : undefined)) {
      const { device, topic, at, payload, readings } = message
      if (this.#options.devices?.has(device) === false) continue
      await this.#introduce(device, message)
      this.#result.messages++
      this.#result.readings += readings
      this.#add(messageLine({ device, topic, at }, payload))
      if (this.#size > WRITE_SIZE) await this.#writing
      this.#options.onProgress?.(this.#result.messages)
    }
    this.#result.lost = this.#follower.lost
  }

  /** A device that is no more is nobody's to introduce. */
  async #introduce(device: string, { at }: FollowedMessage): Promise<void> {
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

  async #write(target: FileHandle): Promise<void> {
    let last = false
    while (!last) {
      last = this.#ending.aborted
      if (this.#size < WRITE_SIZE)
        await sleep(WRITE_EVERY, undefined, { signal: this.#ending }).catch(() => {})
      const text = this.#lines.join('')
      this.#lines = []
      this.#size = 0
      this.#writing = target.appendFile(text)
      this.#result.bytes += Buffer.byteLength(text)
      await this.#writing
    }
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
