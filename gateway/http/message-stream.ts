import { isUtf8 } from 'node:buffer'
import type { ServerResponse } from 'node:http'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { Readable } from 'node:stream'
import type { Journal, KeptMessage } from '../model/pipeline.ts'

/** Who records reads much: so many at once. */
const STREAMS = 4
/** Readings asked of the journal at once; it answers with whole batches. */
const READ_AT_ONCE = 1000
/** Messages written out in one go, about a millisecond: sockets have their turn in between. */
const WRITE_AT_ONCE = 256
/** The journal is asked this often whether there is more, ms. */
const LOOK_EVERY = 100
/** An empty line, ms: it keeps proxies and dead connections honest. */
const HEARTBEAT = 15_000

export interface StreamRequest {
  /** Number of the reading to begin with. */
  readonly from: number
  /** Goes on with what comes, rather than to end with what is there. */
  readonly follow: boolean
  /** Asked at each heartbeat: a stream must not outlive the right to it. */
  readonly allowed: () => boolean
}

/**
 * What devices sent, as it lies in the journal, for those who record. It is read there, behind the commit and at the
 * pace of who listens: the intake does not know of it, and without a listener nothing is done.
 */
export class MessageStream {
  readonly #journal: Pick<Journal, 'head' | 'tail' | 'messages'>
  readonly #open = new Set<AbortController>()

  constructor(journal: Pick<Journal, 'head' | 'tail' | 'messages'>) {
    this.#journal = journal
  }

  get hasRoom(): boolean {
    return this.#open.size < STREAMS
  }

  /** JSON lines for the response, until there are no more, it is closed, or `stop()`. */
  open(request: StreamRequest, response: ServerResponse): Readable {
    const ending = new AbortController()
    this.#open.add(ending)
    // Not the stream's own closing: that waits for the lines, and these for the next message.
    response.on('close', () => {
      this.#open.delete(ending)
      ending.abort()
    })
    return Readable.from(this.#lines(request, ending.signal), { objectMode: false })
  }

  stop(): void {
    for (const ending of this.#open) ending.abort()
  }

  async *#lines({ from, follow, allowed }: StreamRequest, signal: AbortSignal): AsyncGenerator<Buffer> {
    let next = from
    let beatAt = Date.now()
    // Or who listens would not know before the first message that the answer is yes.
    if (follow) yield Buffer.from('\n')
    while (!signal.aborted) {
      if (next < this.#journal.head()) {
        const read = this.#journal.messages(next, READ_AT_ONCE)
        next = read.next
        for (let at = 0; at < read.messages.length && !signal.aborted; at += WRITE_AT_ONCE) {
          const lines = read.messages.slice(at, at + WRITE_AT_ONCE).map(lineOf)
          yield Buffer.from(lines.join(''))
          await setImmediate()
        }
      } else {
        if (!follow) return
        await sleep(LOOK_EVERY, undefined, { signal }).catch(() => {})
      }
      if (Date.now() - beatAt < HEARTBEAT) continue
      beatAt = Date.now()
      if (!allowed()) return
      yield Buffer.from('\n')
    }
  }
}

function lineOf({ seq, readings, origin, receivedAt, body }: KeptMessage): string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const payload = isUtf8(bytes)
    ? { payload: bytes.toString('utf8') }
    : { payload: bytes.toString('base64'), encoding: 'base64' }
  const { device } = origin
  return `${JSON.stringify({ seq, readings, device, topic: `v1/${device}/readings`, at: receivedAt, ...payload })}\n`
}
