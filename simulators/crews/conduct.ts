import type { Chance } from '../chance.ts'
import { metres, offset } from '../devices/course.ts'
import { HOUR, MINUTE } from '../devices/model.ts'
import type { Position } from '../reading.ts'

/** How well crews and officers do their work. Shares are 0 to 1; times of a good day are in the code. */
export interface Conduct {
  /** Of orders that nobody takes up. */
  readonly ignores: number
  /** Times as long as it should take. */
  readonly slow: number
  /** Of arrivals that are reported from somewhere else. */
  readonly offSite: number
  /** Of work that has to be done again. */
  readonly careless: number
}

export const GOOD: Conduct = { ignores: 0, slow: 1, offSite: 0, careless: 0 }
export const BAD: Conduct = { ignores: 0.15, slow: 1.8, offSite: 0.2, careless: 0.3 }

/** Streets are longer than the crow flies. */
const DETOUR = 1.35
/** An electric scooter in town, m/ms. */
const SPEED = 25_000 / HOUR

/** How long a crew needs for a case, ms each. */
export interface Effort {
  readonly react: number
  readonly travel: number
  readonly handle: number
}

/** Two minutes to take up an order, the way, half an hour on site: give or take. */
export function effortOf(chance: Chance, which: string, from: Position, to: Position, slow = 1): Effort {
  return {
    react: slow * chance.trait(`${which} react`, 1, 3.5) * MINUTE,
    travel: slow * ((DETOUR * metres(from, to)) / SPEED) * chance.trait(`${which} traffic`, 0.9, 1.3),
    handle: slow * chance.trait(`${which} handle`, 15, 45) * MINUTE,
  }
}

/** What somebody does about a case. */
export interface Step {
  /** After the step before it, ms. */
  readonly after: number
  readonly who: 'crew' | 'officer'
  readonly action: 'accept' | 'arrive' | 'handle' | 'verify' | 'rework' | 'close'
  readonly position?: Position
  readonly note?: string
  readonly code?: string
}

const ELSEWHERE = 2500

/** All that will be done about a case, from its order on; nothing when it is ignored. Pure. */
export function planOf(
  chance: Chance,
  which: string,
  from: Position,
  site: Position,
  conduct: Conduct,
): Step[] {
  const happens = (what: string, share: number): boolean => chance.at(`${which} ${what}`) < share
  if (happens('ignores', conduct.ignores)) return []
  const { react, travel, handle } = effortOf(chance, which, from, site, conduct.slow)
  const there = happens('off site', conduct.offSite) ? offset(site, ELSEWHERE, 0) : site
  const look = conduct.slow * chance.trait(`${which} look`, 10, 40) * MINUTE
  const work: Step[] = [
    { after: travel, who: 'crew', action: 'arrive', position: there },
    { after: handle, who: 'crew', action: 'handle', position: there, note: 'seen to (simulated)' },
  ]
  const accept: Step = { after: react, who: 'crew', action: 'accept' }
  const again: Step[] = happens('careless', conduct.careless)
    ? [{ after: look, who: 'officer', action: 'rework', note: 'not done (simulated)' }, accept, ...work]
    : []
  const code = happens('false alarm', 0.08) ? 'false_alarm' : 'confirmed'
  return [
    accept,
    ...work,
    ...again,
    { after: look, who: 'officer', action: 'verify' },
    { after: 2 * MINUTE, who: 'officer', action: 'close', code },
  ]
}
