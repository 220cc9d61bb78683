import { fieldOf, type Packet } from './codec.ts'
import type { KeptFrame } from './kept-frame.ts'
import type { Member } from './roster.ts'

/**
 * The other parts may take this long, ms. The parts are acknowledged one by one, and a sender may wait for the
 * acknowledgement of the first before it sends the second: well before its timeout (10 s, table 1) what has come is
 * taken as it is, and the rest becomes a reading of its own at the same time.
 */
const WAIT_MS = 1_000
/** Messages under way at once, of all devices; the oldest is taken as it is when there are more. */
const MESSAGES = 500
/** Parts of one message. */
const PARTS = 64

interface Part {
  readonly packet: Packet
  readonly frame: KeptFrame
}

/** The packet that is whole, and the frames that it came in. */
type Deliver = (member: Member, packet: Packet, frames: readonly KeptFrame[]) => Promise<unknown>

interface Message {
  readonly member: Member
  readonly parts: Map<number, Part>
  readonly pnum: number
  readonly durable: PromiseWithResolvers<unknown>
  readonly timer: NodeJS.Timeout
}

/** Puts the packets of a message together again (§6.3.3, annex C.50): by MN, CN and DataTime, for QN differs. */
export class Assembly {
  readonly #deliver: Deliver
  readonly #messages = new Map<string, Message>()

  constructor(deliver: Deliver) {
    this.#deliver = deliver
  }

  /** Resolves when the part is durable, alone or with the others. */
  take(member: Member, packet: Packet, frame: KeptFrame): Promise<unknown> {
    const { pnum, pno, mn, cn } = packet
    const isPart = pnum !== null && pno !== null && pnum > 1 && pnum <= PARTS && pno >= 1 && pno <= pnum
    const dataTime = isPart ? fieldOf(packet, 'DataTime') : undefined
    if (!isPart || dataTime === undefined) return this.#deliver(member, packet, [frame])
    const key = `${mn} ${cn} ${dataTime}`
    let message = this.#messages.get(key)
    if (message !== undefined && message.pnum !== pnum) {
      this.#finish(key, message)
      message = undefined
    }
    message ??= this.#begin(key, member, pnum)
    message.parts.set(pno, keptPart(packet, frame))
    if (message.parts.size === pnum) this.#finish(key, message)
    return message.durable.promise
  }

  /** Takes everything as it is. */
  flush(): void {
    for (const [key, message] of this.#messages) this.#finish(key, message)
  }

  #begin(key: string, member: Member, pnum: number): Message {
    if (this.#messages.size >= MESSAGES) {
      const [oldest, message] = this.#messages.entries().next().value!
      this.#finish(oldest, message)
    }
    const timer = setTimeout(() => this.#finish(key, message), WAIT_MS)
    const message: Message = {
      member,
      parts: new Map(),
      pnum,
      durable: Promise.withResolvers<unknown>(),
      timer,
    }
    this.#messages.set(key, message)
    return message
  }

  #finish(key: string, { member, parts, durable, timer }: Message): void {
    clearTimeout(timer)
    this.#messages.delete(key)
    const inOrder = [...parts].sort(([a], [b]) => a - b).map(([, part]) => part)
    const whole = { ...inOrder[0]!.packet, cp: joined(inOrder.map(({ packet }) => packet.cp)) }
    const frames = inOrder.map(({ frame }) => frame)
    this.#deliver(member, whole, frames).then(durable.resolve, durable.reject)
  }
}

/** Packet and frame are on loan: what waits for others needs memory of its own. */
function keptPart(packet: Packet, frame: KeptFrame): Part {
  return {
    packet: { ...packet, cp: Buffer.from(packet.cp) },
    frame: { ...frame, bytes: Buffer.from(frame.bytes) },
  }
}

const SEPARATOR = Buffer.from(';')

function joined(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts.flatMap((cp, i) => (i === 0 ? [cp] : [SEPARATOR, cp])))
}
