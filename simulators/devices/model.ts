import type { Chance } from '../chance.ts'
import type { Measurement, Position } from '../reading.ts'

/**
 * A device's physics. Pure: the same model asked twice for the same moment says the same, and moments may be
 * asked for in any order. `at` is the scenario's own time, epoch milliseconds.
 */
export interface Model {
  measure(at: number): Measurement
}

/** What a model is made of. */
export interface Setting {
  readonly chance: Chance
  readonly effects: readonly Effect[]
  readonly position: Position
  /** Waypoints of what moves; empty for its own default. */
  readonly path: readonly Position[]
  readonly attributes: Readonly<Record<string, unknown>>
}

/** Something that befalls a device for a while. What `strength` means is the model's to say. */
export interface Effect {
  readonly what: string
  readonly from: number
  readonly to: number
  readonly strength: number
  /** How long it takes to come on and to wear off, ms; the model's own default when absent. */
  readonly ramp?: number
  /** Where it happens, when that is not where the device is. */
  readonly place?: Position
}

/** How strongly effects of a name act at a moment: eased in and out over `ramp` ms, added up. */
export function strengthOf(effects: readonly Effect[], what: string, at: number, ramp = 0): number {
  let sum = 0
  for (const effect of effects) if (effect.what === what) sum += effect.strength * shareOf(effect, at, ramp)
  return sum
}

/** How much of an effect there is at a moment, 0 to 1. */
export function shareOf(effect: Effect, at: number, defaultRamp = 0): number {
  if (at < effect.from || at >= effect.to) return 0
  const ramp = effect.ramp ?? defaultRamp
  const edge = Math.min(at - effect.from, effect.to - at)
  return ramp === 0 ? 1 : Math.min(1, edge / ramp)
}

/**
 * What the effects of a name have left in a linear reservoir, in units of strength × time constant: dr/dt = strength −
 * r / constant, solved for each effect's constant strength. A canal that rain fills, a room that gas fills.
 */
export function reservoir(effects: readonly Effect[], what: string, at: number, constant: number): number {
  let level = 0
  for (const effect of effects) {
    if (effect.what !== what || at <= effect.from) continue
    const end = Math.min(at, effect.to)
    level +=
      effect.strength * (1 - Math.exp((effect.from - end) / constant)) * Math.exp((end - at) / constant)
  }
  return level
}

/** How much of the effects of a name has passed by a moment, strength × ms. */
export function passed(effects: readonly Effect[], what: string, at: number): number {
  let sum = 0
  for (const effect of effects) {
    if (effect.what !== what || at <= effect.from) continue
    sum += effect.strength * (Math.min(at, effect.to) - effect.from)
  }
  return sum
}

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** Chongchuan keeps Beijing time all year, UTC+8. */
const BEIJING = 8 * HOUR

/** Local hour of the day, 0 to 24. */
export function hourOfDay(at: number): number {
  return ((((at + BEIJING) % DAY) + DAY) % DAY) / HOUR
}

/** Saturday and Sunday of Beijing time. 1970-01-01 was a Thursday. */
export function isWeekend(at: number): boolean {
  const day = (Math.floor((at + BEIJING) / DAY) + 4) % 7
  return day === 0 || day === 6
}

/** `18:05` as ms after midnight. */
export function timeOfDay(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number)
  return hours * HOUR + minutes * MINUTE
}

/** Wave between −1 and 1 that peaks at the given local hour each day. */
export function dailyWave(at: number, peakHour: number): number {
  return Math.cos(((hourOfDay(at) - peakHour) / 24) * 2 * Math.PI)
}

/** Lunar semi-diurnal tide M2, period 12.4206 h, −1 to 1. The Yangtze at Nantong and the canals behind its sluices follow it. */
export function tide(at: number, phase: number): number {
  return Math.sin((at / (12.4206 * HOUR) + phase) * 2 * Math.PI)
}

export function round(value: number, decimals: number): number {
  const scale = 10 ** decimals
  return Math.round(value * scale) / scale
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}

export function numberOf(attributes: Setting['attributes'], name: string, otherwise: number): number {
  const value = attributes[name]
  return typeof value === 'number' ? value : otherwise
}
