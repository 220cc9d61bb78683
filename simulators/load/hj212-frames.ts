import { annexA, writtenTime } from '../hj212-frame.ts'
import type { Metrics } from './payload.ts'

/**
 * HJ 212-2017 as a monitor speaks it, of prepared frames whose times and checksum are filled in for each message.
 * Times have seventeen digits, so that a device may send more than one reading in a second.
 */

/** Factor codes of the standard's tables, and by custom the fan and the purifier. */
const CODES: Readonly<Record<string, string>> = {
  fume: 'a34041',
  pm: 'a34013',
  nmhc: 'a24088',
  temperature: 'a01012',
  humidity: 'a01014',
}
const STATES: Readonly<Record<string, string>> = { fan: 'SB1', purifier: 'SB2' }

/** Where a time goes: what is sent is of this century. */
const TIME = `20${'0'.repeat(15)}`
/** Digits of a time behind its century: a double holds them exactly. */
const DIGITS = 15
/** `##0087QN=20` */
const NUMBER = 11
const ACKNOWLEDGED = Buffer.from(';ST=91;CN=9014;')

/** Real-time data (2011) that asks for an acknowledgement. Metrics that the standard has no code for are left out. */
export class UploadTemplate {
  readonly #frame: Buffer
  /** Of QN and DataTime, behind the century. */
  readonly #times: readonly [number, number]

  constructor(mn: string, metrics: Metrics) {
    const values = Object.entries(metrics).flatMap(([metric, value]) => {
      const code = CODES[metric]
      const state = STATES[metric]
      if (code !== undefined) return [`${code}-Rtd=${Number(value)},${code}-Flag=N`]
      return state === undefined ? [] : [`${state}-RS=${Number(value)}`]
    })
    const head = `QN=${TIME};ST=31;CN=2011;PW=123456;MN=${mn};Flag=5`
    const segment = `${head};CP=&&DataTime=${TIME};${values.join(';')}&&`
    this.#frame = Buffer.from(`##${String(segment.length).padStart(4, '0')}${segment}0000\r\n`)
    this.#times = [this.#frame.indexOf(TIME) + 2, this.#frame.lastIndexOf(TIME) + 2]
  }

  get size(): number {
    return this.#frame.length
  }

  /** Writes the frame of the {@link stampOf} a time, which is its QN too. */
  write(target: Buffer, at: number, stamp: number): void {
    this.#frame.copy(target, at)
    const [qn, dataTime] = this.#times
    writeStamp(target, at + qn, stamp)
    target.copyWithin(at + dataTime, at + qn, at + qn + DIGITS)
    const end = at + this.#frame.length - 6
    const crc = annexA(target, at + 6, end)
    for (let i = 0; i < 4; i++) target[end + i] = HEX.charCodeAt((crc >> (12 - 4 * i)) & 15)
  }
}

const HEX = '0123456789ABCDEF'

let second = NaN
let written = 0

/** `YYMMDDhhmmsszzz` in Beijing, as a number. Most messages share their second with the one before. */
export function stampOf(ts: number): number {
  const now = Math.floor(ts / 1000)
  if (now !== second) {
    second = now
    written = Number(writtenTime(now * 1000).slice(2))
  }
  return written + ts - now * 1000
}

function writeStamp(target: Buffer, at: number, stamp: number): void {
  let rest = stamp
  for (let index = at + DIGITS - 1; index >= at; index--) {
    const next = Math.floor(rest / 10)
    target[index] = 48 + rest - next * 10
    rest = next
  }
}

/** Finds the QN of each acknowledged upload (9014), as a {@link stampOf} its time, in a stream that is cut anywhere. */
export class AnswerReader {
  readonly #onAcknowledged: (stamp: number) => void
  #rest = Buffer.alloc(0)

  constructor(onAcknowledged: (stamp: number) => void) {
    this.#onAcknowledged = onAcknowledged
  }

  push(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    for (let end = data.indexOf('\r\n'); end >= 0; end = data.indexOf('\r\n', at)) {
      // ##0087QN=20240601120000123;ST=91;CN=9014;…
      const stamp = stampAt(data, at + NUMBER)
      if (!Number.isNaN(stamp) && comesAt(data, at + NUMBER + DIGITS, ACKNOWLEDGED))
        this.#onAcknowledged(stamp)
      at = end + 2
    }
    // A copy: the chunk's memory is used again for the next one.
    this.#rest = at === data.length ? EMPTY : Buffer.from(data.subarray(at))
  }
}

const EMPTY = Buffer.alloc(0)

function stampAt(data: Buffer, from: number): number {
  let stamp = 0
  for (let at = from; at < from + DIGITS; at++) {
    const digit = data[at]! - 48
    if (!(digit >= 0 && digit <= 9)) return NaN
    stamp = stamp * 10 + digit
  }
  return stamp
}

function comesAt(data: Buffer, at: number, expected: Buffer): boolean {
  for (let i = 0; i < expected.length; i++) if (data[at + i] !== expected[i]) return false
  return true
}
