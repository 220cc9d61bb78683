import type { Clock } from '../../gateway/model/clock.ts'
import { encode, fieldOf, fieldsOf, type Field, type Packet } from './codec.ts'
import type { Connection } from './connection.ts'
import type { Member } from './roster.ts'
import { writtenTime } from './time.ts'

/** Where a device is heard now, and what its own frames said that requests must repeat. */
export interface Session {
  readonly member: Member
  readonly connection: Connection
  st: string | null
  pw: string | null
  version: number
  /** It speaks of now on this connection, and what was before that has been looked at for a gap. */
  isBack: boolean
  /** Time of the latest reading that this was done for. */
  lookedTs: number
}

export interface Request {
  /** Command number, §6.6.5. */
  readonly cn: string
  readonly cp: string
}

export type Answer =
  { readonly ok: true; readonly fields: readonly Field[] } | { readonly ok: false; readonly error: string }

export interface Timing {
  /** Until the request is sent again, ms, … */
  readonly answerMs: number
  /** … so many times. */
  readonly resends: number
  /** Once the device has said that it is ready: longest pause before the result or the next data, ms. */
  readonly executeMs: number
}

/** Table 1 for cellular networks; the time to execute is this project's. */
export const TABLE_1: Timing = { answerMs: 10_000, resends: 3, executeMs: 60_000 }

/** Requests under way to one device. */
const AT_ONCE = 8

interface Open {
  readonly session: Session
  readonly frame: Buffer
  readonly resolve: (answer: Answer) => void
  sent: number
  fields: readonly Field[]
  timer: NodeJS.Timeout | undefined
}

/**
 * The handshake of §6.4: request → 9011 ready or not → data, where it is asked for → 9012 result. The answers bear the
 * request's QN, and a request that is sent again keeps it.
 */
export class Requests {
  readonly #clock: Clock
  readonly #timing: Timing
  readonly #open = new Map<string, Open>()
  #lastNumber = 0

  constructor(clock: Clock, timing: Timing) {
    this.#clock = clock
    this.#timing = timing
  }

  /** Never rejects. */
  send(session: Session, { cn, cp }: Request): Promise<Answer> {
    const { device, binding } = session.member
    const underWay = [...this.#open.values()].filter((open) => open.session.member.device === device)
    if (underWay.length >= AT_ONCE)
      return Promise.resolve({ ok: false, error: 'too many requests under way' })
    const qn = this.#nextNumber()
    const frame = encode(
      {
        qn,
        st: session.st,
        cn,
        pw: binding.pw ?? session.pw,
        mn: binding.mn,
        flag: (session.version << 2) | 1,
        cp,
      },
      binding.crc,
    )
    return new Promise((resolve) => {
      const open: Open = { session, frame, resolve, sent: 0, fields: [], timer: undefined }
      this.#open.set(keyOf(device, qn), open)
      this.#transmit(device, qn, open)
    })
  }

  /** True when the packet is an answer and nothing else; data that was asked for is an upload too. */
  hear(member: Member, packet: Packet): boolean {
    if (this.#open.size === 0) return isAnswer(packet)
    // Answers of 2005 name the request in CP.
    const qn = packet.qn ?? fieldOf(packet, 'QN') ?? ''
    const open = this.#open.get(keyOf(member.device, qn))
    switch (packet.cn) {
      case '9011':
        if (open !== undefined) this.#ready(member.device, qn, open, codeOf(packet, 'QnRtn'))
        return true
      case '9012':
        if (open !== undefined) this.#executed(member.device, qn, open, codeOf(packet, 'ExeRtn'))
        return true
      case '9013':
      case '9014':
        if (open !== undefined) this.#close(member.device, qn, { ok: true, fields: [] })
        return true
      default:
        if (open === undefined) return false
        open.fields = fieldsOf(packet)
        this.#await(member.device, qn, open)
        return packet.cn.startsWith('10')
    }
  }

  /** Its connection is gone. */
  lost(session: Session): void {
    for (const [key, open] of this.#open) {
      if (open.session === session) this.#closeAt(key, { ok: false, error: 'the connection was closed' })
    }
  }

  stop(): void {
    for (const key of this.#open.keys()) this.#closeAt(key, { ok: false, error: 'the gateway was stopped' })
  }

  #transmit(device: string, qn: string, open: Open): void {
    const { answerMs, resends } = this.#timing
    if (open.sent > resends) {
      this.#close(device, qn, { ok: false, error: `no answer to ${open.sent} requests` })
      return
    }
    open.sent++
    open.session.connection.send(open.frame)
    open.timer = setTimeout(() => this.#transmit(device, qn, open), answerMs)
  }

  #ready(device: string, qn: string, open: Open, code: number): void {
    if (code === 1) this.#await(device, qn, open)
    else this.#close(device, qn, { ok: false, error: `refused: ${REFUSALS.get(code) ?? 'no reason given'}` })
  }

  /** Some devices send what they were asked for and no result. */
  #await(device: string, qn: string, open: Open): void {
    clearTimeout(open.timer)
    open.timer = setTimeout(() => {
      const isAnswered = open.fields.length > 0
      this.#close(
        device,
        qn,
        isAnswered ? { ok: true, fields: open.fields } : { ok: false, error: 'ready, but without a result' },
      )
    }, this.#timing.executeMs)
  }

  #executed(device: string, qn: string, open: Open, code: number): void {
    const failed = `failed: ${FAILURES.get(code) ?? 'no reason given'}`
    this.#close(device, qn, code === 1 ? { ok: true, fields: open.fields } : { ok: false, error: failed })
  }

  #close(device: string, qn: string, answer: Answer): void {
    this.#closeAt(keyOf(device, qn), answer)
  }

  #closeAt(key: string, answer: Answer): void {
    const open = this.#open.get(key)
    if (open === undefined) return
    clearTimeout(open.timer)
    this.#open.delete(key)
    open.resolve(answer)
  }

  /** A time to the millisecond, as §6.3.3 wants it, and each one once. */
  #nextNumber(): string {
    this.#lastNumber = Math.max(this.#clock.now(), this.#lastNumber + 1)
    return writtenTime(this.#lastNumber, 17)
  }
}

/** Answers to requests and notices. */
export function isAnswer({ cn }: Pick<Packet, 'cn'>): boolean {
  return cn === '9011' || cn === '9012' || cn === '9013' || cn === '9014'
}

/** QnRtn, table 6. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [2, 'the device will not'],
  [3, 'PW is wrong'],
  [4, 'MN is wrong'],
  [5, 'ST is wrong'],
  [6, 'Flag is wrong'],
  [7, 'QN is wrong'],
  [8, 'CN is wrong'],
  [9, 'the checksum is wrong'],
  [100, 'for an unknown reason'],
])

/** ExeRtn, table 5. */
const FAILURES: ReadonlyMap<number, string> = new Map([
  [2, 'for an unknown reason'],
  [3, 'a condition is not met'],
  [4, 'it took too long'],
  [5, 'the device is busy'],
  [6, 'the device has a fault'],
  [100, 'there is no data'],
])

function codeOf(packet: Packet, name: string): number {
  return Number(fieldOf(packet, name) ?? NaN)
}

function keyOf(device: string, qn: string): string {
  return `${device} ${qn}`
}
