import { Type } from 'typebox'
import { PositionSchema } from '../model/device.ts'
import type { Position } from '../model/reading.ts'
import { PERSONAL_READ } from '../registry/audit.ts'
import { MOST_POINTS, type Course, type Patrol, type PatrolFinding } from '../registers/patrols.ts'
import { trackMetres, type TrackPoint } from '../registers/track.ts'
import { ACTORS, READERS, SUPERVISORS } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import {
  checkCategory,
  checkPlace,
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

/** A river section of a district is shorter, metres. */
const LONGEST_COURSE = 50_000

const CourseShape = Type.Unsafe<Course>(
  Type.Object({
    section: Type.String(),
    title: Type.String(),
    street: Type.String(),
    grid: Type.String(),
    course: Type.Array(PositionSchema),
  }),
)
const FindingShape = Type.Unsafe<PatrolFinding>(
  Type.Object({
    id: Type.String(),
    at: Time('when'),
    category: Type.String(),
    title: Type.String(),
    position: PositionSchema,
    case: Type.String({ description: 'that it opened or joined' }),
  }),
)
const PatrolShape = Type.Unsafe<Patrol>(
  Type.Object({
    id: Type.String(),
    section: Type.String(),
    street: Type.String(),
    grid: Type.String(),
    team: Nullable(Type.String()),
    actor: Type.String(),
    startedAt: Time('when'),
    stoppedAt: Nullable(Time('when')),
    points: Type.Integer({ description: 'of the track as it came in' }),
    metres: Nullable(Type.Integer({ description: 'of the cleaned track; once it has stopped' })),
    coverage: Nullable(
      Type.Number({ description: "share of the section's course, 0 to 1; once it has stopped" }),
    ),
    erasedAt: Nullable(Time('when the track was erased')),
    findings: Type.Array(FindingShape),
  }),
)
const PointShape = Type.Object(
  {
    at: Time("the phone's time"),
    position: PositionSchema,
    accuracy: Type.Optional(Type.Number({ minimum: 0, description: 'metres' })),
  },
  { additionalProperties: false },
)

const TrackShape = Type.Unsafe<{ readonly points: readonly TrackPoint[] }>(
  Type.Object({ points: Type.Array(PointShape) }),
)

/** `/registers/patrols`, `/registers/river-courses`: who went along which river, how far, and what was found. */
export function patrols(api: Api, { registers, audit, district }: HttpParts): void {
  const { patrols } = registers
  const tags = ['registers']
  const params = NamedBy('id')

  api.get(
    '/api/v1/registers/river-courses',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Courses of river sections, by id',
        querystring: Type.Object(pageQuery(50, 200)),
        response: { 200: Page(CourseShape) },
      },
    },
    (request) => {
      const { limit = 50, cursor } = request.query
      const after = cursor === undefined ? undefined : readCursor('river-courses', cursor, ['string'])[0]
      const items = [...patrols.courses(userOf(request).scope.streets, limit, after)]
      const last = items.length < limit ? undefined : items.at(-1)
      return { items, ...(last && { cursor: writeCursor('river-courses', [last.section]) }) }
    },
  )
  api.put(
    '/api/v1/registers/river-courses/:section',
    {
      config: { access: SUPERVISORS },
      schema: {
        tags,
        summary: 'Say how a river section runs, so that patrols know how much of it they have seen',
        params: NamedBy('section'),
        body: Type.Object(
          {
            title: Text(200),
            street: Identifier,
            grid: Identifier,
            course: Type.Array(PositionSchema, {
              minItems: 2,
              maxItems: 1000,
              description: 'WGS-84; 50 km at most',
            }),
          },
          { additionalProperties: false },
        ),
        response: { 200: CourseShape },
      },
    },
    (request) => {
      const { user, scope } = userOf(request)
      const section = request.params['section']!
      const { title, street, grid } = request.body
      const course = request.body.course as unknown as Position[]
      checkPlace({ street, grid }, user, district)
      const known = patrols.course(section)
      if (known !== undefined && !scope.sees(known)) throw new Problem('not_found')
      if (trackMetres(course.map((position, at) => ({ at, position }))) > LONGEST_COURSE)
        throw new Problem('bad_request', 'body/course: is longer than 50 km')
      const put = { section, title, street, grid, course }
      patrols.putCourse(put, user.name)
      return put
    },
  )
  api.get(
    '/api/v1/registers/patrols',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'River patrols, newest first, without their tracks',
        querystring: Type.Object({
          section: Type.Optional(Identifier),
          street: Type.Optional(Identifier),
          from: Type.Optional(Instant('started at or after')),
          to: Type.Optional(Instant('and before')),
          ...pageQuery(50, 200),
        }),
        response: { 200: Page(PatrolShape) },
      },
    },
    (request) => {
      const { section, street, from, to, limit = 50, cursor } = request.query
      const own = ownRows(userOf(request).user)
      const [at, id] = cursor === undefined ? [] : readCursor('patrols', cursor, ['number', 'string'])
      const items = [
        ...patrols.list(
          {
            section,
            streets: streetsWithin(own.streets, street),
            team: own.team,
            from: instant('from', from),
            to: instant('to', to),
          },
          limit,
          at === undefined ? undefined : { at, id: id! },
        ),
      ]
      const last = items.length < limit ? undefined : items.at(-1)
      return { items, ...(last && { cursor: writeCursor('patrols', [last.startedAt, last.id]) }) }
    },
  )
  api.post(
    '/api/v1/registers/patrols',
    {
      config: { access: ACTORS },
      schema: {
        tags,
        summary: 'Start a patrol; one at a time for each person',
        description: 'It ends by itself six hours after its last word.',
        body: Type.Object(
          { section: Identifier, street: Type.Optional(Identifier), grid: Type.Optional(Identifier) },
          {
            additionalProperties: false,
            description: 'street and grid where the course of the section is not known',
          },
        ),
        response: { 201: PatrolShape },
      },
    },
    (request, reply) => {
      const { user, scope } = userOf(request)
      const { section, street, grid } = request.body
      const course = patrols.course(section)
      const ofFile = district.sites?.find((site) => site.id === section && site.section !== undefined)
      const known = course ?? (street === undefined ? ofFile : undefined)
      if (known === undefined && (street === undefined || grid === undefined))
        throw new Problem(
          'bad_request',
          `body/section: the district has no river section "${section}", nor has it a course; expected street and grid with it`,
        )
      const place = known ?? { street: street!, grid: grid! }
      if (known === undefined) checkPlace(place, user, district)
      if (!scope.sees(place)) throw new Problem('forbidden', 'the section is not yours')
      const patrol = patrols.start(
        { section, street: place.street, grid: place.grid, team: user.team },
        user.name,
      )
      reply.code(201)
      return patrol
    },
  )
  api.get(
    '/api/v1/registers/patrols/:id',
    {
      config: { access: READERS },
      schema: { tags, summary: 'One of them', params, response: { 200: PatrolShape } },
    },
    (request) => seen(patrols.get(request.params['id']!), userOf(request).user),
  )
  api.get(
    '/api/v1/registers/patrols/:id/track',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Where the person was; every look is in the audit',
        params,
        response: { 200: TrackShape },
      },
    },
    (request) => {
      const { user } = userOf(request)
      const { id, actor } = seen(patrols.get(request.params['id']!), user)
      audit.note(user.name, PERSONAL_READ, `patrol ${id}`, `track of ${actor}`)
      return { points: patrols.trackOf(id) }
    },
  )
  /** Only who walks it adds to it. */
  const mine = (id: string, name: string, found: Patrol): string => {
    if (found.actor !== name) throw new Problem('forbidden', `the patrol is ${found.actor}'s`)
    return id
  }
  api.post(
    '/api/v1/registers/patrols/:id/points',
    {
      config: { access: ACTORS },
      schema: {
        tags,
        summary: 'Add to the track',
        description: `${MOST_POINTS} points of a patrol at most. A point of an instant that is there already changes nothing.`,
        params,
        body: Type.Array(PointShape, { minItems: 1, maxItems: 500 }),
        response: { 200: Type.Object({ added: Type.Integer() }) },
      },
    },
    (request) => {
      const { user } = userOf(request)
      const id = request.params['id']!
      const points = request.body.map((point) => ({
        ...point,
        position: point.position as unknown as Position,
      }))
      return { added: patrols.track(mine(id, user.name, seen(patrols.get(id), user)), points) }
    },
  )
  api.post(
    '/api/v1/registers/patrols/:id/findings',
    {
      config: { access: ACTORS },
      schema: {
        tags,
        summary:
          'Report what was found; it opens a case, or joins the open one of its category on the section',
        params,
        body: Type.Object(
          {
            finding: Text(64, "the sender's own id: the same one sent again counts once"),
            position: Here,
            note: Type.Optional(Type.String({ maxLength: 2000 })),
            files: Type.Optional(Files),
            ...FindingBody,
          },
          { additionalProperties: false },
        ),
        response: { 200: FindingShape },
      },
    },
    (request) => {
      const { user } = userOf(request)
      const id = request.params['id']!
      const { note = null, files = [], severity = 'yellow', position, ...what } = request.body
      checkCategory(what.category, district)
      const found = { ...what, note, files, severity, position: position as unknown as Position }
      return patrols.find(mine(id, user.name, seen(patrols.get(id), user)), found, user.name)
    },
  )
  api.post(
    '/api/v1/registers/patrols/:id/stop',
    {
      config: { access: ACTORS },
      schema: {
        tags,
        summary: 'End it: how far it went and how much was seen',
        params,
        response: { 200: PatrolShape },
      },
    },
    (request) => {
      const { user } = userOf(request)
      return patrols.stop(seen(patrols.get(request.params['id']!), user).id, user.name)
    },
  )
}
