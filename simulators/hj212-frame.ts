/** HJ 212-2017 §6.3: `##`, the length of the data segment in four digits, the segment, its checksum, CR LF. */

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >> 1) ^ 0xa001 : crc >> 1
  return crc
})

/**
 * Annex A works on the high byte of what it has so far, unlike Modbus: `(crc >> 8) ^ byte`. So four steps can be taken
 * at once: each is linear over XOR and forgets all but that byte.
 */
const STEP = Uint8Array.from(TABLE, (crc) => crc >> 8)
const STEPS_2 = STEP.map((index) => STEP[index]!)
const STEPS_3 = STEPS_2.map((index) => STEP[index]!)
const STEPS_4 = STEPS_3.map((index) => STEP[index]!)

/** CRC16 of Annex A over bytes `from` to `to`. */
export function annexA(bytes: Uint8Array, from = 0, to = bytes.length): number {
  if (from === to) return 0xffff
  let index = 0xff ^ bytes[from]!
  let at = from + 1
  for (; at + 3 < to; at += 4)
    index =
      STEPS_4[index]! ^
      STEPS_3[bytes[at]!]! ^
      STEPS_2[bytes[at + 1]!]! ^
      STEP[bytes[at + 2]!]! ^
      bytes[at + 3]!
  for (; at < to; at++) index = STEP[index]! ^ bytes[at]!
  return TABLE[index]!
}

/** CRC-16/MODBUS, which many monitors send instead. */
export function modbus(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = 0xffff
  for (let at = from; at < to; at++) crc = (crc >> 8) ^ TABLE[(crc ^ bytes[at]!) & 0xff]!
  return crc
}

const swapped = (crc: number): number => ((crc & 0xff) << 8) | (crc >> 8)

/** Those that occur, the standard's first. */
const CHECKSUMS: readonly ((segment: Uint8Array) => number)[] = [
  annexA,
  modbus,
  (segment) => swapped(modbus(segment)),
]

/** Beijing time, which has had no summer time since 1991; HJ 212 names no zone. */
const BEIJING = 8 * 3_600_000

/** `YYYYMMDDhhmmsszzz` of epoch ms; the first fourteen digits are DataTime's. */
export function writtenTime(ts: number): string {
  return new Date(ts + BEIJING).toISOString().replaceAll(/[-:.TZ]/g, '')
}

/** Epoch ms of fourteen or seventeen digits; null when they are no time. */
export function timeOf(digits: string): number | null {
  const [, year, month, day, hour, minute, second, ms = '0'] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})?$/.exec(digits) ?? []
  if (year === undefined) return null
  const at =
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)) +
    Number(ms) -
    BEIJING
  return writtenTime(at).startsWith(digits.slice(0, 14)) ? at : null
}

/** A whole frame around a data segment of ASCII. */
export function frameOf(segment: string): string {
  const bytes = Buffer.from(segment, 'latin1')
  return `##${String(bytes.length).padStart(4, '0')}${segment}${hex(annexA(bytes))}\r\n`
}

function hex(crc: number): string {
  return crc.toString(16).toUpperCase().padStart(4, '0')
}

/** A frame in a log, as latin1 text without CR LF; it may be damaged. */
export class LoggedFrame {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  get mn(): string | null {
    return /;MN=([^;]*)/.exec(this.text)?.[1] ?? null
  }

  /** Whether the sender wants an acknowledgement: bit 0 of Flag; HJ/T 212-2005 has none. */
  get asksForAck(): boolean {
    return (Number(/;Flag=(\d+)/.exec(this.text)?.[1] ?? 0) & 1) === 1
  }

  /** Epoch ms of the request number, else of the data; null when neither is there. */
  get ts(): number | null {
    for (const field of [/QN=(\d{17})/, /DataTime=(\d{14}(?:\d{3})?)/]) {
      const ts = timeOf(field.exec(this.text)?.[1] ?? '')
      if (ts !== null) return ts
    }
    return null
  }

  /**
   * The bytes to send, with its times moved. They keep their digits, so the length stays right; the checksum is
   * made anew where it was right, by the algorithm by which it was right, and stays wrong where it was wrong.
   */
  moved(by: number): Buffer {
    // DataTime has no milliseconds, and keeps its distance from QN.
    const seconds = Math.floor(by / 1000) * 1000
    const text = seconds === 0 ? this.text : this.#movedText(seconds)
    return Buffer.from(`${text}\r\n`, 'latin1')
  }

  #movedText(by: number): string {
    const text = this.text.replaceAll(
      /(?<![A-Za-z])(QN|DataTime|BeginTime|EndTime)=(\d+)/g,
      (all, name, digits) => {
        const ts = timeOf(String(digits))
        return ts === null ? all : `${name}=${writtenTime(ts + by).slice(0, String(digits).length)}`
      },
    )
    const segment = (frame: string): Buffer => Buffer.from(frame.slice(6, -4), 'latin1')
    const sent = this.text.slice(-4)
    const algorithm = CHECKSUMS.find((candidate) => hex(candidate(segment(this.text))) === sent.toUpperCase())
    if (algorithm === undefined) return text
    const made = hex(algorithm(segment(text)))
    return text.slice(0, -4) + (sent === sent.toUpperCase() ? made : made.toLowerCase())
  }
}

/** The frames of a line of a log, which may have a time or a peer's name around them. */
export function* framesIn(line: string): Generator<LoggedFrame> {
  for (let at = line.indexOf('##'); at >= 0; at = line.indexOf('##', at)) {
    const length = /^##(\d{4})/.exec(line.slice(at, at + 6))?.[1]
    if (length === undefined) {
      at += 2
      continue
    }
    const end = at + 6 + Number(length) + 4
    const frame = new LoggedFrame(isWhole(line, end) ? line.slice(at, end) : damaged(line.slice(at)))
    yield frame
    at += frame.text.length
  }
}

/** A segment of data ends with `&&`, and nothing of it is left behind the checksum. */
function isWhole(line: string, end: number): boolean {
  return (
    end <= line.length && line.slice(end - 6, end - 4) === '&&' && !/^[\dA-Za-z;=&]/.test(line.slice(end))
  )
}

/** What looks like the frame though its length is wrong: up to the last `&&` and what may be a checksum. */
function damaged(text: string): string {
  const cut = text.split('\t', 1)[0]!
  return /^.*&&[^\s&"',]{0,4}/.exec(cut)?.[0] ?? cut
}
