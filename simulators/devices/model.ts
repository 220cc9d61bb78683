import type { Measurement } from '../reading.ts'

/**
 * A device's physics. Pure: the same model asked twice for the same moment says the same, and moments may be
 * asked for in any order. `at` is the scenario's own time, epoch milliseconds.
 */
export interface Model {
  measure(at: number): Measurement
}

/** Something that befalls a device for a while. What `strength` means is the model's to say. */
export interface Effect {
  readonly what: string
  readonly from: number
  readonly to: number
  readonly strength: number
}

/** How strongly effects of a name act at a moment: eased in and out over `ramp` ms, added up. */
export function strengthOf(effects: readonly Effect[], what: string, at: number, ramp = 0): number {
  let sum = 0
  for (const effect of effects) {
    if (effect.what !== what || at < effect.from || at >= effect.to) continue
    const edge = Math.min(at - effect.from, effect.to - at)
    sum += effect.strength * (ramp === 0 ? 1 : Math.min(1, edge / ramp))
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
