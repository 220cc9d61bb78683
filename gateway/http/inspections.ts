import { Type } from 'typebox'
import { PositionSchema } from '../model/device.ts'
import type { Position } from '../model/reading.ts'
import type { Inspection } from '../registers/inspections.ts'
import { ACTORS, READERS, SUPERVISORS } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import {
  checkCategory,
  checkPlace,
  checkTeam,
  Files,
  FindingBody,
  Here,
  Identifier,
  NamedBy,
  ownRows,
  seen,
  streetsWithin,
  Text,
  Time,
} from './register-shapes.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

/** A night, or what is planned as one: two days at most. */
const LONGEST_MS = 2 * 86_400_000

const InspectionShape = Type.Unsafe<Inspection>(
  Type.Object({
    id: Type.String(),
    title: Type.String(),
    street: Type.String(),
    team: Type.String(),
    from: Time('its window begins'),
    to: Time('and ends'),
    state: Type.Enum(['planned', 'open', 'done', 'missed', 'cancelled']),
    sites: Type.Array(
      Type.Object({
        site: Type.String(),
        grid: Type.String(),
        position: PositionSchema,
        state: Type.Enum(['pending', 'done', 'late', 'missed']),
        at: Nullable(Time('when somebody was there')),
        actor: Nullable(Type.String()),
        offSite: Nullable(Type.Integer({ description: 'metres from the site, beyond 300' })),
        note: Nullable(Type.String()),
        files: Type.Array(Type.String()),
        case: Nullable(Type.String({ description: 'of what was found' })),
      }),
    ),
  }),
)

/** `/registers/inspections`: night inspections, planned and done. */
export function inspections(api: Api, { registers, district }: HttpParts): void {
  const { inspections } = registers
  const tags = ['registers']
  const params = NamedBy('id')

  api.get(
    '/api/v1/registers/inspections',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Night inspections, newest first',
        querystring: Type.Object({
          street: Type.Optional(Identifier),
          team: Type.Optional(Identifier),
          from: Type.Optional(Instant('window begins at or after')),
          to: Type.Optional(Instant('and before')),
          ...pageQuery(50, 200),
        }),
        response: { 200: Page(InspectionShape) },
      },
    },
    (request) => {
      const { street, team, from, to, limit = 50, cursor } = request.query
      const own = ownRows(userOf(request).user)
      if (own.team !== undefined && team !== undefined && team !== own.team) return { items: [] }
      const [at, id] = cursor === undefined ? [] : readCursor('inspections', cursor, ['number', 'string'])
      const items = [
        ...inspections.list(
          {
            streets: streetsWithin(own.streets, street),
            team: own.team ?? team,
            from: instant('from', from),
            to: instant('to', to),
          },
          limit,
          at === undefined ? undefined : { at, id: id! },
        ),
      ]
      const last = items.length < limit ? undefined : items.at(-1)
      return { items, ...(last && { cursor: writeCursor('inspections', [last.from, last.id]) }) }
    },
  )
  api.post(
    '/api/v1/registers/inspections',
    {
      config: { access: SUPERVISORS },
      schema: {
        tags,
        summary: 'Plan a night inspection',
        body: Type.Object(
          {
            title: Text(200),
            street: Identifier,
            team: Identifier,
            from: Time('its window begins'),
            to: Time('and ends'),
            sites: Type.Array(
              Type.Object(
                { site: Identifier, grid: Identifier, position: PositionSchema },
                { additionalProperties: false },
              ),
              { minItems: 1, maxItems: 100 },
            ),
          },
          { additionalProperties: false },
        ),
        response: { 201: InspectionShape },
      },
    },
    (request, reply) => {
      const { user } = userOf(request)
      const { from, to, sites, street, team } = request.body
      if (from >= to || to - from > LONGEST_MS)
        throw new Problem('bad_request', 'body/to: must be after from, by two days at most')
      for (const { grid } of sites) checkPlace({ street, grid }, user, district)
      checkTeam(team, street, district)
      if (new Set(sites.map(({ site }) => site)).size < sites.length)
        throw new Problem('bad_request', 'body/sites: a site is there twice')
      const plan = {
        ...request.body,
        sites: sites.map((each) => ({ ...each, position: each.position as unknown as Position })),
      }
      reply.code(201)
      return inspections.plan(plan, user.name)
    },
  )
  api.get(
    '/api/v1/registers/inspections/:id',
    {
      config: { access: READERS },
      schema: { tags, summary: 'One of them', params, response: { 200: InspectionShape } },
    },
    (request) => seen(inspections.get(request.params['id']!), userOf(request).user),
  )
  api.delete(
    '/api/v1/registers/inspections/:id',
    {
      config: { access: SUPERVISORS },
      schema: {
        tags,
        summary: 'Cancel it; it stays in the register',
        params,
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      const { user } = userOf(request)
      inspections.cancel(seen(inspections.get(request.params['id']!), user).id, user.name)
      reply.code(204)
      return null
    },
  )
  api.post(
    '/api/v1/registers/inspections/:id/check-ins',
    {
      config: { access: ACTORS },
      schema: {
        tags,
        summary: 'Say that one is at a site, and what was found there',
        description:
          'Further than 300 m from the site is kept and flagged, after the window counts as late. The first one counts; ' +
          'sent again by the same person it changes nothing. A finding opens a case, or joins the open one.',
        params,
        body: Type.Object(
          {
            site: Identifier,
            position: Here,
            note: Type.Optional(Type.String({ maxLength: 2000 })),
            files: Type.Optional(Files),
            finding: Type.Optional(Type.Object(FindingBody, { additionalProperties: false })),
          },
          { additionalProperties: false },
        ),
        response: { 200: InspectionShape },
      },
    },
    (request) => {
      const { user } = userOf(request)
      const { site, position, note = null, files = [], finding } = request.body
      if (finding !== undefined) checkCategory(finding.category, district)
      const { id } = seen(inspections.get(request.params['id']!), user)
      const found = finding && { ...finding, severity: finding.severity ?? ('yellow' as const) }
      const here = position as unknown as Position
      return inspections.checkIn(id, { site, position: here, note, files, finding: found }, user.name)
    },
  )
}
