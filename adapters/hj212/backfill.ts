import type { Clock } from '../../gateway/model/clock.ts'
import type { Point, Query } from '../../gateway/model/pipeline.ts'
import { historyRequest, type HistoryPeriod } from './orders.ts'
import type { Answer, Request, Session } from './requests.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** What a device has said is looked at in windows of this length, of the last day and of the days before. */
const WINDOW_MS = { day: MINUTE_MS, week: 10 * MINUTE_MS }
/** How often a device is taken to report of which nobody knows more. */
const USUAL_MS = 10 * MINUTE_MS
/** A shorter gap is none: connections come and go. */
export const LEAST_GAP_MS = 5 * MINUTE_MS
/** Beyond this nothing is asked for. */
const FURTHEST_MS = 7 * DAY_MS
/** Longer gaps are filled with hourly values: seven days are 168 frames and not a thousand. */
const MINUTES_UP_TO_MS = DAY_MS
/** Many devices send by themselves what was not acknowledged: they are given this long, ms, before one asks. */
const SETTLE_MS = 10_000
/** A device that comes and goes is asked no sooner than this after the last time, and looked after no sooner than that. */
const REST_MS = { asked: 10 * MINUTE_MS, seen: MINUTE_MS }
/** After the gateway was away all devices come back: so many are asked at once, … */
const AT_ONCE = 4
/** … and the historian no sooner than this after the last time, ms, for it has values to store. */
const QUERY_EVERY_MS = 50

export interface BackfillParts {
  /** The store of history; rejects when it cannot answer. */
  readonly query: (query: Query) => Promise<readonly Point[]>
  readonly ask: (session: Session, request: Request) => Promise<Answer>
  readonly clock: Clock
  readonly onFilled: (device: string, from: number, to: number, answer: Answer) => void
  readonly settleMs?: number
}

/**
 * After an outage, of the device's network or of the gateway, the device is asked for what it has kept of the gap
 * (2051 or 2061). The gap is what the historian shows: from the last window with a value until the device
 * speaks of now again, by its reading's own time. Best effort: when it does not work now, it is tried at the next
 * connection.
 */
export class Backfill {
  readonly #parts: BackfillParts
  /** By device, gateway's clock: until then it is left alone. */
  readonly #restsUntil = new Map<string, number>()
  /** Those that are to be looked after, until they are. */
  readonly #returned = new Map<string, Returned>()
  readonly #waiting: (() => Promise<void>)[] = []
  readonly #timers = new Set<NodeJS.Timeout>()
  #running = 0
  #pacing: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(parts: BackfillParts) {
    this.#parts = parts
  }

  /**
   * The device is back with a reading of `ts`, of which `metric` is a part. What was not acknowledged may come first: the
   * latest that is heard until one looks counts. False when it was looked after just now, and is to be named again.
   */
  back(session: Session, metric: string, ts: number): boolean {
    const { clock, settleMs = SETTLE_MS } = this.#parts
    const { device } = session.member
    const returned = this.#returned.get(device)
    if (returned !== undefined) {
      Object.assign(returned, { session, metric, ts: Math.max(returned.ts, ts) })
      return true
    }
    if (this.#isStopped || clock.now() < (this.#restsUntil.get(device) ?? -Infinity)) return false
    this.#returned.set(device, { session, metric, ts })
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#waiting.push(() => this.#fill(device))
      this.#next()
    }, settleMs)
    this.#timers.add(timer)
    return true
  }

  forget(device: string): void {
    this.#restsUntil.delete(device)
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers) clearTimeout(timer)
    clearTimeout(this.#pacing)
    this.#waiting.length = 0
  }

  #next(): void {
    if (this.#running >= AT_ONCE || this.#pacing !== undefined) return
    const work = this.#waiting.shift()
    if (work === undefined) return
    this.#running++
    this.#pacing = setTimeout(() => {
      this.#pacing = undefined
      this.#next()
    }, QUERY_EVERY_MS)
    void work().finally(() => {
      this.#running--
      this.#next()
    })
  }

  async #fill(device: string): Promise<void> {
    const { session, metric, ts } = this.#returned.get(device)!
    // What is heard from here on is not in this look: it is named again once the device has rested.
    this.#returned.delete(device)
    const now = this.#parts.clock.now()
    const back = Math.min(ts, now)
    this.#restsUntil.set(device, now + REST_MS.seen)
    let gap: Gap | null
    try {
      gap = await this.#gapBefore(session, metric, back)
    } catch {
      // The historian is away, which it reports itself.
      this.#restsUntil.delete(device)
      return
    }
    if (gap === null) return
    this.#restsUntil.set(device, now + REST_MS.asked)
    const answer = await this.#parts.ask(session, historyRequest(gap.period, gap.from, back))
    this.#parts.onFilled(device, gap.from, back, answer)
  }

  async #gapBefore(session: Session, metric: string, back: number): Promise<Gap | null> {
    const { day, week } = WINDOW_MS
    const ofDay = await this.#windows(session, metric, back - DAY_MS, back, day)
    if (ofDay.length > 1) return gapBefore(ofDay, back, day)
    // Only for those that were away for long, or report once a day: a week of values is much to look through.
    return gapBefore(await this.#windows(session, metric, back - FURTHEST_MS, back, week), back, week)
  }

  /** Beginnings of the windows that have a value. */
  async #windows(
    session: Session,
    metric: string,
    from: number,
    to: number,
    every: number,
  ): Promise<number[]> {
    const { device, kind } = session.member
    const windows = await this.#parts.query({
      device,
      kind: kind.id,
      metric,
      from,
      to,
      every,
      agg: 'count',
      limit: Math.ceil((to - from) / every) + 1,
    })
    return windows.map(([start]) => start)
  }
}

interface Returned {
  session: Session
  metric: string
  ts: number
}

interface Gap {
  readonly from: number
  readonly period: HistoryPeriod
}

/**
 * What is missing before `back`, when windows of `windowMs` with values begin at `starts`; null when it is no more than
 * usual.
 */
export function gapBefore(starts: readonly number[], back: number, windowMs: number): Gap | null {
  const last = starts.at(-1)
  // A device that was never heard before has no gap; its past is not asked for unbidden.
  if (last === undefined) return null
  const pauses = starts.slice(1).map((start, i) => start - starts[i]!)
  const usual = pauses.sort((a, b) => a - b)[pauses.length >> 1] ?? USUAL_MS
  const from = last + windowMs
  const length = back - from
  if (length < Math.max(LEAST_GAP_MS, 2 * usual)) return null
  return { from, period: usual >= HOUR_MS || length > MINUTES_UP_TO_MS ? 'hour' : 'minute' }
}
