import { inFile, openRecording } from './recording.ts'
import type { Cells } from './recording-map.ts'
import { frameAt, globalPosition } from './mavlink.ts'

/** Microseconds since 1970, big-endian, in front of each frame. */
const STAMP = 8
/** What a ground station may have written, µs: 2000 to 2100. Beside the frame's own mark it tells rows from noise. */
const EARLIEST = 946_684_800_000_000n
const LATEST = 4_102_444_800_000_000n

const NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'HEARTBEAT'],
  [33, 'GLOBAL_POSITION_INT'],
])

/**
 * A row for each frame of a ground station's `.tlog`: `time` (µs), `system`, `component`, `message` (its name, or
 * its number), and of GLOBAL_POSITION_INT `lon`, `lat` (°), `alt`, `height` (m), `speed` (m/s) and `heading` (°).
 * Null stands for a stretch of bytes that are no frame.
 */
export async function* tlogRows(file: string): AsyncGenerator<Cells | null> {
  const stream = openRecording(file)
  const scan = new Scan()
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) yield* scan.rows(chunk)
    yield* scan.end()
  } catch (error) {
    throw inFile(file, error)
  } finally {
    stream.destroy()
  }
}

/** Finds frames in a stream that is cut anywhere, and finds the next one where some bytes are damaged. */
class Scan {
  #rest: Buffer = Buffer.alloc(0)
  #isLost = false;

  *rows(chunk: Buffer): Generator<Cells | null> {
    yield* this.#scan(Buffer.concat([this.#rest, chunk]), false)
  }

  *end(): Generator<Cells | null> {
    yield* this.#scan(this.#rest, true)
    if (this.#isLost || this.#rest.length > 0) yield null
  }

  *#scan(data: Buffer, isEnd: boolean): Generator<Cells | null> {
    let at = 0
    while (at + STAMP < data.length) {
      const stamp = data.readBigUInt64BE(at)
      const frame = stamp < EARLIEST || stamp > LATEST ? null : frameAt(data, at + STAMP)
      if (frame === 'short' && !isEnd) break
      if (frame === null || frame === 'short') {
        this.#isLost = true
        at++
        continue
      }
      if (this.#isLost) yield null
      this.#isLost = false
      yield {
        time: String(stamp),
        system: String(frame.system),
        component: String(frame.component),
        message: NAMES.get(frame.id) ?? String(frame.id),
        ...(frame.id === 33 && frame.payload !== null && positionCells(frame.payload)),
      }
      at += STAMP + frame.size
    }
    this.#rest = data.subarray(at)
  }
}

function positionCells(payload: DataView): Cells {
  const position = Object.entries(globalPosition(payload)).filter(([, value]) => value !== null)
  return Object.fromEntries(position.map(([name, value]) => [name, String(value)]))
}
