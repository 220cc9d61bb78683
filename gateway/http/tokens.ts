import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Token } from '../registry/tokens.ts'
import { OWN } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const Name = Type.String({ maxLength: 64 })
const UserName = Type.Object({ name: Name })
const TokenFields = {
  id: Type.String({ description: 'names it; opens nothing' }),
  title: Type.String(),
  readOnly: Type.Boolean(),
  createdAt: Type.Integer({ description: 'epoch ms' }),
  expires: Type.Integer({ description: 'epoch ms' }),
  lastUsed: Nullable(Type.String({ description: 'day in Asia/Shanghai' })),
}
const TokenShape = Type.Object(TokenFields)

/** Second keys of people and programs: with a title, an end, and no more rights than their user's. */
export function tokens(api: Api, { users, audit, clock }: HttpParts): void {
  const tags = ['users']
  /** An admin, for everybody; others for themselves, and nobody else exists for them. */
  const subject = (request: FastifyRequest, name: string): string => {
    const { user } = userOf(request)
    if (user.name !== name && user.role !== 'admin') throw new Problem('not_found')
    if (users.get(name) === undefined) throw new Problem('not_found', `user "${name}" does not exist`)
    return name
  }

  api.get(
    '/api/v1/users/:name/tokens',
    {
      config: { access: OWN },
      schema: {
        tags,
        summary: "A user's tokens, oldest first; never their text",
        params: UserName,
        response: { 200: Type.Object({ items: Type.Array(TokenShape) }) },
      },
    },
    (request) => ({ items: users.tokens.of(subject(request, request.params.name)).map(shown) }),
  )
  api.post(
    '/api/v1/users/:name/tokens',
    {
      config: { access: OWN },
      schema: {
        tags,
        summary: 'Make a token',
        description:
          'The text is shown this once. It opens every door that the user may open (HTTP bearer, MQTT password beside ' +
          'the name, sign-in), until it expires, 400 days at most; with `readOnly` it changes nothing. Admins make ' +
          'tokens for everybody, others for themselves. A token makes no tokens.',
        params: UserName,
        body: Type.Object(
          {
            title: Type.String({ minLength: 1, maxLength: 100, description: 'what it is for' }),
            expires: Type.Union([Type.Integer(), Instant('when it ends')]),
            readOnly: Type.Optional(Type.Boolean()),
          },
          { additionalProperties: false },
        ),
        response: { 201: Type.Object({ ...TokenFields, token: Type.String() }) },
      },
    },
    (request, reply) => {
      const name = subject(request, request.params.name)
      if (request.caller?.type === 'user' && request.caller.grant !== null)
        throw new Problem('forbidden', 'a token makes no tokens; sign in with the secret')
      const { title, expires, readOnly = false } = request.body
      const wanted = { title, expires: instant('expires', String(expires), 'body'), readOnly }
      const { token, text } = users.tokens.create(name, wanted, clock.now(), ({ id }) =>
        audit.note(
          userOf(request).user.name,
          'user.token',
          name,
          `${id} ${readOnly ? 'read-only ' : ''}${title}`,
        ),
      )
      reply.code(201)
      return { ...shown(token), token: text }
    },
  )
  api.delete(
    '/api/v1/users/:name/tokens/:id',
    {
      config: { access: OWN },
      schema: {
        tags,
        summary: 'Revoke a token',
        description: 'It opens nothing from here on; sessions and MQTT connections that it began end.',
        params: Type.Object({ name: Name, id: Type.String({ maxLength: 64 }) }),
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      const { id } = request.params
      const name = subject(request, request.params.name)
      users.tokens.revoke(name, id, () =>
        audit.note(userOf(request).user.name, 'user.token-revoke', name, id),
      )
      reply.code(204)
      return null
    },
  )
}

function shown({ id, title, readOnly, createdAt, expires, lastUsed }: Token) {
  return { id, title, readOnly, createdAt, expires, lastUsed }
}
