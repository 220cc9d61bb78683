import { checksum, type Checksum } from './crc.ts'

/**
 * HJ 212-2017 §6.3, the same in 2005 and 2025:
 *
 *   ##LLLL{data segment}CCCC\r\n
 *   QN=…;ST=…;CN=…;PW=…;MN=…;Flag=…;[PNUM=…;PNO=…;]CP=&&{item;item;…}&&
 *
 * LLLL counts the bytes of the data segment, CCCC is its checksum (see crc.ts) in hexadecimal.
 */

/** §6.3.2 allows 1,024; senders in the field exceed it, the longest one known by some twenty bytes. */
export const SEGMENT_LIMIT = 4096

/** What is wrong with bytes that look like a frame. */
export type FaultCode = 'too_long' | 'cut_off' | 'bad_length' | 'bad_crc' | 'bad_segment'

export interface Fault {
  readonly code: FaultCode
  /** Where and what was expected; without the sender's own words, so it is fit for a log. */
  readonly message: string
}

/** Versions of the standard as V5…V0 of Flag count them (§6.3.3). */
export const VERSIONS = ['2005', '2017', '2025'] as const

/** What stands before CP. */
export interface Head {
  /** Request number, a time to the millisecond by which an answer is matched; 2005 senders may leave it out. */
  readonly qn: string | null
  /** System type (§6.6.1), of the monitored object. */
  readonly st: string | null
  /** What it is about (§6.6.5): 2011 real-time data, 9014 data acknowledged, and so on. */
  readonly cn: string
  readonly pw: string | null
  /** Identity of the sender. */
  readonly mn: string
  /** Null where there is no Flag at all, as in 2005. */
  readonly flag: number | null
  /** Packets that the message was split into and the number of this one, from 1. */
  readonly pnum: number | null
  readonly pno: number | null
}

/** A data segment, decoded. */
export interface Packet extends Head {
  /** What stands between the `&&` of CP, a view of the segment: {@link fieldsOf} reads it. */
  readonly cp: Buffer
}
/** A packet with the fields that stand in its CP. */
export interface Told extends Head {
  readonly cp: readonly Field[]
}
/** Of CP. Which of them share an item says the code before their `-`. */
export type Field = readonly [name: string, value: string]

/** The sender wants an answer: bit A of Flag. */
export function wantsAnswer(packet: Pick<Packet, 'flag'>): boolean {
  return packet.flag !== null && (packet.flag & 1) === 1
}

/** Index in {@link VERSIONS}; later ones are possible. */
export function versionOf(packet: Pick<Packet, 'flag'>): number {
  return (packet.flag ?? 0) >> 2
}

/** In the field MN is anything: 24 hexadecimal digits (2017), 14 (2005), a serial number, a name. */
export const MN_PATTERN = '^[\\x21-\\x3a\\x3c\\x3e-\\x7e]{1,64}$'
const mnText = new RegExp(MN_PATTERN)
const cnText = /^[0-9A-Za-z]{4}$/
const digits = /^\d{1,5}$/

/** A whole data segment whose length is right. */
export function decode(segment: Uint8Array, crc: number, algorithm: Checksum): Packet | Fault {
  return checksum(segment, algorithm) === crc ? decodeSegment(segment) : badCrc(crc)
}

export function badCrc(crc: number): Fault {
  return {
    code: 'bad_crc',
    message: `the checksum ${hex(crc)} is not that of the data segment`,
  }
}

/** The data segment without a look at its checksum. */
export function decodeSegment(segment: Uint8Array): Packet | Fault {
  return new Decoder().decode(segment)
}

/** Data segments of one connection. All that a sender says before CP is the same all day but for QN, so it is read once. */
export class Decoder {
  /** The last head from behind a leading QN to `CP=&&`, in memory of its own, and what it says. */
  #written = EMPTY
  #head: Head | null = null

  decode(segment: Uint8Array): Packet | Fault {
    const bytes = asBuffer(segment)
    const start = leadingNumber(bytes)
    const isKnown = this.#head !== null && comesAt(bytes, start, this.#written)
    const end = isKnown ? start + this.#written.length : behindCp(bytes, start)
    const last = bytes.length - 2
    if (end < 0 || last < end || bytes[last] !== AMPERSAND || bytes[last + 1] !== AMPERSAND)
      return bad('CP=&&…&&: missing')
    let head = this.#head
    if (!isKnown || head === null) {
      const read = headOf(bytes.toString('utf8', start, end - CP.length))
      if ('code' in read) return read
      this.#head = head = read
      this.#written = Buffer.allocUnsafeSlow(end - start)
      bytes.copy(this.#written, 0, start, end)
    }
    const { st, cn, pw, mn, flag, pnum, pno } = head
    const qn = head.qn ?? (start === 0 ? null : bytes.toString('latin1', QN.length, start - 1))
    return { qn, st, cn, pw, mn, flag, pnum, pno, cp: bytes.subarray(end, last) }
  }
}

const EMPTY = Buffer.alloc(0)
export const CP = Buffer.from('CP=&&')
const QN = Buffer.from('QN=')

function behindCp(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(CP, from)
  return at < 0 ? -1 : at + CP.length
}

/** Behind a `QN=` of digits and its separator at the beginning; 0 when there is none. */
function leadingNumber(bytes: Buffer): number {
  if (!comesAt(bytes, 0, QN)) return 0
  let at = QN.length
  while (bytes[at]! >= ZERO && bytes[at]! <= NINE) at++
  return at > QN.length && (bytes[at] === SEMICOLON || bytes[at] === COMMA) ? at + 1 : 0
}

export function comesAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  const { length } = expected
  for (let i = 0; i < length; i++) if (bytes[at + i] !== expected[i]) return false
  return true
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

type Names = 'QN' | 'ST' | 'CN' | 'PW' | 'MN' | 'Flag' | 'PNUM' | 'PNO'
const NAMES: ReadonlySet<string> = new Set<Names>(['QN', 'ST', 'CN', 'PW', 'MN', 'Flag', 'PNUM', 'PNO'])

function headOf(text: string): Head | Fault {
  const head: Partial<Record<Names, string>> = {}
  eachField(text, (name, value) => {
    // Makers add fields of their own.
    if (NAMES.has(name)) head[name as Names] = value
  })
  if (!mnText.test(head.MN ?? '')) return bad('MN: missing or not plain text of 1 to 64 characters')
  if (!cnText.test(head.CN ?? '')) return bad('CN: missing; expected four digits')
  if (head.Flag !== undefined && !digits.test(head.Flag)) return bad('Flag: expected a number')
  return {
    qn: head.QN ?? null,
    st: head.ST ?? null,
    cn: head.CN!,
    pw: head.PW ?? null,
    mn: head.MN!,
    flag: head.Flag === undefined ? null : Number(head.Flag),
    pnum: numberOf(head.PNUM),
    pno: numberOf(head.PNO),
  }
}

export function told(packet: Packet): Told {
  return { ...packet, cp: fieldsOf(packet) }
}

/** Fields of CP in their order. */
export function fieldsOf({ cp }: Pick<Packet, 'cp'>): Field[] {
  const found: Field[] = []
  eachField(cp.toString('utf8'), (name, value) => found.push([name, value]))
  return found
}

/** The first field of that name. */
export function fieldOf(packet: Pick<Packet, 'cp'>, name: string): string | undefined {
  return fieldsOf(packet).find(([key]) => key === name)?.[1]
}

/** `a=1,b=2;c=3`: items and their fields alike. A part without `=`, or with nothing before it, says nothing. */
function eachField(text: string, take: (name: string, value: string) => void): void {
  let from = 0
  let equals = -1
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? SEMICOLON : text.charCodeAt(at)
    if (code === EQUALS && equals < 0) equals = at
    if (code !== SEMICOLON && code !== COMMA) continue
    if (equals > from) take(text.slice(from, equals), text.slice(equals + 1, at))
    from = at + 1
    equals = -1
  }
}
export const SEMICOLON = 0x3b
export const COMMA = 0x2c
export const EQUALS = 0x3d
export const AMPERSAND = 0x26
const ZERO = 0x30
const NINE = 0x39

function numberOf(text: string | undefined): number | null {
  return text !== undefined && digits.test(text) ? Number(text) : null
}

function bad(message: string): Fault {
  return { code: 'bad_segment', message }
}

/** The frame as it goes on the wire. Fields of CP are written as given: `;` between items, `,` within one. */
export function encode(
  packet: Omit<Head, 'pnum' | 'pno'> & {
    readonly pnum?: number | null
    readonly pno?: number | null
    readonly cp: string
  },
  algorithm: Checksum,
): Buffer {
  const { qn, st, cn, pw, mn, flag, pnum, pno, cp } = packet
  const head =
    `${field('QN', qn)}${field('ST', st)}CN=${cn};${field('PW', pw)}MN=${mn};` +
    `${field('Flag', flag)}${field('PNUM', pnum)}${field('PNO', pno)}`
  return frame(Buffer.from(`${head}CP=&&${cp}&&`), algorithm)
}

function field(name: string, value: string | number | null | undefined): string {
  return value === null || value === undefined ? '' : `${name}=${value};`
}

export function frame(segment: Uint8Array, algorithm: Checksum): Buffer {
  const bytes = Buffer.allocUnsafe(segment.length + 12)
  bytes.write(`##${String(segment.length).padStart(4, '0')}`, 'latin1')
  bytes.set(segment, 6)
  bytes.write(`${hex(checksum(segment, algorithm))}\r\n`, segment.length + 6, 'latin1')
  return bytes
}

function hex(crc: number): string {
  return crc.toString(16).toUpperCase().padStart(4, '0')
}
