import type { Action, Case } from '../model/case.ts'
import type { Role, User } from '../model/user.ts'
import type { CaseFilter } from './cases.ts'

const CREW: readonly Role[] = ['admin', 'district', 'street', 'team']
const SUPERVISOR: readonly Role[] = ['admin', 'district', 'street']

/**
 * Who may do what with a case in its scope. The crew does the work; whoever checks it, stops its clock or
 * takes it off the books is not the crew. A team assigns what was returned to it.
 */
const RIGHTS: Readonly<Record<Action, readonly Role[]>> = {
  assign: CREW,
  accept: CREW,
  arrive: CREW,
  handle: CREW,
  return: CREW,
  verify: SUPERVISOR,
  close: SUPERVISOR,
  rework: SUPERVISOR,
  void: SUPERVISOR,
  suspend: SUPERVISOR,
  resume: SUPERVISOR,
  extend: SUPERVISOR,
  supervise: SUPERVISOR,
}

export function mayDo(user: User, action: Action): boolean {
  return RIGHTS[action].includes(user.role)
}

/** Contract §5: `street` has the cases of its own street, `team` its own cases, the others all of them. */
export function isInScope(user: User, found: Pick<Case, 'street' | 'team' | 'crew'>): boolean {
  if (user.role === 'street') return found.street === user.street
  if (user.role === 'team') return user.team !== null && [found.team, found.crew].includes(user.team)
  return true
}

/** The same as a filter for lists. */
export function scopeOf(user: User): Pick<CaseFilter, 'streets' | 'team'> {
  if (user.role === 'street') return { streets: user.street === null ? [] : [user.street] }
  if (user.role === 'team') return user.team === null ? { streets: [] } : { team: user.team }
  return {}
}
