import { Type } from 'typebox'
import { mayDo } from '../dispatch/rights.ts'
import { ACTIONS } from '../model/case.ts'
import { ROLES, type User } from '../model/user.ts'
import { PUBLIC, READERS } from './access.ts'
import { SESSION_COOKIE, userOf } from './auth.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import type { SessionStore } from './session-store.ts'

const UserShape = Type.Object({
  name: Type.String(),
  role: Type.Enum(ROLES),
  street: Type.Union([Type.String(), Type.Null()]),
  team: Type.Union([Type.String(), Type.Null()]),
  actions: Type.Array(Type.Enum(ACTIONS), { description: 'what the role may do with a case' }),
})

const Credentials = Type.Union([
  Type.Object(
    { name: Type.String({ maxLength: 64 }), secret: Type.String({ maxLength: 1024 }) },
    { additionalProperties: false },
  ),
  Type.Object({ token: Type.String({ maxLength: 1024 }) }, { additionalProperties: false }),
])

/** The console's way in: a cookie that scripts cannot read and other sites cannot send. */
export function sessions(api: Api, { signIn }: HttpParts, store: SessionStore): void {
  const tags = ['gateway']
  const cookie = { path: '/', httpOnly: true, sameSite: 'strict', secure: 'auto' } as const

  api.post(
    '/api/v1/session',
    {
      // Guessing is also slowed behind `signIn`, for every door; this is the bound on its cost.
      config: { access: PUBLIC, rateLimit: { max: 30, timeWindow: '1 minute' } },
      schema: {
        tags,
        summary: 'Sign in',
        description: 'Sets the session cookie. A session ends after 12 h without use, or with the gateway.',
        body: Credentials,
        response: { 200: UserShape },
      },
    },
    async (request, reply) => {
      const { body } = request
      const principal =
        'token' in body
          ? await signIn.bearer(body.token, request.ip)
          : await signIn.password(body.name, Buffer.from(body.secret), request.ip)
      if (principal === null) throw new Problem('unauthenticated', 'the name and the secret do not match')
      if (principal.type !== 'user')
        throw new Problem('forbidden', 'sessions are for people, not for devices')
      reply.setCookie(SESSION_COOKIE, store.open(principal.user), cookie)
      return shown(principal.user)
    },
  )
  api.get(
    '/api/v1/session',
    { config: { access: READERS }, schema: { tags, summary: 'Who am I', response: { 200: UserShape } } },
    (request) => shown(userOf(request).user),
  )
  api.delete(
    '/api/v1/session',
    { config: { access: READERS }, schema: { tags, summary: 'Sign out', response: { 204: Type.Null() } } },
    (request, reply) => {
      const key = request.cookies[SESSION_COOKIE]
      if (key !== undefined) store.close(key)
      reply.clearCookie(SESSION_COOKIE, cookie).code(204)
      return null
    },
  )
}

function shown(user: User) {
  const actions = ACTIONS.filter((action) => mayDo(user, action))
  return { name: user.name, role: user.role, street: user.street, team: user.team, actions }
}
