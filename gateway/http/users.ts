import { Type } from 'typebox'
import { teamOf } from '../district/routing.ts'
import type { District } from '../model/district.ts'
import { ROLES } from '../model/user.ts'
import { ADMIN } from './access.ts'
import { userOf } from './auth.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const Name = Type.String({ maxLength: 64 })
const UserName = Type.Object({ name: Name })
const UserShape = Type.Object({
  name: Type.String(),
  role: Type.Enum(ROLES),
  street: Nullable(Type.String()),
  team: Nullable(Type.String()),
  expires: Nullable(Type.Integer({ description: 'lets nobody in from here on; epoch ms' })),
  lockedUntil: Nullable(
    Type.Integer({ description: 'too many wrong secrets: opens from unknown places only then; epoch ms' }),
  ),
})
const Expires = Nullable(Type.Integer({ description: 'epoch ms' }))
const Credential = Type.Object({ name: Type.String(), secret: Type.String() })

/** People and programs that sign in. Who fits which role, the registry itself says. */
export function users(api: Api, { users, audit, lockouts, district }: HttpParts): void {
  const tags = ['users']
  api.get(
    '/api/v1/users',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Who may sign in, by name',
        querystring: Type.Object(pageQuery(100, 1000)),
        response: { 200: Page(UserShape) },
      },
    },
    (request) => {
      const { limit = 100, cursor } = request.query
      const page = users.list({
        limit,
        cursor: cursor === undefined ? undefined : readCursor('users', cursor, ['string'])[0],
      })
      const items = page.items.map((user) => ({
        ...user,
        expires: users.expiryOf(user.name),
        lockedUntil: lockouts.lockedUntil(user.name),
      }))
      if (page.cursor === undefined) return { items }
      return { items, cursor: writeCursor('users', [page.cursor]) }
    },
  )
  api.post(
    '/api/v1/users',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Let somebody in',
        description:
          'The role `street` needs a street, `team` a team. The secret is shown this once; a chosen one has at least 8 ' +
          'characters and is not the name. From `expires` on the user is let in no more.',
        body: Type.Object(
          {
            name: Name,
            role: Type.Enum(ROLES),
            street: Type.Optional(Name),
            team: Type.Optional(Name),
            secret: Type.Optional(Type.String({ maxLength: 256 })),
            expires: Type.Optional(Expires),
          },
          { additionalProperties: false },
        ),
        response: { 201: Credential },
      },
    },
    async (request, reply) => {
      const { secret: chosen, ...user } = request.body
      // A name that the district does not know opens nothing, and nobody would learn why no order ever comes.
      if (user.team !== undefined && teamOf(district, user.team) === undefined)
        throw refused('team', user.team, district)
      if (user.street !== undefined && !district.streets.some(({ id }) => id === user.street))
        throw refused('street', user.street, district)
      const credential = await users.create(user, chosen, () =>
        audit.note(userOf(request).user.name, 'user.create', user.name, user.role),
      )
      reply.code(201)
      return credential
    },
  )
  api.post(
    '/api/v1/users/:name/secret',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Give a user a new secret',
        description: 'The old one opens nothing from here on, and sessions that it began end.',
        params: UserName,
        response: { 200: Credential },
      },
    },
    async (request) => {
      const { name } = request.params
      return await users.rotateSecret(name, undefined, () =>
        audit.note(userOf(request).user.name, 'user.secret', name),
      )
    },
  )
  api.patch(
    '/api/v1/users/:name',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Let a user in until another time, or without end',
        params: UserName,
        body: Type.Object({ expires: Expires }, { additionalProperties: false }),
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      const { name } = request.params
      const { expires } = request.body
      users.setExpiry(name, expires, () =>
        audit.note(userOf(request).user.name, 'user.expiry', name, String(expires)),
      )
      reply.code(204)
      return null
    },
  )
  api.delete(
    '/api/v1/users/:name',
    {
      config: { access: ADMIN },
      schema: { tags, summary: 'Let somebody in no more', params: UserName, response: { 204: Type.Null() } },
    },
    (request, reply) => {
      const { name } = request.params
      users.remove(name, () => audit.note(userOf(request).user.name, 'user.remove', name))
      reply.code(204)
      return null
    },
  )
  api.delete(
    '/api/v1/users/:name/lock',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Unlock an account that was locked after too many wrong secrets',
        params: UserName,
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      const { name } = request.params
      if (!lockouts.unlock(name, () => audit.note(userOf(request).user.name, 'user.unlock', name)))
        throw new Problem('not_found', `"${name}" is not locked`)
      reply.code(204)
      return null
    },
  )
}

function refused(key: 'team' | 'street', id: string, district: District): Problem {
  const what = `the district ${district.id} has no ${key} "${id}"`
  return new Problem('bad_request', `${key}: ${what}`, { errors: [{ where: `body/${key}`, what }] })
}
