import { Type } from 'typebox'
import { teamView } from '../district/roster-view.ts'
import { DistrictSchema, TeamSchema } from '../model/district.ts'
import { RosterSchema } from '../model/roster.ts'
import { PERSONAL_READ } from '../registry/audit.ts'
import { KindSchema } from '../model/kind.ts'
import { TERMS } from '../dispatch/terms.ts'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Page } from './paging.ts'
import type { HttpParts } from './parts.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const TermShape = Type.Object({ zh: Type.String(), en: Type.String() })

const { roster: _roster, ...team } = TeamSchema.properties
const TeamShape = Type.Object({
  ...team,
  onDuty: Nullable(Type.Integer({ description: 'people on duty now; null where the team keeps no roster' })),
  roster: Type.Optional(
    Type.Object(
      {
        ...RosterSchema.properties,
        present: Type.Array(Type.String(), { description: 'ids of the members who are on duty now' }),
      },
      {
        description:
          'Names and phones: for admin and district, for a street of the teams that serve it alone or among others, ' +
          'for a team of itself. Each look is in the audit as personal.read.',
      },
    ),
  ),
})
const { sites: _sites, teams: _teams, ...rest } = DistrictSchema.properties
const DistrictShape = Type.Object({ ...rest, teams: Type.Array(TeamShape) })

/** What a page needs to name things: streets and teams, kinds with their metrics, units and titles. */
export function district(api: Api, { district, kinds, clock, audit }: HttpParts): void {
  api.get(
    '/api/v1/district',
    {
      config: { access: READERS },
      schema: {
        tags: ['cases'],
        summary: 'The district: streets, grids, categories, teams and who is on duty, areas',
        description:
          'What the district file says (gateway/district/README.md); its sites are at /api/v1/sites.',
        querystring: Type.Object({
          rosters: Type.Optional(
            Type.Boolean({
              default: true,
              description: 'false: without names and phones, and nothing is audited',
            }),
          ),
        }),
        response: { 200: DistrictShape },
      },
    },
    (request) => {
      const { user } = userOf(request)
      const now = clock.now()
      const withRosters = request.query.rosters !== false
      const teams = district.teams.map((team) => teamView(team, district, user, now, withRosters))
      const shown = teams.filter((team) => 'roster' in team).map(({ id }) => id)
      if (shown.length > 0) {
        const whose = shown.length > 3 ? `${shown.length} teams` : shown.join(', ')
        audit.note(user.name, PERSONAL_READ, 'district', `rosters of ${whose}`)
      }
      const { sites: _, ...known } = district
      return { ...known, teams }
    },
  )
  api.get(
    '/api/v1/terms',
    {
      config: { access: READERS },
      schema: {
        tags: ['cases'],
        summary: "What the words of a case's life are called, in Chinese and English",
        response: { 200: Type.Record(Type.String(), Type.Record(Type.String(), TermShape)) },
      },
    },
    () => TERMS,
  )
  api.get(
    '/api/v1/kinds',
    {
      config: { access: READERS },
      schema: {
        tags: ['devices'],
        summary: 'Kinds of devices and their metrics',
        response: { 200: Page(KindSchema) },
      },
    },
    () => ({ items: [...kinds.values()] }),
  )
}
