import { Type } from 'typebox'
import { Grids } from '../district/grids.ts'
import { teamOf, servesStreet } from '../district/routing.ts'
import { SEVERITIES } from '../model/alarm.ts'
import type { District } from '../model/district.ts'
import { PositionSchema } from '../model/device.ts'
import { IDENTIFIER_PATTERN } from '../model/identifier.ts'
import type { User } from '../model/user.ts'
import { Problem } from './problem.ts'

/** What the three registers have in common. */
export const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
export const Text = (maxLength: number, description?: string) =>
  Type.String({ minLength: 1, maxLength, pattern: '\\S', ...(description !== undefined && { description }) })
export const Time = (description: string) => Type.Integer({ description: `${description}; epoch ms` })
export const Files = Type.Array(Identifier, { maxItems: 20, description: 'evidence files' })
export const Here = { ...PositionSchema, description: 'WGS-84; where the sender is' }
export const NamedBy = (name: string) => Type.Object({ [name]: Identifier })

/** What somebody found; it opens a case. */
export const FindingBody = {
  category: Text(64, 'of the case that it opens or joins'),
  title: Text(200),
  severity: Type.Optional(Type.Enum(SEVERITIES, { default: 'yellow' })),
}

/** A place of the district; of a street's own, where the user has one. */
export function checkPlace(
  { street, grid }: { street: string; grid: string },
  user: User,
  district: District,
): void {
  const known = district.streets.find(({ id }) => id === street)
  if (user.role === 'street' && user.street !== street) throw new Problem('forbidden', `not of ${street}`)
  if (known === undefined) throw new Problem('bad_request', `body/street: ${street} is not of the district`)
  if (new Grids(district).streetOf(grid) !== street)
    throw new Problem('bad_request', `body/grid: ${grid} is not of ${street}`)
}

/** A category that the district has, where its file says which there are. */
export function checkCategory(category: string, { categories }: District): void {
  if (categories === undefined || Object.hasOwn(categories, category)) return
  const known = Object.keys(categories).join(', ')
  throw new Problem('bad_request', `body/category: ${category} is none of the district; expected ${known}`)
}

/** A team that serves the street. */
export function checkTeam(team: string, street: string, district: District): void {
  const known = teamOf(district, team)
  if (known === undefined) throw new Problem('bad_request', `body/team: ${team} is not of the district`)
  if (!servesStreet(known, street))
    throw new Problem('bad_request', `body/team: ${team} does not serve ${street}`)
}

/** Of registers that a team has rows of its own in. */
export function ownRows(user: User): {
  readonly streets?: readonly string[]
  readonly team?: string
} {
  if (user.role === 'street') return { streets: user.street === null ? [] : [user.street] }
  if (user.role === 'team') return user.team === null ? { streets: [] } : { team: user.team }
  return {}
}

/** What is not one's own looks as if it did not exist. */
export function seen<T extends { readonly street: string; readonly team: string | null }>(
  found: T | undefined,
  user: User,
): T {
  const own = ownRows(user)
  const isSeen =
    found !== undefined &&
    (own.streets?.includes(found.street) ?? true) &&
    (own.team === undefined || own.team === found.team)
  if (!isSeen) throw new Problem('not_found')
  return found
}

/** The streets that a list is of: one's own, and of those the one that was asked for. */
export function streetsWithin(own: readonly string[] | undefined, asked: string | undefined) {
  if (asked === undefined) return own
  return own === undefined || own.includes(asked) ? [asked] : []
}
