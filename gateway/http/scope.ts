import type { Alarm } from '../model/alarm.ts'
import type { Case } from '../model/case.ts'
import type { District, Team } from '../model/district.ts'
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
  readonly #team: Team | undefined

  constructor(user: User, district: District) {
    this.user = user
    this.#team = district.teams.find((team) => team.id === user.team)
  }

  /** Devices, their readings and their alarms. */
  sees(place: Place): boolean {
    if (this.user.role === 'street') return place.street === this.user.street
    if (this.user.role !== 'team') return true
    if (this.#team === undefined) return false
    const { streets, grids } = this.#team
    return (streets?.includes(place.street) ?? true) && (grids?.includes(place.grid) ?? true)
  }

  seesAlarm(alarm: Alarm): boolean {
    return this.sees(alarm)
  }

  seesCase(found: Case): boolean {
    return this.user.role === 'team' ? found.team === this.user.team : this.sees(found)
  }
}
