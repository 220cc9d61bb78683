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

/** Fields of a factor that are read (§6.6.4); of aggregates it is the mean, the rest follows from finer values. */
type Part = 'rtd' | 'avg' | 'flag' | 'state'
const PARTS: ReadonlyMap<string, Part> = new Map([
  ['Rtd', 'rtd'],
  ['Avg', 'avg'],
  ['Flag', 'flag'],
  ['flag', 'flag'],
  ['RS', 'state'],
])

/** A code that the profile and the kind know. */
interface Slot {
  readonly metric: string
  readonly isBoolean: boolean
  readonly isState: boolean
  readonly scale: number
  /** Of the packet that is being read. */
  value: string | undefined
  flag: string | undefined
}

const NOTHING: ReadonlyMap<string, number | string> = new Map<string, number | string>()

/** Reads uploads by one profile, for devices of one kind. All names that may come are looked up once, at the start. */
export class UploadReader {
  readonly #slots: Slot[] = []
  readonly #names = new Map<string, { readonly slot: Slot; readonly part: Part }>()

  constructor(profile: Profile, kind: Kind) {
    for (const [code, { metric, scale = 1 }] of Object.entries(profile.factors)) {
      this.#add(code, { metric, scale, isState: false }, ['Rtd', 'Avg', 'Flag', 'flag'], kind)
    }
    for (const [code, metric] of Object.entries(profile.states ?? {})) {
      this.#add(code, { metric, scale: 1, isState: true }, ['RS'], kind)
    }
  }

  read(packet: Packet): Upload {
    let dataTime: string | null = null
    let unmapped: Map<string, number | string> | undefined
    for (const [name, value] of packet.cp) {
      const known = this.#names.get(name)
      if (known === undefined) {
        if (name === 'DataTime') dataTime = value
        else if (name.includes('-')) unmapped = noteUnmapped(unmapped, name, value)
      } else if (known.part === 'flag') known.slot.flag = value
      else if (known.part !== 'avg' || known.slot.value === undefined) known.slot.value = value
    }
    const values = new Map<string, Value>()
    const version = versionOf(packet)
    // In the profile's order: the earlier code wins.
    for (const slot of this.#slots) {
      const { metric, value, flag } = slot
      if (value === undefined && flag === undefined) continue
      slot.value = undefined
      slot.flag = undefined
      if (values.has(metric)) continue
      const read = slot.isState ? stateOf(value ?? '') : valueOf(slot, value ?? '', flagOf(flag, version))
      if (read !== null) values.set(metric, read)
    }
    return { ts: instantOf(packet, dataTime), values, unmapped: unmapped ?? NOTHING }
  }

  #add(
    code: string,
    { metric, scale, isState }: Pick<Slot, 'metric' | 'scale' | 'isState'>,
    suffixes: readonly string[],
    kind: Kind,
  ): void {
    if (!Object.hasOwn(kind.metrics, metric)) return
    const isBoolean = kind.metrics[metric]!.type === 'boolean'
    const slot: Slot = { metric, scale, isState, isBoolean, value: undefined, flag: undefined }
    this.#slots.push(slot)
    for (const suffix of suffixes) this.#names.set(`${code}-${suffix}`, { slot, part: PARTS.get(suffix)! })
  }
}

/** A value of a code that nothing is known of; its mark and its other fields say nothing without it. */
function noteUnmapped(
  unmapped: Map<string, number | string> | undefined,
  name: string,
  value: string,
): Map<string, number | string> | undefined {
  const dash = name.indexOf('-')
  const part = PARTS.get(name.slice(dash + 1))
  if (dash === 0 || part === undefined || part === 'flag') return unmapped
  return (unmapped ?? new Map<string, number | string>()).set(name.slice(0, dash), numberOf(value) ?? value)
}

/** A resend bears the request number of the first try, so real-time data without DataTime can take its time from it. */
function instantOf(packet: Packet, dataTime: string | null): number | string | null {
  if (dataTime !== null) return timeOf(dataTime) ?? dataTime
  if (periodOf(packet) !== 'instant') return ''
  return packet.qn === null ? null : timeOf(packet.qn)
}

/** Null when the packet says nothing of it. */
function valueOf({ isBoolean, scale }: Slot, text: string, flag: Flag): Value | null {
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
