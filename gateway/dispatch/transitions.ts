import { ACTIONS, type Action, type CaseState } from '../model/case.ts'
import { WHISTLE_ACTIONS, type WhistleAction, type WhistleState } from '../model/whistle.ts'

/** Where a `resume` leads: the state that the case was suspended in. */
type Next = CaseState | 'suspended from'

/**
 * The life of a case (contract §4), all of it. An action that is not in a state's row is refused there.
 * A case can be suspended or extended while one of its clocks runs, that is until it is handled.
 */
export const TRANSITIONS: Readonly<Record<CaseState, Readonly<Partial<Record<Action, Next>>>>> = {
  queued: {
    assign: 'dispatched',
    void: 'void',
    suspend: 'suspended',
    extend: 'queued',
    supervise: 'queued',
  },
  dispatched: {
    accept: 'accepted',
    return: 'queued',
    void: 'void',
    suspend: 'suspended',
    extend: 'dispatched',
    supervise: 'dispatched',
  },
  accepted: {
    arrive: 'on_site',
    return: 'queued',
    void: 'void',
    suspend: 'suspended',
    extend: 'accepted',
    supervise: 'accepted',
  },
  on_site: {
    handle: 'handled',
    return: 'queued',
    void: 'void',
    suspend: 'suspended',
    extend: 'on_site',
    supervise: 'on_site',
  },
  handled: { verify: 'verified', rework: 'dispatched', void: 'void', supervise: 'handled' },
  verified: { close: 'closed', rework: 'dispatched', void: 'void', supervise: 'verified' },
  suspended: { resume: 'suspended from', void: 'void', supervise: 'suspended' },
  closed: {},
  void: {},
}

/**
 * What only the gateway does beside that. A case that waits for a loudspeaker's effect ends without a crew when its
 * alarm does.
 */
export const BY_GATEWAY: Readonly<Partial<Record<CaseState, Readonly<Partial<Record<Action, CaseState>>>>>> =
  { queued: { close: 'closed' } }

/** The life of a whistle: a department reports in before it is done; it may be withdrawn until then. */
export const WHISTLE_TRANSITIONS: Readonly<
  Record<WhistleState, Readonly<Partial<Record<WhistleAction, WhistleState>>>>
> = {
  blown: { report_in: 'reported_in', withdraw: 'withdrawn' },
  reported_in: { done: 'done', withdraw: 'withdrawn' },
  done: {},
  withdrawn: {},
}

export function whistleAllows(state: WhistleState): WhistleAction[] {
  return WHISTLE_ACTIONS.filter((action) => WHISTLE_TRANSITIONS[state][action] !== undefined)
}

export function nextWhistleState(state: WhistleState, action: WhistleAction): WhistleState | undefined {
  return WHISTLE_TRANSITIONS[state][action]
}

/** In the order of a case's life. */
export function allowedIn(state: CaseState): Action[] {
  return ACTIONS.filter((action) => TRANSITIONS[state][action] !== undefined)
}

/** The state that the action leads to, or undefined where it is not allowed. */
export function nextState(
  state: CaseState,
  action: Action,
  suspendedFrom: CaseState | null,
): CaseState | undefined {
  const next = TRANSITIONS[state][action]
  return next === 'suspended from' ? (suspendedFrom ?? undefined) : next
}

export function isOpen(state: CaseState): boolean {
  return state !== 'closed' && state !== 'void'
}
