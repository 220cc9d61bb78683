import { isInScope } from '../dispatch/rights.ts'
import type { Case } from '../model/case.ts'
import type { District } from '../model/district.ts'
import type { User } from '../model/user.ts'

interface Place {
  readonly street: string
  readonly grid: string
}

/**
 * What of the district a user may see (contract §5, roles): `street` its own street, `team` its own cases
 * and the devices and alarms of the grids that it serves, the others everything. Whatever is outside looks
 * as if it did not exist.
 */
export class Scope {
  readonly user: User
  /** Undefined: all of them. */
  readonly streets: readonly string[] | undefined
  readonly grids: readonly string[] | undefined

  constructor(user: User, district: District) {
    this.user = user
    if (user.role === 'street') {
      this.streets = user.street === null ? [] : [user.street]
    } else if (user.role === 'team') {
      const team = district.teams.find((known) => known.id === user.team)
      this.streets = team === undefined ? [] : team.streets
      this.grids = team?.grids
    }
  }

  /** Devices, their readings and their alarms. */
  sees(place: Place): boolean {
    return (this.streets?.includes(place.street) ?? true) && (this.grids?.includes(place.grid) ?? true)
  }

  seesCase(found: Case): boolean {
    return isInScope(this.user, found)
  }
}
