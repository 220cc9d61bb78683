/**
 * Everything is judged in whole millionths of the metric's unit, so that 1.6 is never "above 1.6", whether it comes
 * straight from a sensor or out of a mean.
 */
export const MILLION = 1e6

/** A metric's value as the engine counts; true is 1. */
export function millionths(value: number | boolean): number {
  return Math.round(Number(value) * MILLION)
}
