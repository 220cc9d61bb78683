import { describe, expect, test } from 'vitest'
import { ACTIONS, CASE_STATES, type Action, type CaseState } from '../model/case.ts'
import { allowedIn, isOpen, nextState } from './transitions.ts'

/** Contract §4, written down a second time: state, its actions, where they lead. */
const LIFE: Record<CaseState, string> = {
  queued: 'assign>dispatched void>void suspend>suspended extend>queued supervise>queued',
  dispatched:
    'accept>accepted return>queued void>void suspend>suspended extend>dispatched supervise>dispatched',
  accepted: 'arrive>on_site return>queued void>void suspend>suspended extend>accepted supervise>accepted',
  on_site: 'handle>handled return>queued void>void suspend>suspended extend>on_site supervise>on_site',
  handled: 'verify>verified rework>dispatched void>void supervise>handled',
  verified: 'close>closed rework>dispatched void>void supervise>verified',
  suspended: 'resume>on_site void>void supervise>suspended',
  closed: '',
  void: '',
}

function expected(state: CaseState, action: Action): string | undefined {
  const step = LIFE[state].split(' ').find((step) => step.startsWith(`${action}>`))
  return step?.split('>')[1]
}

describe.each(CASE_STATES)('a case that is %s', (state) => {
  test.each(ACTIONS)('%s leads where the contract says, or nowhere', (action) => {
    expect(nextState(state, action, 'on_site')).toBe(expected(state, action))
  })

  test('names exactly the actions that lead somewhere', () => {
    expect(allowedIn(state)).toEqual(ACTIONS.filter((action) => expected(state, action) !== undefined))
  })
})

test.each(['queued', 'dispatched', 'accepted', 'on_site'] as const)(
  'resume leads back to %s when it was suspended there',
  (state) => {
    expect(nextState(state, 'suspend', null)).toBe('suspended')
    expect(nextState('suspended', 'resume', state)).toBe(state)
  },
)

test('a case is open until it is closed or void, and then nothing leads on', () => {
  for (const state of CASE_STATES) expect(isOpen(state)).toBe(allowedIn(state).length > 0)
})
