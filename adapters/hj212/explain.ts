import { checksum, CHECKSUMS, type Checksum } from './crc.ts'
import { badCrc, decodeSegment, SEGMENT_LIMIT, told, versionOf, VERSIONS, wantsAnswer } from './codec.ts'
import type { Fault, Packet, Told } from './codec.ts'
import { periodOf } from './readings.ts'
import { Splitter } from './splitter.ts'
import { timeOf } from './time.ts'

/** A frame as a person reads it. */
export interface Explained {
  readonly verdict: 'right' | Fault['code']
  readonly message: string
  /** Checksum that fits; null when none does. */
  readonly checksum: Checksum | null
  readonly packet: Told | null
  /** What a person should look at, though the gateway takes the frame. */
  readonly remarks: readonly string[]
}

/** Every frame of the bytes, and everything that looks like one, in order. Bytes in between are left out. */
export function explain(bytes: Uint8Array): Explained[] {
  const found: Explained[] = []
  const splitter = new Splitter({
    onFrame: (segment, crc) => found.push(explainSegment(segment, crc)),
    onFault: (fault) => found.push(failed(fault)),
  })
  splitter.push(bytes)
  // A line break ends what is unfinished.
  splitter.push(Buffer.from('\r\n'))
  return found
}

function failed({ code, message }: Fault, fitting: Checksum | null = null): Explained {
  return { verdict: code, message, checksum: fitting, packet: null, remarks: [] }
}

function explainSegment(segment: Uint8Array, crc: number): Explained {
  const fitting = CHECKSUMS.find((algorithm) => checksum(segment, algorithm) === crc) ?? null
  const packet = decodeSegment(segment)
  if ('code' in packet) return failed(packet, fitting)
  const whole = told(packet)
  const common = { checksum: fitting, packet: whole, remarks: remarksOn(whole, segment.length) }
  if (fitting === 'annex-a') return { verdict: 'right', message: meaningOf(packet), ...common }
  const { code, message } = badCrc(crc)
  const hint = fitting === null ? '' : `; it is that of "${fitting}", which a device may be allowed`
  return { verdict: code, message: `${message} by Annex A${hint}`, ...common }
}

function remarksOn(packet: Told, length: number): string[] {
  const { mn, qn, flag, pnum, pno, cp } = packet
  const dataTime = cp.find(([name]) => name === 'DataTime')?.[1]
  return [
    length > 1024 &&
      `the data segment has ${length} bytes; the standard allows 1024, the gateway ${SEGMENT_LIMIT}`,
    !/^([0-9A-F]{24}|[0-9A-Z]{14})$/.test(mn) &&
      'MN has neither the 24 hexadecimal digits of 2017 nor the 14 characters of 2005',
    qn === null ? 'no QN' : timeOf(qn) === null && 'QN is not a time YYYYMMDDhhmmsszzz',
    flag === null && 'no Flag: a sender of 2005, which wants no answer',
    flag !== null && (flag & 2) === 2 && pnum === null && 'Flag says that PNUM and PNO follow; they do not',
    pnum !== null && pno !== null && (pno < 1 || pno > pnum) && 'PNO is not one of PNUM',
    dataTime !== undefined && timeOf(dataTime) === null && 'DataTime is not a time YYYYMMDDhhmmss',
    dataTime === undefined && periodOf(packet) !== null && cp.length > 0 && 'no DataTime',
  ].filter((remark) => typeof remark === 'string')
}

/** §6.6.5 and annex C: what the gateway knows of. */
const MEANINGS: ReadonlyMap<string, string> = new Map([
  ['1000', 'set timeout and retries'],
  ['1011', 'time of the device'],
  ['1012', 'set time'],
  ['1013', 'the device asks for the time'],
  ['1061', 'interval of real-time data'],
  ['1062', 'set interval of real-time data'],
  ['1063', 'interval of minute data'],
  ['1064', 'set interval of minute data'],
  ['1072', 'set password'],
  ['2011', 'real-time data'],
  ['2012', 'stop real-time data'],
  ['2021', 'state of equipment'],
  ['2022', 'stop state of equipment'],
  ['2031', 'data of a day'],
  ['2041', 'run times of a day'],
  ['2051', 'data of minutes'],
  ['2061', 'data of an hour'],
  ['2081', 'start of the logger'],
  ['3019', 'serial number'],
  ['3020', 'information of the device'],
  ['9011', 'answer to a request'],
  ['9012', 'result of a request'],
  ['9013', 'notice acknowledged'],
  ['9014', 'data acknowledged'],
  ['9015', 'heartbeat'],
])

function meaningOf(packet: Packet): string {
  const version = VERSIONS[versionOf(packet)] ?? `version ${versionOf(packet)}`
  const answer = wantsAnswer(packet) ? 'wants an answer' : 'wants no answer'
  const part = packet.pnum !== null && packet.pno !== null ? `, part ${packet.pno} of ${packet.pnum}` : ''
  return `${MEANINGS.get(packet.cn) ?? 'a command that the gateway does not know'}, HJ 212-${version}, ${answer}${part}`
}
