import type { OverWindow } from '../gateway/model/rule.ts'
import { Changes } from './changes.ts'
import { Extremes } from './extremes.ts'
import type { Panes, WindowMemory, WindowPlace } from './panes.ts'
import { Percentile } from './percentile.ts'
import { Rate } from './rate.ts'
import { Sums } from './sums.ts'

/** A trailing window of a metric's normal values, and what is made of it. */
export interface Window {
  readonly panes: Panes
  /**
   * Takes a sample, later than any before it, and drops what has left the window. Answers its value: millionths, NaN
   * while it is not known.
   */
  push(memory: WindowMemory, ts: number, value: number): number
  /** Closes the open pane, if there is one. */
  close(memory: WindowMemory): void
  /** Of panes, one after the other, those that can still make a difference; all where there is no such method. */
  thinned?(panes: readonly number[]): number[]
}

interface Aggregate {
  /** Numbers of a closed pane. */
  readonly recordSize: number
  new (place: WindowPlace, aggregate: OverWindow): Window
}

/** What makes the windows of an aggregate. */
export const AGGREGATES: Readonly<Record<OverWindow, Aggregate>> = {
  mean: Sums,
  sum: Sums,
  count: Sums,
  min: Extremes,
  max: Extremes,
  range: Extremes,
  p95: Percentile,
  changes: Changes,
  rate: Rate,
}

/** All that a fold knows of it. */
export function windowNumbers(window: Window, cells: Float64Array, rings: Float64Array): number[] {
  const numbers = window.panes.toArray(cells, rings)
  return window.thinned?.(numbers) ?? numbers
}

/** Takes what {@link windowNumbers} has told, into a window without samples. */
export function restoreWindow(window: Window, memory: WindowMemory, numbers: readonly number[]): void {
  const { cells } = memory
  const { told, paneSize, open, own } = window.panes
  for (let at = told; at + paneSize <= numbers.length; at += paneSize) {
    window.close(memory)
    for (let index = 0; index < paneSize; index++) cells[open + index] = numbers[at + index]!
  }
  for (let index = 0; index < told; index++) cells[own + index] = numbers[index]!
}
