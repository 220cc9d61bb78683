import { isUtf8 } from 'node:buffer'
import { constants, platform, setPriority } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { openHistory } from '../historian/history.ts'
import { JournalReader } from '../journal/reader.ts'
import type { WireText } from '../model/pipeline.ts'
import {
  PART_BYTES,
  type Captured,
  type CaptureRequest,
  type MarkSeen,
  type WorkerSetup,
} from './capture-protocol.ts'
import { Vault } from './vault.ts'

/**
 * Freezes readings and frames, one case after another, on a thread that gives way to all others: over connections of
 * its own, so that neither the intake nor the queue waits for it.
 */

// Elsewhere this would be the priority of the whole process.
if (platform() === 'linux') setPriority(constants.priority.PRIORITY_LOW)

/** A message is in the journal this long after it was received at most, and comes this late at most, ms. */
const SLACK_MS = 5 * 60_000
/** Readings that the journal is asked for at once. */
const READ_AT_ONCE = 5000
/** Lines in one piece. */
const CHUNK = 512

const { historian, dataDir, journalFile, folder } = workerData as WorkerSetup
const vault = new Vault(folder)

parentPort!.on('message', (request: CaptureRequest) => {
  capture(request).then(
    (captured) => parentPort!.postMessage({ type: 'captured', id: request.id, captured }, []),
    (error: unknown) =>
      parentPort!.postMessage({ type: 'failed', id: request.id, message: (error as Error).message }, []),
  )
})

async function capture(request: CaptureRequest): Promise<Captured> {
  const readings = new Lines({
    part: 'readings',
    case: request.case,
    about: 'every metric and mark of the devices of the case around its alarms, as the historian holds them',
    devices: request.devices.map(({ device }) => device),
    windows: request.windows,
    leftOut: request.leftOut,
  })
  const marks = new Marks()
  const kept = await vault.receive(readings.bytes(readingLines(request, marks)), () => Infinity)
  let journalFrom: number | null = null
  const frames = new Lines({
    part: 'frames',
    case: request.case,
    about:
      'messages of the devices as the journal holds them. `payload` is the JSON text of the accepted readings: on ' +
      'MQTT the text of the wire, when all of them were accepted. `wire` is what came over a wire that carries no ' +
      'JSON (HJ 212): its frames, the checksum that they were right by when they came, and what of them is masked ' +
      'by `*`',
    devices: request.devices.map(({ device }) => device),
    windows: request.windows,
    leftOut: request.leftOut,
  })
  const reader = new JournalReader(journalFile)
  try {
    journalFrom = reader.oldest()
    const framesKept = await vault.receive(frames.bytes(frameLines(request, reader)), () => Infinity)
    return {
      readings: kept,
      frames: framesKept,
      marks: marks.seen(),
      counts: { readings: readings.count, frames: frames.count },
      capped: { readings: readings.capped, frames: frames.capped },
      journalFrom,
    }
  } catch (error) {
    await vault.discard(kept)
    throw error
  } finally {
    reader.close()
  }
}

async function* readingLines({ devices, windows }: CaptureRequest, marks: Marks): AsyncGenerator<object> {
  // A case of no device, such as a person's report, has no history to look into.
  if (devices.length === 0) return
  const history = openHistory(historian, dataDir)
  try {
    for (const { device, kind } of devices) {
      for (const { from, to } of windows) {
        for await (const chunk of history.scan({ device, kind, from, to })) {
          for (const { origin, reading } of chunk) {
            marks.note(device, reading.ts, reading.flags)
            yield { device, site: origin.site, ...reading }
          }
        }
      }
    }
  } finally {
    history.close()
  }
}

async function* frameLines(
  { devices, windows }: CaptureRequest,
  reader: JournalReader,
): AsyncGenerator<object> {
  const wanted = new Set(devices.map(({ device }) => device))
  let next = 0
  for (const { from, to } of windows) {
    next = Math.max(next, reader.seqAt(from))
    for (;;) {
      const read = reader.messages(next, READ_AT_ONCE)
      if (read.messages.length === 0) return
      let isOver = true
      for (const { seq, readings, origin, receivedAt, body } of read.messages) {
        if (receivedAt < to + SLACK_MS) isOver = false
        if (!wanted.has(origin.device) || receivedAt < from || receivedAt >= to) continue
        const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
        const payload = isUtf8(bytes)
          ? { payload: bytes.toString('utf8') }
          : { payload: bytes.toString('base64'), encoding: 'base64' }
        yield { seq, readings, device: origin.device, receivedAt, ...payload, ...wireAt(reader, seq) }
      }
      if (isOver) break
      next = read.next
      await setImmediate()
    }
  }
}

/** A frame that cannot be read is no reason to freeze nothing. */
function wireAt(reader: JournalReader, seq: number): { wire?: WireText; damage?: string } {
  try {
    const wire = reader.wire(seq)
    return wire === undefined ? {} : { wire }
  } catch (error) {
    return { damage: (error as Error).message }
  }
}

/** JSON lines with a head that says what they are and a foot that says how many there are. */
class Lines {
  count = 0
  capped = false
  readonly #head: object

  constructor(head: object) {
    this.#head = head
  }

  async *bytes(lines: AsyncIterable<object>): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${JSON.stringify(this.#head)}\n`)
    let size = 0
    let chunk: string[] = []
    for await (const line of lines) {
      const text = `${JSON.stringify(line)}\n`
      size += text.length
      if (size > PART_BYTES) {
        this.capped = true
        break
      }
      this.count++
      if (chunk.push(text) < CHUNK) continue
      yield Buffer.from(chunk.join(''))
      chunk = []
      await setImmediate()
    }
    yield Buffer.from(
      `${chunk.join('')}${JSON.stringify({ end: true, lines: this.count, capped: this.capped })}\n`,
    )
  }
}

/** Marks other than N, by device, metric and mark. */
class Marks {
  readonly #seen = new Map<string, { -readonly [K in keyof MarkSeen]: MarkSeen[K] }>()

  note(device: string, ts: number, flags: Readonly<Record<string, MarkSeen['flag']>> | undefined): void {
    for (const [metric, flag] of Object.entries(flags ?? {})) {
      const key = `${device}\n${metric}\n${flag}`
      const known = this.#seen.get(key)
      if (known === undefined) {
        this.#seen.set(key, { device, metric, flag, first: ts, last: ts, count: 1 })
        continue
      }
      known.last = ts
      known.count++
    }
  }

  seen(): readonly MarkSeen[] {
    return [...this.#seen.values()]
  }
}
