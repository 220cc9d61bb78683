import { Type } from 'typebox'
import { READERS } from './access.ts'
import { SESSION_COOKIE, userOf } from './auth.ts'
import type { EventStream } from './event-stream.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import type { SessionStore } from './session-store.ts'

/** `GET /events`: what happens now, within what the caller may see. */
export function events(api: Api, { secrets }: HttpParts, stream: EventStream, sessions: SessionStore): void {
  api.get(
    '/api/v1/events',
    {
      config: { access: READERS },
      // A HEAD request would hold a stream that says nothing.
      exposeHeadRoute: false,
      schema: {
        tags: ['gateway'],
        summary: 'Server-sent events: reading, alarm, case, device',
        description:
          'Readings are sampled: a device that sends faster than the stream tells is told with its newest one. ' +
          'Come back with `Last-Event-ID` and the stream goes on where it broke; a `reset` event says that ' +
          'it cannot, so load the lists afresh. A client that does not read is dropped.',
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 64 })) }),
        produces: ['text/event-stream'],
        response: { 200: Type.String() },
      },
    },
    (request, reply) => {
      const { user, scope } = userOf(request)
      if (!stream.hasRoomFor(user)) throw new Problem('overloaded', 'too many event streams are open')
      const key = request.headers.authorization === undefined ? request.cookies[SESSION_COOKIE] : undefined
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value)
      reply.raw.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // Asks reverse proxies not to hold events back.
        'x-accel-buffering': 'no',
      })
      const secret = secrets.of(user.name)
      const allowed = () =>
        secrets.of(user.name) === secret && (key === undefined || sessions.find(key) !== undefined)
      stream.connect(reply.raw, scope, allowed, request.headers['last-event-id'])
    },
  )
}
