import type { Intake } from '../../gateway/model/pipeline.ts'
import type { Flag } from '../../gateway/model/reading.ts'
import type { Packet } from './codec.ts'
import { Coverage } from './coverage.ts'
import { wireFramesOf, type KeptFrame } from './kept-frame.ts'
import { PERIOD_MS, periodOf, type Period, type Upload } from './readings.ts'
import type { Member } from './roster.ts'

/** Minute data stands for so long at the most (HJ 212-2017, `MinInterval`), ms. */
const LONGEST_MINUTES_MS = 30 * 60_000

/** Codes without a metric that are remembered of a device, so that each is told of once. */
const CODES = 256

/** A reading on its way to the intake, which checks it like any other. */
interface Wire {
  ts?: number | string
  metrics: Record<string, number | boolean | string>
  flags?: Record<string, Flag>
  span?: number
}

/**
 * From packets to readings. Nothing is dropped silently: a value that is none goes to the quarantine as a reading of
 * its own, so that it does not take the others with it; a code that the profile has no metric for goes there when it
 * first comes (and always, when nothing else came with it).
 */
export class Uploads {
  readonly #intake: Intake
  readonly #coverage = new Coverage()
  readonly #told = new Map<string, Set<string>>()
  /** By device: when its newest minute data began, and for how long such data stands as far as is known, ms. */
  readonly #minutes = new Map<string, { ts: number; span: number }>()
  /** What became of the newest readings of a device, or will. */
  readonly #newest = new Map<string, Promise<unknown>>()

  constructor(intake: Intake) {
    this.#intake = intake
  }

  /** Resolves when all of it is durable; rejects with JournalUnavailable. */
  take(member: Member, packet: Packet, frames: readonly KeptFrame[], receivedAt: number): Promise<unknown> {
    const { device, binding } = member
    const payload = this.readingsOf(member, packet)
    // A mean whose instants have come is as durable as they are.
    if (payload.length === 0) return this.#newest.get(device) ?? Promise.resolve()
    const wire = wireFramesOf(frames, binding.crc)
    const durable = this.#intake.accept({ device, payload, receivedAt, wire })
    this.#newest.set(device, durable)
    return durable
  }

  /** A metric that the packet brings a number of, without taking it. */
  glance({ reader }: Member, packet: Packet): { readonly metric: string; readonly ts: number } | undefined {
    const { ts, values } = reader.read(packet)
    const metric = values.find(({ value }) => typeof value === 'number')?.metric
    return metric === undefined || typeof ts !== 'number' ? undefined : { metric, ts }
  }

  forget(device: string): void {
    this.#coverage.forget(device)
    this.#told.delete(device)
    this.#minutes.delete(device)
    this.#newest.delete(device)
  }

  /** What of the upload is handed to the intake; it counts as told. */
  readingsOf(member: Member, packet: Packet): Wire[] {
    const { device, reader } = member
    const period = periodOf(packet)!
    const upload = reader.read(packet)
    const { ts, values, unmapped } = upload
    const isTimed = typeof ts === 'number'
    const metrics: Wire['metrics'] = {}
    let flags: Record<string, Flag> | undefined
    let rest: Wire['metrics'] | undefined
    let isWhole = false
    for (const { metric, value, flag } of values) {
      if (isTimed && this.#coverage.has(device, metric, period, ts)) continue
      if (typeof value === 'string') {
        rest ??= {}
        rest[metric] = value
        continue
      }
      isWhole = true
      if (value !== null) metrics[metric] = value
      if (flag === undefined) continue
      flags ??= {}
      flags[metric] = flag
    }
    // Before it is durable: a mean may come in the same breath as the instants that it is made of.
    if (isTimed && isWhole) this.#coverage.note(device, metrics, period, ts)
    if (unmapped.size > 0) {
      for (const code of this.#toTell(device, upload)) {
        rest ??= {}
        rest[code] = unmapped.get(code)!
      }
    }
    const readings = isWhole ? [wireOf(ts, metrics, flags, this.#spanOf(device, period, ts))] : []
    if (rest !== undefined) readings.push(wireOf(ts, rest))
    return readings
  }

  /** For how long values stand from their time on, ms: minute data from one to the next. */
  #spanOf(device: string, period: Period, ts: Upload['ts']): number {
    if (period !== 'minute' || typeof ts !== 'number') return PERIOD_MS[period]
    const known = this.#minutes.get(device)
    if (known !== undefined && ts <= known.ts) return known.span
    const since = known === undefined ? 0 : ts - known.ts
    const isNext = since >= PERIOD_MS.minute && since <= LONGEST_MINUTES_MS
    const span = isNext ? since : (known?.span ?? PERIOD_MS.minute)
    this.#minutes.set(device, { ts, span })
    return span
  }

  #toTell(device: string, { values, unmapped }: Upload): string[] {
    if (values.length === 0) return [...unmapped.keys()]
    let told = this.#told.get(device)
    if (told === undefined) this.#told.set(device, (told = new Set<string>()))
    const known = told
    const fresh = [...unmapped.keys()].filter((code) => !known.has(code)).slice(0, CODES - known.size)
    for (const code of fresh) known.add(code)
    return fresh
  }
}

function wireOf(ts: Upload['ts'], metrics: Wire['metrics'], flags?: Wire['flags'], span = 0): Wire {
  const wire: Wire = ts === null ? { metrics } : { ts, metrics }
  if (flags !== undefined) wire.flags = flags
  if (span > 0) wire.span = span
  return wire
}
