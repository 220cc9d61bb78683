import type { District, Team } from '../model/district.ts'
import type { User } from '../model/user.ts'
import { dutyStrength, localMinute, onDuty } from './duty.ts'

/**
 * Whether a user may see who is in a team and how to call them: who answers for the district, a street of its own
 * teams, a team of itself.
 */
export function mayCall(user: User, { id, streets }: Team): boolean {
  if (user.role === 'street') return user.street !== null && streets?.includes(user.street) === true
  if (user.role === 'team') return user.team === id
  return user.role === 'admin' || user.role === 'district'
}

/** A team as the user may see it. Rosters are personal data: whoever is shown one must be in the audit. */
export function teamView(team: Team, district: District, user: User, now: number, withRosters: boolean) {
  const { roster, ...rest } = team
  const at = localMinute(now)
  const view = { ...rest, onDuty: roster === undefined ? null : dutyStrength(team, district, at) }
  if (roster === undefined || !withRosters || !mayCall(user, team)) return view
  const present = onDuty(roster, district.calendar ?? {}, at).map(({ id }) => id)
  return { ...view, roster: { ...roster, present } }
}
