import { Type } from 'typebox'
import { mayDo } from '../dispatch/rights.ts'
import { ACTIONS } from '../model/case.ts'
import { ROLES, type User } from '../model/user.ts'
import { OWN, PUBLIC } from './access.ts'
import { SESSION_COOKIE, userOf } from './auth.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

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

const COOKIE = { path: '/', httpOnly: true, sameSite: 'strict', secure: 'auto' } as const

/** The console's way in: a cookie that scripts cannot read and other sites cannot send. */
export function sessions(api: Api, parts: HttpParts): void {
  const { signIn, sessions } = parts
  const tags = ['gateway']
  ownSecret(api, parts)

  api.post(
    '/api/v1/session',
    {
      // Guessing is also slowed behind `signIn`, for every door; this is the bound on its cost.
      config: { access: PUBLIC, rateLimit: { max: 30, timeWindow: '1 minute' } },
      schema: {
        tags,
        summary: 'Sign in',
        description:
          'Sets the session cookie. A session ends after 12 h without use, after 7 days, and with the secret or the token that ' +
          'it began with. One that this browser had ends with it.',
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
      if (principal === null)
        throw new Problem('unauthenticated', 'the name and the secret do not match, or too many were tried')
      if (principal === 'expired') throw new Problem('expired')
      if (principal.type !== 'user')
        throw new Problem('forbidden', 'sessions are for people, not for devices')
      const { user, grant = null } = principal
      const key = sessions.open(user, grant, request.ip, request.cookies[SESSION_COOKIE])
      reply.setCookie(SESSION_COOKIE, key, COOKIE)
      return shown(user)
    },
  )
  api.get(
    '/api/v1/session',
    { config: { access: OWN }, schema: { tags, summary: 'Who am I', response: { 200: UserShape } } },
    (request) => shown(userOf(request).user),
  )
  api.delete(
    '/api/v1/session',
    {
      config: { access: { ...OWN, harmless: true } },
      schema: { tags, summary: 'Sign out', response: { 204: Type.Null() } },
    },
    (request, reply) => {
      const key = request.cookies[SESSION_COOKIE]
      if (key !== undefined) sessions.close(key)
      reply.clearCookie(SESSION_COOKIE, COOKIE).code(204)
      return null
    },
  )
}

const Secret = Type.String({ maxLength: 256 })

/** People choose their own secret: the one that an admin handed over was in two hands. */
function ownSecret(api: Api, { signIn, sessions, users, audit }: HttpParts): void {
  api.post(
    '/api/v1/session/secret',
    {
      config: { access: OWN, rateLimit: { max: 30, timeWindow: '1 minute' } },
      schema: {
        tags: ['gateway'],
        summary: 'Choose another secret',
        description:
          'At least 8 characters, and not the name. The old one opens nothing from here on; every session ends, and ' +
          'a new one begins here.',
        body: Type.Object({ secret: Secret, newSecret: Secret }, { additionalProperties: false }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { user, grant } = userOf(request)
      if (grant !== null || users.get(user.name) === undefined)
        throw new Problem('forbidden', 'sign in with the secret that is to change')
      const { secret, newSecret } = request.body
      const principal = await signIn.password(user.name, Buffer.from(secret), request.ip)
      if (principal === null || principal === 'expired' || principal.type !== 'user' || principal.grant)
        throw new Problem('forbidden', 'the secret is not right')
      await users.rotateSecret(user.name, newSecret, () => audit.note(user.name, 'user.secret', user.name))
      sessions.end(user.name)
      reply.setCookie(SESSION_COOKIE, sessions.open(user, null, request.ip), COOKIE).code(204)
      return null
    },
  )
}

function shown(user: User) {
  const actions = ACTIONS.filter((action) => mayDo(user, action))
  return { name: user.name, role: user.role, street: user.street, team: user.team, actions }
}
