import { Type } from 'typebox'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import type { EventStream } from './event-stream.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

/** `GET /events`: what happens now, within what the caller may see. */
export function events(api: Api, stream: EventStream): void {
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
      const { user, scope, valid } = userOf(request)
      if (!stream.hasRoomFor(user)) throw new Problem('overloaded', 'too many event streams are open')
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value)
      reply.raw.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // Asks reverse proxies not to hold events back.
        'x-accel-buffering': 'no',
      })
      stream.connect(reply.raw, scope, valid, request.headers['last-event-id'])
    },
  )
}
