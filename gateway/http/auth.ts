import type { FastifyRequest } from 'fastify'
import type { Clock } from '../model/clock.ts'
import type { District } from '../model/district.ts'
import type { Grant, SignIn, User } from '../model/user.ts'
import type { Secrets } from '../registry/secrets.ts'
import type { Sessions } from '../registry/sessions.ts'
import type { Users } from '../registry/users.ts'
import type { Access } from './access.ts'
import { Problem } from './problem.ts'
import type { RouteTable } from './route-table.ts'
import type { Api } from './route.ts'
import { Scope } from './scope.ts'

/** Who sent the request, once it is proved. */
export type Caller =
  | { readonly type: 'device'; readonly device: string }
  | {
      readonly type: 'user'
      readonly user: User
      readonly scope: Scope
      /** The token that it came by, or that its session began with. */
      readonly grant: Grant | null
      /** Whether it would still be let in now: for answers that go on. */
      readonly valid: () => boolean
    }

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** A body that may take long to arrive, such as a video over a mobile network; or how long, ms. */
    slowBody?: true | number
  }
  interface FastifyRequest {
    /** Null on routes that anyone may use. */
    caller: Caller | null
  }
}

export const SESSION_COOKIE = 'gw_session'

export interface Authority {
  readonly signIn: SignIn
  readonly sessions: Sessions
  readonly users: Pick<Users, 'expiryOf' | 'tokens'>
  readonly secrets: Pick<Secrets, 'of'>
  readonly district: District
  readonly clock: Clock
}

/** Adds the check to every route, and refuses to start with a route that does not say who may use it. */
export function denyByDefault(app: Api, authority: Authority, routes: RouteTable): void {
  app.decorateRequest('caller', null)
  app.addHook('onReady', (done) => {
    const open = routes.all().filter((route) => route.access === undefined)
    const names = open.map((route) => `${route.method} ${route.url}`).join(', ')
    done(open.length === 0 ? undefined : new Error(`routes without access: ${names}`))
  })
  app.addHook('onRequest', async (request) => {
    if (request.is404) return
    const access = request.routeOptions.config.access ?? {}
    if (access.public === true || (access.loopback === true && isLocal(request))) return
    request.caller = await identify(request, authority, access)
    if (!may(request.caller, access)) throw new Problem('forbidden')
    if (isReadOnly(request.caller) && changes(request) && access.harmless !== true)
      throw new Problem('forbidden', 'the token may only read')
  })
}

function may(caller: Caller, access: Access): boolean {
  if (caller.type === 'device') return access.devices === true
  return access.roles?.includes(caller.user.role) ?? false
}

function isReadOnly(caller: Caller): boolean {
  return caller.type === 'user' && caller.grant?.readOnly === true
}

async function identify(request: FastifyRequest, authority: Authority, access: Access): Promise<Caller> {
  const { district, sessions, signIn } = authority
  const token = access.influx === true ? influxToken(request) : bearerToken(request)
  if (token !== undefined) {
    const principal = token === '' ? null : await signIn.bearer(token, request.ip)
    if (principal === null) throw new Problem('unauthenticated', 'the token is not valid')
    if (principal === 'expired') throw new Problem('expired')
    if (principal.type === 'device') return principal
    const { user, grant = null } = principal
    return {
      type: 'user',
      user,
      scope: new Scope(user, district),
      grant,
      valid: validity(user, grant, authority),
    }
  }
  const key = request.cookies[SESSION_COOKIE]
  if (key === undefined)
    throw new Problem('unauthenticated', 'send a bearer token, or sign in at /api/v1/session')
  const session = sessions.find(key)
  if (session === undefined) throw new Problem('unauthenticated', 'the session has ended')
  if (session === 'expired') throw new Problem('expired')
  if (changes(request)) refuseCrossSite(request)
  const { user, grant } = session
  const valid = () => typeof sessions.find(key) === 'object'
  return { type: 'user', user, scope: new Scope(user, district), grant, valid }
}

/** Of who came by a secret or a token: it is the same one, and has not come to its end. */
function validity(user: User, grant: Grant | null, { clock, secrets, users }: Authority): () => boolean {
  const secret = secrets.of(user.name)
  const lasts = (expires: number | null) => expires === null || expires > clock.now()
  return () => {
    if (!lasts(users.expiryOf(user.name))) return false
    if (grant === null) return secrets.of(user.name) === secret
    const token = users.tokens.get(grant.token)
    return token !== undefined && lasts(token.expires)
  }
}

/** Undefined when there is none, empty when it is not one. */
function bearerToken({ headers: { authorization } }: FastifyRequest): string | undefined {
  if (authorization === undefined) return undefined
  return /^Bearer +(\S{1,1024})$/i.exec(authorization)?.[1] ?? ''
}

/** As both write APIs of InfluxDB take it; a name and its password are a token with a colon between them. */
function influxToken(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers
  if (authorization !== undefined) {
    const [, scheme, text = ''] = /^(Bearer|Token|Basic) +(\S{1,1024})$/i.exec(authorization) ?? []
    return scheme?.toLowerCase() === 'basic' ? Buffer.from(text, 'base64').toString() : text
  }
  const { u: name, p: password } = request.query as Readonly<Record<string, unknown>>
  return typeof name === 'string' && typeof password === 'string' ? `${name}:${password}` : undefined
}

function changes(request: FastifyRequest): boolean {
  return request.method !== 'GET' && request.method !== 'HEAD'
}

/**
 * A cookie travels by itself, so a changing request must prove that our own page sent it. Browsers state the
 * origin of every such request; one that states none, or another, is refused. `SameSite=Strict` is the
 * second lock on this door.
 */
function refuseCrossSite(request: FastifyRequest): void {
  const { origin, host } = request.headers
  if (origin !== undefined && URL.canParse(origin) && new URL(origin).host === host) return
  throw new Problem('cross_site')
}

/** What reverse proxies add to the requests that they pass on. */
const PROXIED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

/**
 * This machine itself, and neither somebody behind a proxy on it nor a web page in a browser on it whose name
 * was made to lead here (DNS rebinding).
 */
function isLocal(request: FastifyRequest): boolean {
  const address = request.socket.remoteAddress ?? ''
  return (
    (/^(::ffff:)?127\./.test(address) || address === '::1') &&
    LOOPBACK_HOST.test(request.headers.host ?? '') &&
    PROXIED.every((name) => request.headers[name] === undefined)
  )
}

/** The user of a request on a route that takes users only. */
export function userOf(request: FastifyRequest): Extract<Caller, { type: 'user' }> {
  if (request.caller?.type !== 'user') throw new Problem('forbidden')
  return request.caller
}
