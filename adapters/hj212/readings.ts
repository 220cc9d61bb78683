import type { Kind } from '../../gateway/model/kind.ts'
import { FLAGS, type Flag } from '../../gateway/model/reading.ts'
import { versionOf, type Packet } from './codec.ts'
import type { Profile } from './profile.ts'
import { timeOf } from './time.ts'

/** How much time a value stands for, finest first. The coarser ones tell the same story again (see coverage.ts). */
export const PERIODS = ['instant', 'minute', 'hour', 'day'] as const
export type Period = (typeof PERIODS)[number]

/** Uploads of §6.6.5 that carry values, and for how much time these stand. */
const UPLOADS: ReadonlyMap<string, Period> = new Map([
  ['2011', 'instant'], // real-time data
  ['2021', 'instant'], // states of the treatment equipment
  ['2051', 'minute'],
  ['2061', 'hour'],
  ['2031', 'day'],
  ['2041', 'day'], // run times of the treatment equipment
])

export function periodOf(packet: Pick<Packet, 'cn'>): Period | null {
  return UPLOADS.get(packet.cn) ?? null
}

export interface Value {
  /**
   * As a number or boolean of the metric's type and unit; text where it is none, for the quarantine; null where an
   * instrument that is not well sends its mark alone.
   */
  readonly value: number | boolean | string | null
  /** Absent when N. */
  readonly flag?: Flag
}

/** What an upload says of a device. */
export interface Upload {
  /**
   * Start of the period, or the instant; null when real-time data names no time, so that the gateway's stands in;
   * text when it is no time, for the quarantine.
   */
  readonly ts: number | string | null
  /** By metric. */
  readonly values: ReadonlyMap<string, Value>
  /** By code: what the profile has no metric for, or the kind. */
  readonly unmapped: ReadonlyMap<string, number | string>
}

interface Raw {
  rtd?: string
  avg?: string
  state?: string
  flag?: string
}

/** Reads an upload by the device's profile. */
export function readUpload(packet: Packet, profile: Profile, kind: Kind): Upload {
  const raws = new Map<string, Raw>()
  let dataTime: string | null = null
  for (const [name, value] of packet.cp) {
    if (name === 'DataTime') dataTime = value
    const dash = name.indexOf('-')
    if (dash <= 0) continue
    const field = FIELDS.get(name.slice(dash + 1))
    if (field === undefined) continue
    const code = name.slice(0, dash)
    let raw = raws.get(code)
    if (raw === undefined) raws.set(code, (raw = {}))
    raw[field] = value
  }
  const values = new Map<string, Value>()
  const unmapped = new Map<string, number | string>()
  // In the profile's order: the earlier code wins.
  for (const code in profile.factors) {
    const raw = raws.get(code)
    if (raw === undefined) continue
    const { metric, scale = 1 } = profile.factors[code]!
    if (kind.metrics[metric] === undefined) continue
    raws.delete(code)
    const isBoolean = kind.metrics[metric].type === 'boolean'
    const value = valueOf(raw, isBoolean, scale, versionOf(packet))
    if (value !== null && !values.has(metric)) values.set(metric, value)
  }
  for (const code in profile.states) {
    const raw = raws.get(code)
    const metric = profile.states[code]!
    if (raw?.state === undefined || kind.metrics[metric] === undefined) continue
    raws.delete(code)
    if (!values.has(metric)) values.set(metric, stateOf(raw.state))
  }
  for (const [code, raw] of raws) {
    const text = raw.rtd ?? raw.avg ?? raw.state
    if (text !== undefined) unmapped.set(code, numberOf(text) ?? text)
  }
  return { ts: instantOf(packet, dataTime), values, unmapped }
}

/** A resend bears the request number of the first try, so real-time data without DataTime can take its time from it. */
function instantOf(packet: Packet, dataTime: string | null): number | string | null {
  if (dataTime !== null) return timeOf(dataTime) ?? dataTime
  if (periodOf(packet) !== 'instant') return ''
  return packet.qn === null ? null : timeOf(packet.qn)
}

/** Fields of a factor that are read (§6.6.4); of aggregates it is the mean, the rest follows from finer values. */
const FIELDS: ReadonlyMap<string, keyof Raw> = new Map([
  ['Rtd', 'rtd'],
  ['Avg', 'avg'],
  ['RS', 'state'],
  ['Flag', 'flag'],
  ['flag', 'flag'],
])

/** Null when the packet says nothing of it. */
function valueOf(raw: Raw, isBoolean: boolean, scale: number, version: number): Value | null {
  const text = raw.rtd ?? raw.avg ?? ''
  const flag = flagOf(raw.flag, version)
  const number = numberOf(text)
  if (number === null) {
    if (flag !== 'N') return { value: null, flag }
    return text === '' ? null : { value: text }
  }
  const value = isBoolean ? truth(number, text) : scale === 1 ? number : scaled(number, scale)
  return flag === 'N' ? { value } : { value, flag }
}

function truth(number: number, text: string): boolean | string {
  return number === 0 ? false : number === 1 ? true : text
}

/** Without the noise that binary fractions bring: 36.91 L/s are 0.03691 m³/s. */
function scaled(number: number, scale: number): number {
  return Number((number * scale).toPrecision(12))
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/

function numberOf(text: string): number | null {
  return text.length <= 40 && decimal.test(text) ? Number(text) : null
}

/**
 * §6.6.4. Only N may be judged by a threshold, so a mark that nobody knows counts as a fault. HJ/T 212-2005 marked
 * air stations' values with digits (3 normal, 1 weather, 0 calibration, 2 abnormal) and a power failure with P.
 */
function flagOf(text: string | undefined, version: number): Flag {
  if (text === undefined || text === '' || text === 'N') return 'N'
  if ((FLAGS as readonly string[]).includes(text)) return text as Flag
  if (version === 0 && (text === '3' || text === '1')) return 'N'
  return version === 0 && text === '0' ? 'C' : 'D'
}

/** `SBn-RS` (§6.6.3): 0 off, 1 running, 2 calibration, 3 maintenance, 4 alarm, 5 back-blowing. */
function stateOf(text: string): Value {
  switch (text) {
    case '0':
      return { value: false }
    case '1':
      return { value: true }
    case '2':
      return { value: true, flag: 'C' }
    case '3':
      return { value: true, flag: 'M' }
    case '4':
      return { value: true, flag: 'D' }
    case '5':
      return { value: true, flag: 'M' }
    default:
      return { value: text }
  }
}
