import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { ADMIN, OWN } from './access.ts'
import { SESSION_COOKIE, userOf } from './auth.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const SessionShape = Type.Object({
  id: Type.String({ description: 'names it; opens nothing' }),
  startedAt: Type.Integer({ description: 'epoch ms' }),
  usedAt: Type.Integer({ description: 'epoch ms' }),
  address: Type.String({ description: 'where the user signed in' }),
  token: Nullable(Type.String({ description: 'title of the token that it began with' })),
  current: Type.Boolean({ description: 'of this very request' }),
})
const List = Type.Object({ items: Type.Array(SessionShape) })

/** Where somebody is signed in, and how to end it: one's own, and for admins everybody's. */
export function ownSessions(api: Api, { audit, users, sessions }: HttpParts): void {
  const tags = ['users']
  const listOf = (name: string, request: FastifyRequest) => {
    const key = request.headers.authorization === undefined ? request.cookies[SESSION_COOKIE] : undefined
    const current = key === undefined ? undefined : sessions.idOf(key)
    return { items: sessions.list(name).map((session) => ({ ...session, current: session.id === current })) }
  }
  const known = (name: string): string => {
    if (users.get(name) === undefined) throw new Problem('not_found', `user "${name}" does not exist`)
    return name
  }

  api.get(
    '/api/v1/sessions',
    {
      config: { access: OWN },
      schema: { tags, summary: 'Where I am signed in, last used first', response: { 200: List } },
    },
    (request) => listOf(userOf(request).user.name, request),
  )
  api.delete(
    '/api/v1/sessions',
    {
      config: { access: OWN },
      schema: { tags, summary: 'Sign out everywhere', response: { 204: Type.Null() } },
    },
    (request, reply) => {
      sessions.end(userOf(request).user.name)
      reply.code(204)
      return null
    },
  )
  api.delete(
    '/api/v1/sessions/:id',
    {
      config: { access: OWN },
      schema: {
        tags,
        summary: 'End one of my sessions: a phone that is lost',
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      if (sessions.end(userOf(request).user.name, request.params.id) === 0) throw new Problem('not_found')
      reply.code(204)
      return null
    },
  )
  api.delete(
    '/api/v1/users/:name/sessions',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Sign somebody out everywhere',
        description: 'Tokens and the secret stay: revoke or replace those too when they are in wrong hands.',
        params: Type.Object({ name: Type.String({ maxLength: 64 }) }),
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      const name = known(request.params.name)
      audit.note(userOf(request).user.name, 'user.sign-out', name, `${sessions.end(name)} sessions`)
      reply.code(204)
      return null
    },
  )
}
