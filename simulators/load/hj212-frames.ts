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

const TIME = '0'.repeat(17)

/** Real-time data (2011) that asks for an acknowledgement. Metrics that the standard has no code for are left out. */
export class UploadTemplate {
  readonly #frame: Buffer
  readonly #times: readonly number[]

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
    this.#times = [this.#frame.indexOf(TIME), this.#frame.lastIndexOf(TIME)]
  }

  get size(): number {
    return this.#frame.length
  }

  /** Writes the frame of the time, which is its QN too. */
  write(target: Buffer, at: number, time: string): void {
    this.#frame.copy(target, at)
    for (const offset of this.#times) target.write(time, at + offset, 'latin1')
    const end = at + this.#frame.length - 6
    const crc = annexA(target, at + 6, end)
    target.write(crc.toString(16).toUpperCase().padStart(4, '0'), end, 'latin1')
  }
}

let second = NaN
let written = ''

/** `YYYYMMDDhhmmsszzz`, Beijing time. Most messages share their second with the one before. */
export function beijingTime(ts: number): string {
  const now = Math.floor(ts / 1000)
  if (now !== second) {
    second = now
    written = writtenTime(now * 1000).slice(0, 14)
  }
  return written + String(ts - now * 1000).padStart(3, '0')
}

/** Finds the QN of each acknowledged upload (9014) in a stream that is cut anywhere. */
export class AnswerReader {
  readonly #onAcknowledged: (qn: string) => void
  #rest = ''

  constructor(onAcknowledged: (qn: string) => void) {
    this.#onAcknowledged = onAcknowledged
  }

  push(chunk: Buffer): void {
    const text = this.#rest + chunk.toString('latin1')
    let at = 0
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n', at)) {
      // ##0087QN=20240601120000123;ST=91;CN=9014;…
      if (text.startsWith('CN=9014;', at + 33)) this.#onAcknowledged(text.slice(at + 9, at + 26))
      at = end + 2
    }
    this.#rest = text.slice(at)
  }
}
