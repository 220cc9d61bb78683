import type { Recorded } from '../model/pipeline.ts'
import { arrivalOf, CLOCK_AHEAD_LIMIT } from '../model/reading.ts'
import { Schedule } from '../judge/schedule.ts'

/** A reading as somebody sees it who looks at several devices. */
export interface Sighting {
  readonly recorded: Recorded
  /** Whose it is: index of its stream. */
  readonly source: number
}

interface Arrival extends Sighting {
  /** Gateway's clock, epoch milliseconds. */
  readonly at: number
}

type Stream = AsyncIterable<readonly Recorded[]>

/** Readings that wait for their turn at most: a device that sent a year at once has them come early. */
const WAITING = 100_000
const CHUNK = 2048

/**
 * Streams that are each in order of time, merged into one in the order in which their readings came in: what
 * judges several devices at once waits for none of them beyond some time. To within some seconds, for that is as
 * far as the history knows (`AT_ONCE_MS`).
 */
export async function* inArrivalOrder(streams: readonly Stream[]): AsyncIterable<readonly Sighting[]> {
  const heads = await Promise.all(streams.map((stream, source) => Head.open(stream, source)))
  const waiting = new Schedule<Arrival>()
  let held = 0
  let chunk: Sighting[] = []
  try {
    for (let head = earliest(heads); head !== undefined; head = earliest(heads)) {
      const arrival = await head.take()
      waiting.add(arrival.at, arrival)
      held++
      if (held < CHUNK) continue
      // Nothing comes in earlier than this before its own time, and what follows is of a later time.
      const isSure = arrival.recorded.reading.ts - CLOCK_AHEAD_LIMIT - 1
      chunk = taken(waiting, held > WAITING ? Infinity : isSure)
      held -= chunk.length
      if (chunk.length > 0) yield chunk
    }
    chunk = taken(waiting, Infinity)
    if (chunk.length > 0) yield chunk
  } finally {
    for (const head of heads) await head.close()
  }
}

/** In order; what came in together, in order of its own time. */
function taken(waiting: Schedule<Arrival>, until: number): Arrival[] {
  const arrivals: Arrival[] = []
  for (let next = waiting.take(until); next !== undefined; next = waiting.take(until))
    arrivals.push(next.what)
  return arrivals.sort((a, b) => a.at - b.at || a.recorded.reading.ts - b.recorded.reading.ts)
}

/** A stream's next reading. */
class Head {
  readonly #chunks: AsyncIterator<readonly Recorded[]>
  readonly #source: number
  #chunk: readonly Recorded[] = []
  #at = 0
  #newest = -Infinity

  constructor(chunks: AsyncIterator<readonly Recorded[]>, source: number) {
    this.#chunks = chunks
    this.#source = source
  }

  static async open(stream: Stream, source: number): Promise<Head> {
    const head = new Head(stream[Symbol.asyncIterator](), source)
    await head.#read()
    return head
  }

  /** Event time; Infinity at its end. */
  get ts(): number {
    return this.#chunk[this.#at]?.reading.ts ?? Infinity
  }

  async take(): Promise<Arrival> {
    const recorded = this.#chunk[this.#at++]!
    if (this.#at === this.#chunk.length) await this.#read()
    return { recorded, source: this.#source, at: this.#arrivalOf(recorded) }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  /** Of readings that came in order, none came before one that is older. */
  #arrivalOf({ reading }: Recorded): number {
    const arrival = arrivalOf(reading)
    if (reading.behind !== undefined) return arrival
    this.#newest = Math.max(this.#newest, arrival)
    return this.#newest
  }

  async #read(): Promise<void> {
    const next = await this.#chunks.next()
    this.#chunk = next.done === true ? [] : next.value
    this.#at = 0
  }
}

function earliest(heads: readonly Head[]): Head | undefined {
  let first: Head | undefined
  for (const head of heads) if (head.ts < (first?.ts ?? Infinity)) first = head
  return first
}
