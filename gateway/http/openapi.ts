import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifySchema } from 'fastify'
import { PUBLIC, type Access } from './access.ts'
import { SESSION_COOKIE } from './auth.ts'
import { ProblemSchema } from './problem.ts'
import type { Api } from './route.ts'

const DESCRIPTION = `The HTTP side of Gridwhistle. Times are epoch milliseconds, positions WGS-84
\`[longitude, latitude, altitude?]\`. Errors are RFC 9457 problem documents whose \`code\` is stable. Lists answer
\`{"items":[…],"cursor":"…"?}\`: ask again with the \`cursor\` until there is none.

Sign in with \`Authorization: Bearer …\`: the admin token, a token of a user, \`{user}:{secret}\`, or \`{device}:{secret}\` for
handing in readings; or with the session cookie of \`POST /api/v1/session\`.`

/** The page's own bar asks for the address of another API: there is no use for it here. */
const THEME = '.swagger-ui .topbar { display: none }'

/** The description of the API, generated from the routes as they are, and a page to try them at `/api/docs`. */
export async function describeApi(app: Api, version: string): Promise<void> {
  app.addSchema(ProblemSchema)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Gridwhistle', version, description: DESCRIPTION, license: { name: 'Apache-2.0' } },
      servers: [{ url: '/' }],
      tags: [
        { name: 'readings', description: 'readings in and out, and what was refused' },
        { name: 'devices', description: 'the registry' },
        { name: 'judging', description: 'rules and alarms' },
        { name: 'cases', description: 'the dispatch queue' },
        { name: 'subscriptions', description: 'robots and webhooks that are told of cases' },
        { name: 'people', description: 'reports of people who have not signed in' },
        { name: 'users', description: 'who may sign in' },
        { name: 'gateway', description: 'sessions, events, health' },
      ],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
        },
      },
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, i) =>
        typeof json.$id === 'string' ? json.$id : `def-${i}`,
    },
    transform: ({ schema, url, route }) => ({
      url,
      schema: schema?.hide === true ? schema : withAccess(schema ?? {}, route.config?.access ?? {}),
    }),
  })
  await app.register(async (docs) => {
    docs.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: PUBLIC }
    })
    await docs.register(swaggerUi, {
      routePrefix: '/api/docs',
      uiConfig: { deepLinking: true, validatorUrl: null },
      theme: { title: 'Gridwhistle API', css: [{ filename: 'theme.css', content: THEME }] },
    })
  })
  app.get(
    '/api/v1/openapi.json',
    { config: { access: PUBLIC }, schema: { hide: true } },
    // Written here and not by the page's own route, so that programs have an address that stays.
    () => app.swagger(),
  )
}

/** Says who may use the route and how it fails, from the same declaration that guards it. */
function withAccess(schema: FastifySchema, access: Access): FastifySchema {
  const users = access.roles === undefined ? [] : [`roles: ${access.roles.join(', ')}`]
  const devices = access.devices === true ? ['devices'] : []
  const who = access.public === true ? 'Open to everyone.' : `For ${[...users, ...devices].join('; ')}.`
  const failures =
    access.public === true ? {} : { 401: problem('no valid token or session'), 403: problem(who) }
  return {
    ...schema,
    description: [schema.description, who].filter(Boolean).join('\n\n'),
    security: access.public === true ? [] : [{ token: [] }, { session: [] }],
    response: {
      ...(schema.response as object),
      ...failures,
      default: problem('anything else that went wrong'),
    },
  }
}

function problem(description: string) {
  return { description, content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } } }
}
