import type { Action, Case, CaseState } from '../model/case.ts'
import type { Role, User } from '../model/user.ts'
import type { CaseFilter } from './case-lists.ts'
import { allowedIn } from './transitions.ts'

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

/**
 * Contract §5: `street` has the cases of its own street, `team` its own cases, the others all of them. A case that
 * a team has had remains readable to it, wherever it has gone since.
 */
export function isInScope(user: User, found: Pick<Case, 'street' | 'teams'>): boolean {
  if (user.role === 'street') return found.street === user.street
  if (user.role === 'team') return user.team !== null && found.teams.includes(user.team)
  return true
}

type InHand = Pick<Case, 'team' | 'crew' | 'standby'>

/** Of what it can read, a team moves what it answers for or works on; what went up from it, it may still accept. */
export function hasInHand(user: User, { team, crew, standby }: InHand, action: Action): boolean {
  if (user.role !== 'team' || user.team === null) return user.role !== 'team'
  if (user.team === team || user.team === crew) return true
  return action === 'accept' && crew === null && standby.includes(user.team)
}

/** Who may call departments to a case. */
export function mayWhistle(user: User): boolean {
  return SUPERVISOR.includes(user.role)
}

/** What the user may do with the case as it is; nothing is verified that a department still works on. */
export function actionsOf(
  user: User,
  found: InHand & Pick<Case, 'street' | 'teams' | 'called'> & { readonly state: CaseState },
): Action[] {
  if (!isInScope(user, found)) return []
  return allowedIn(found.state).filter(
    (action) =>
      mayDo(user, action) &&
      hasInHand(user, found, action) &&
      (action !== 'verify' || found.called.length === 0),
  )
}

/** The scope as a filter for lists of cases. */
export function readableBy(user: User): Pick<CaseFilter, 'streets' | 'reader'> {
  if (user.role === 'team') return user.team === null ? { streets: [] } : { reader: user.team }
  return scopeOf(user)
}

/** The scope as a filter for figures: a team has those of the cases that it answers for or worked on. */
export function scopeOf(user: User): Pick<CaseFilter, 'streets' | 'team'> {
  if (user.role === 'street') return { streets: user.street === null ? [] : [user.street] }
  if (user.role === 'team') return user.team === null ? { streets: [] } : { team: user.team }
  return {}
}
