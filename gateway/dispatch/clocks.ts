import {
  CLOCK_NAMES,
  DEADLINE_COLOURS,
  type CaseState,
  type ClockName,
  type DeadlineColour,
} from '../model/case.ts'

/**
 * The clocks of a case, as pure functions of what the database holds: nothing ticks, so a restart or a jump
 * of the wall clock changes no deadline. All times are epoch milliseconds, all spans milliseconds.
 *
 * One clock runs at a time: `respond` until somebody has accepted the case, then `arrive` until somebody has
 * been on site, then `resolve` until it is handled. A promise that was kept stays kept: after a return or a
 * rework the next open one runs. While a case is suspended, and once it is handled, none does, and its
 * colour stays what it was.
 */
export interface Clocks {
  readonly state: CaseState
  readonly queuedAt: number
  /** Allowed time of each clock from `queuedAt`, extensions included. */
  readonly respondMs: number
  readonly arriveMs: number
  readonly resolveMs: number
  /** Since when the clocks stand still; null while they run. */
  readonly suspendedAt: number | null
  /** How long they stood still before; every deadline is later by as much. */
  readonly suspendedMs: number
  readonly respondedAt: number | null
  readonly arrivedAt: number | null
}

export interface Deadlines {
  readonly respondBy: number
  readonly arriveBy: number
  readonly resolveBy: number
}

export function deadlines(clocks: Clocks): Deadlines {
  const start = clocks.queuedAt + clocks.suspendedMs
  return {
    respondBy: start + clocks.respondMs,
    arriveBy: start + clocks.arriveMs,
    resolveBy: start + clocks.resolveMs,
  }
}

/** Before it is handled, and not while it is suspended. */
const RUNNING: readonly CaseState[] = ['queued', 'dispatched', 'accepted', 'on_site']

export function runningClock(clocks: Clocks): ClockName | null {
  return isRunning(clocks.state) ? clockOf(clocks) : null
}

export function isRunning(state: CaseState): boolean {
  return RUNNING.includes(state)
}

/** The clock that runs, or would if none stood still. */
export function clockOf(clocks: Pick<Clocks, 'respondedAt' | 'arrivedAt'>): ClockName {
  if (clocks.respondedAt === null) return 'respond'
  return clocks.arrivedAt === null ? 'arrive' : 'resolve'
}

/** Contract §4: blue when 75 % of the time is gone, yellow when it has passed, red when it has passed by as much again. */
const SHARE_GONE: Readonly<Record<DeadlineColour, number>> = { none: 0, blue: 0.75, yellow: 1, red: 2 }

/** When the running clock takes on the colour; null when none runs. */
export function colourBegins(clocks: Clocks, colour: DeadlineColour): number | null {
  const running = runningClock(clocks)
  if (running === null) return null
  return shareGone(clocks.queuedAt + clocks.suspendedMs, clocks[`${running}Ms`], colour)
}

/** When a clock that began at `start` and allows `span` takes on the colour. */
export function shareGone(start: number, span: number, colour: DeadlineColour): number {
  return start + Math.ceil(span * SHARE_GONE[colour])
}

/** Colour of the running clock; null when none runs: then the case keeps the colour it has. */
export function deadlineColour(clocks: Clocks, now: number): DeadlineColour | null {
  if (runningClock(clocks) === null) return null
  return DEADLINE_COLOURS.findLast((colour) => colourBegins(clocks, colour)! <= now) ?? 'none'
}

/** The next colour after the one that is shown, and when it is due (perhaps already); null when there is none. */
export function nextColour(
  clocks: Clocks,
  shown: DeadlineColour,
): { readonly colour: DeadlineColour; readonly at: number } | null {
  const colour = DEADLINE_COLOURS[DEADLINE_COLOURS.indexOf(shown) + 1]
  if (colour === undefined) return null
  const at = colourBegins(clocks, colour)
  return at === null ? null : { colour, at }
}

/** What stands still while a case is suspended: its own clocks, and those of its whistles. */
type Stoppable = Pick<Clocks, 'suspendedAt' | 'suspendedMs'>

/** Stops the clocks. */
export function suspended<C extends Stoppable>(clocks: C, now: number): C {
  return { ...clocks, suspendedAt: now }
}

/** Lets them run on: every deadline moves by the time that they stood still, never back. */
export function resumed<C extends Stoppable>(clocks: C, now: number): C {
  const stood = clocks.suspendedAt === null ? 0 : Math.max(0, now - clocks.suspendedAt)
  return { ...clocks, suspendedAt: null, suspendedMs: clocks.suspendedMs + stood }
}

/** Moves the running clock's deadline to `until`, and those that come after it by as much. */
export function extended<C extends Clocks>(clocks: C, until: number): C {
  const running = runningClock(clocks)
  if (running === null) return clocks
  const more = until - deadlines(clocks)[`${running}By`]
  const first = CLOCK_NAMES.indexOf(running)
  const shifted = (name: ClockName) => clocks[`${name}Ms`] + (CLOCK_NAMES.indexOf(name) >= first ? more : 0)
  return {
    ...clocks,
    respondMs: shifted('respond'),
    arriveMs: shifted('arrive'),
    resolveMs: shifted('resolve'),
  }
}
