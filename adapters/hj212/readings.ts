import type { Kind } from '../../gateway/model/kind.ts'
import { FLAGS, type Flag } from '../../gateway/model/reading.ts'
import { decimal } from '../decimal.ts'
import { COMMA, comesAt, EQUALS, SEMICOLON, versionOf, type Packet } from './codec.ts'
import type { Profile } from './profile.ts'
import { timeIn, timeOf } from './time.ts'

/** How much time a value stands for, finest first. The coarser ones tell the same story again (see coverage.ts). */
export const PERIODS = ['instant', 'minute', 'hour', 'day'] as const
export type Period = (typeof PERIODS)[number]

/** Lengths of periods. Minute data stands for 1 to 30 minutes: this is the least. */
export const PERIOD_MS: Readonly<Record<Period, number>> = {
  instant: 0,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
}

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
  readonly metric: string
  /**
   * As a number or boolean of the metric's type and unit; text where it is none, for the quarantine; null where an
   * instrument that is not well sends its mark alone.
   */
  readonly value: number | boolean | string | null
  /** Undefined when N. */
  readonly flag: Flag | undefined
}

/** What an upload says of a device. */
export interface Upload {
  /**
   * Start of the period, or the instant; null when real-time data names no time, so that the gateway's stands in;
   * text when it is no time, for the quarantine.
   */
  readonly ts: number | string | null
  /** One for each metric; on loan until the next packet is read. */
  readonly values: readonly Value[]
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

/** A metric of the device's kind. */
interface Target {
  readonly isBoolean: boolean
  /** The same object for each packet. */
  readonly said: { -readonly [K in keyof Value]: Value[K] }
  /** The last packet that it had a value in: what comes for it from another code of that packet does not count. */
  packet: number
}

/** A code that the profile and the kind know. */
interface Slot {
  readonly target: Target
  readonly isState: boolean
  readonly scale: number
  /** Where its value and mark stand in the packet that is being read; from is -1 where there is none. */
  valueFrom: number
  valueTo: number
  flagFrom: number
  flagTo: number
}

/** A field's name as it is written, its `=` included, and what its value is. */
type Name = { readonly written: Buffer } & (
  | { readonly part: Part; readonly slot: Slot }
  | { readonly part: 'time' | 'nothing'; readonly slot: null }
  /** A value of a code that nothing is known of; its mark and its other fields say nothing without it. */
  | { readonly part: 'unmapped'; readonly slot: null; readonly code: string }
)

/** Fields of a packet that are expected in the order of the packet before. */
const EXPECTED = 64

const NOTHING: ReadonlyMap<string, number | string> = new Map<string, number | string>()

/**
 * Reads uploads by one profile, for devices of one kind, from the bytes where they stand. All names that may come are
 * known from the start, and most come in the order of the packet before, so they are compared and not looked up.
 */
export class UploadReader {
  readonly #slots: Slot[] = []
  readonly #targets = new Map<string, Target>()
  readonly #names = new Map<string, Name>()
  readonly #expected: Name[] = []
  #packet = 0
  /** Of the packet that was read last. */
  readonly #said: Value[] = []

  constructor(profile: Profile, kind: Kind) {
    for (const [code, { metric, scale = 1 }] of Object.entries(profile.factors)) {
      this.#add(code, { metric, scale, isState: false }, ['Rtd', 'Avg', 'Flag', 'flag'], kind)
    }
    for (const [code, metric] of Object.entries(profile.states ?? {})) {
      this.#add(code, { metric, scale: 1, isState: true }, ['RS'], kind)
    }
    this.#names.set('DataTime', { written: Buffer.from('DataTime='), part: 'time', slot: null })
  }

  read(packet: Packet): Upload {
    const { cp } = packet
    let timeFrom = -1
    let timeTo = -1
    let unmapped: Map<string, number | string> | undefined
    let count = 0
    for (let at = 0; at < cp.length;) {
      const name = this.#nameAt(cp, at, count)
      const from = name === null ? at : at + name.written.length
      const to = fieldEnd(cp, from)
      at = to + 1
      if (name === null) continue
      count++
      const { part, slot } = name
      if (part === 'unmapped') {
        const text = cp.toString('utf8', from, to)
        unmapped ??= new Map<string, number | string>()
        unmapped.set(name.code, numberOf(text) ?? text)
      } else if (part === 'time') {
        timeFrom = from
        timeTo = to
      } else if (slot === null) continue
      else if (part === 'flag') {
        slot.flagFrom = from
        slot.flagTo = to
      } else if (part !== 'avg' || slot.valueFrom < 0) {
        slot.valueFrom = from
        slot.valueTo = to
      }
    }
    return {
      ts: instantOf(packet, timeFrom, timeTo),
      values: this.#values(packet),
      unmapped: unmapped ?? NOTHING,
    }
  }

  /** What the slots hold; they are empty afterwards. In the profile's order: the earlier code wins. */
  #values(packet: Packet): readonly Value[] {
    const { cp } = packet
    const version = versionOf(packet)
    const number = ++this.#packet
    const said = this.#said
    let count = 0
    for (const slot of this.#slots) {
      const { target, valueFrom, valueTo, flagFrom, flagTo } = slot
      if (valueFrom < 0 && flagFrom < 0) continue
      slot.valueFrom = slot.flagFrom = -1
      slot.valueTo = slot.flagTo = -1
      if (target.packet === number) continue
      const isSaid = slot.isState
        ? sayState(target, textAt(cp, valueFrom, valueTo))
        : sayValue(slot, cp, valueFrom, valueTo, flagAt(cp, flagFrom, flagTo, version))
      if (!isSaid) continue
      target.packet = number
      said[count++] = target.said
    }
    if (said.length > count) said.length = count
    return said
  }

  /** Null when a part without a name and `=` begins there. */
  #nameAt(cp: Buffer, at: number, count: number): Name | null {
    const expected = this.#expected[count]
    if (expected !== undefined && comesAt(cp, at, expected.written)) return expected
    let end = at
    while (end < cp.length && cp[end] !== EQUALS && cp[end] !== SEMICOLON && cp[end] !== COMMA) end++
    if (end === at || cp[end] !== EQUALS) return null
    const text = cp.toString('utf8', at, end)
    const name = this.#names.get(text) ?? strangeName(text, Buffer.from(cp.subarray(at, end + 1)))
    if (count < EXPECTED) this.#expected[count] = name
    return name
  }

  #add(
    code: string,
    {
      metric,
      scale,
      isState,
    }: { readonly metric: string; readonly scale: number; readonly isState: boolean },
    suffixes: readonly string[],
    kind: Kind,
  ): void {
    if (!Object.hasOwn(kind.metrics, metric)) return
    let target = this.#targets.get(metric)
    if (target === undefined) {
      const isBoolean = kind.metrics[metric]!.type === 'boolean'
      target = { isBoolean, said: { metric, value: null, flag: undefined }, packet: 0 }
      this.#targets.set(metric, target)
    }
    const slot: Slot = { target, scale, isState, valueFrom: -1, valueTo: -1, flagFrom: -1, flagTo: -1 }
    this.#slots.push(slot)
    for (const suffix of suffixes) {
      const name = `${code}-${suffix}`
      this.#names.set(name, { written: Buffer.from(`${name}=`), slot, part: PARTS.get(suffix)! })
    }
  }
}

function strangeName(text: string, written: Buffer): Name {
  const dash = text.indexOf('-')
  const part = PARTS.get(text.slice(dash + 1))
  if (dash <= 0 || part === undefined || part === 'flag') return { written, part: 'nothing', slot: null }
  return { written, part: 'unmapped', slot: null, code: text.slice(0, dash) }
}

function fieldEnd(cp: Buffer, from: number): number {
  let at = from
  while (at < cp.length && cp[at] !== SEMICOLON && cp[at] !== COMMA) at++
  return at
}

function textAt(cp: Buffer, from: number, to: number): string {
  return from < 0 ? '' : cp.toString('utf8', from, to)
}

/** A resend bears the request number of the first try, so real-time data without DataTime can take its time from it. */
function instantOf(packet: Packet, from: number, to: number): number | string | null {
  if (from >= 0) return timeIn(packet.cp, from, to) ?? packet.cp.toString('utf8', from, to)
  if (periodOf(packet) !== 'instant') return ''
  return packet.qn === null ? null : timeOf(packet.qn)
}

/** False when the packet says nothing of it. */
function sayValue({ target, scale }: Slot, cp: Buffer, from: number, to: number, flag: Flag): boolean {
  const { isBoolean } = target
  const number = from < 0 || isBoolean ? NaN : decimal(cp, from, to)
  if (!Number.isNaN(number)) return say(target, scale === 1 ? number : scaled(number, scale), flag)
  const text = textAt(cp, from, to)
  const read = numberOf(text)
  if (read === null) {
    if (flag !== 'N') return say(target, null, flag)
    return text !== '' && say(target, text, flag)
  }
  if (isBoolean) return say(target, truth(read, text), flag)
  return say(target, scale === 1 ? read : scaled(read, scale), flag)
}

function say({ said }: Target, value: Value['value'], flag: Flag): true {
  said.value = value
  said.flag = flag === 'N' ? undefined : flag
  return true
}

function truth(number: number, text: string): boolean | string {
  return number === 0 ? false : number === 1 ? true : text
}

/** Without the noise that binary fractions bring: 36.91 L/s are 0.03691 m³/s. */
function scaled(number: number, scale: number): number {
  return Number((number * scale).toPrecision(12))
}

const decimalText = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/

function numberOf(text: string): number | null {
  return text.length <= 40 && decimalText.test(text) ? Number(text) : null
}

/**
 * §6.6.4. Only N may be judged by a threshold, so a mark that nobody knows counts as a fault. HJ/T 212-2005 marked
 * air stations' values with digits (3 normal, 1 weather, 0 calibration, 2 abnormal) and a power failure with P.
 */
function flagAt(cp: Buffer, from: number, to: number, version: number): Flag {
  if (from < 0 || from === to || (to === from + 1 && cp[from] === NORMAL)) return 'N'
  const text = cp.toString('utf8', from, to)
  if ((FLAGS as readonly string[]).includes(text)) return text as Flag
  if (version === 0 && (text === '3' || text === '1')) return 'N'
  return version === 0 && text === '0' ? 'C' : 'D'
}

/** `SBn-RS` (§6.6.3): 0 off, 1 running, 2 calibration, 3 maintenance, 4 alarm, 5 back-blowing. */
function sayState(target: Target, text: string): true {
  switch (text) {
    case '0':
      return say(target, false, 'N')
    case '1':
      return say(target, true, 'N')
    case '2':
      return say(target, true, 'C')
    case '3':
      return say(target, true, 'M')
    case '4':
      return say(target, true, 'D')
    case '5':
      return say(target, true, 'M')
    default:
      return say(target, text, 'N')
  }
}

/** N */
const NORMAL = 0x4e
